import { describe, expect, it } from 'vitest';
import { EventBus } from '../scheduler/event-bus.js';
import { numericalPlan } from './numerical-plan.js';
import { Pace } from './pace.js';
import { TrainingLog } from './training-log.js';
import type { TrainingSpec } from './training-spec.js';

const network = { inputs: 2, hidden: [], outputs: 2, loss: 'softmax-cross-entropy' } as const;
const optimizer = { kind: 'sgd', learningRate: 0.1 } as const;
const plan = numericalPlan({ rows: 20, batchSize: 10, epochs: 2, seed: 0, network, optimizer, shards: 2 });
const cost = { bytes: 8, computeMs: 3, exchangeMs: 2 };

function world({ max }: { max?: number } = {}) {
  let now = 0;
  let [step, number] = [0, 1];
  const adaptive = max === undefined ? {} : { adaptive: { baseBatch: 10, max, by: 'goodput' } as const };
  const spec = { model: 'a', plan: { ...plan, ...adaptive } } as unknown as TrainingSpec;
  const bus = new EventBus({ now: () => now, after: () => () => {} });
  const rounds: { ms: number; rows: number; bytes?: number }[] = [];
  bus.listen((event) => event.event === 'round' && rounds.push({ ms: event.ms, rows: event.rows, bytes: event.bytes }));
  const log = new TrainingLog(bus, spec);
  const round = (ms: number, of = cost) => {
    now += ms;
    step++;
    log.add(of, 1, 10);
  };
  const commit = () => log.commit(step, number);
  const epoch = (batch = 10) => {
    commit();
    const pace = new Pace(spec.plan, false, 0);
    pace.choose(batch);
    log.epoch({ epoch: number, loss: 1 }, pace);
    number++;
  };
  /** To the state after so many updates, in that epoch. */
  const fallBack = (to: number, toEpoch = number) => {
    [step, number] = [to, toEpoch];
    log.fellBack(to);
    begin();
  };
  let generation = 0;
  const begin = (members = 1) => log.begin(generation++, members);
  /** Something is lost in the middle of a round; so many of its updates are not. */
  const salvage = (ms: number, updates: number) => {
    now += ms;
    step += updates;
    log.salvaged(step, number, 10 * updates);
    now += 1000; // others take over
    begin();
  };
  return { log, begin, round, commit, epoch, fallBack, salvage, rounds, spec };
}

type World = ReturnType<typeof world>;

describe('TrainingLog', () => {
  it('says what an epoch took from one end to the next, over all its commits', () => {
    const { begin, round, commit, epoch, rounds } = world();
    begin();
    round(100);
    commit();
    round(50);
    epoch();
    round(30);
    epoch();
    expect(rounds).toEqual([
      { ms: 150, rows: 20, bytes: 16 },
      { ms: 30, rows: 10, bytes: 8 },
    ]);
  });

  it('leaves out what was lost and is done again: after the last commit, or all of an epoch', () => {
    const { begin, round, commit, epoch, fallBack, rounds } = world();
    begin();
    round(100);
    commit();
    round(70); // lost
    fallBack(1);
    round(50);
    epoch();
    round(100);
    commit();
    fallBack(2);
    round(40);
    epoch();
    expect(rounds).toEqual([
      { ms: 150, rows: 20, bytes: 16 },
      { ms: 40, rows: 10, bytes: 8 },
    ]);
  });

  it('keeps what an earlier commit of the same epoch has, when that is gone back to', () => {
    const { begin, round, commit, epoch, fallBack, rounds } = world();
    begin();
    round(100);
    commit();
    round(50);
    commit(); // lost
    fallBack(1);
    round(60);
    epoch();
    expect(rounds).toEqual([{ ms: 160, rows: 20, bytes: 16 }]);
  });

  it('keeps it when the end of that epoch is lost as well, which is told again', () => {
    const { begin, round, commit, epoch, fallBack, rounds } = world();
    begin();
    round(100);
    commit();
    round(50);
    epoch();
    fallBack(1, 1);
    round(70);
    epoch();
    expect(rounds).toEqual([
      { ms: 150, rows: 20, bytes: 16 },
      { ms: 170, rows: 20, bytes: 16 },
    ]);
  });

  it('counts what a loss leaves: rounds since the last commit, and of the round it broke off updates and time', () => {
    const { begin, round, commit, epoch, salvage, rounds } = world();
    begin();
    round(100);
    commit();
    round(50);
    salvage(70, 3);
    round(30);
    epoch();
    expect(rounds).toEqual([{ ms: 250, rows: 60, bytes: 24 }]);
  });

  it('of an epoch gone on with from a checkpoint tells rows and time since then', () => {
    const { begin, round, epoch, rounds } = world();
    begin();
    round(50); // the second of two
    epoch();
    expect(rounds).toEqual([{ ms: 50, rows: 10, bytes: 8 }]);
  });

  it('learns what steps take of the slots at hand only: others may have joined in the middle of an epoch', () => {
    const took = (computeMs: number) => ({ bytes: 0, computeMs, exchangeMs: 2 });
    /** The batch after two epochs of two slots, of 10 and 20 ms a step. */
    const chosen = (begin: (log: World) => void) => {
      const all = world({ max: 1000 });
      begin(all);
      all.round(1, took(20));
      all.epoch(10);
      all.round(1, took(40));
      all.epoch(20);
      return all.log.chosen({ plan: all.spec.plan, batch: 20, noiseScale: 50 } as Pace);
    };
    const joined = chosen(({ begin, round, commit }) => {
      begin(1);
      round(1, took(500));
      commit();
      begin(2);
    });
    expect(joined).toBe(chosen(({ begin }) => begin(2)));
  });
});
