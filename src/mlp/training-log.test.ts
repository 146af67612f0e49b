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

function world() {
  let now = 0;
  const bus = new EventBus({ now: () => now, after: () => () => {} });
  const rounds: { ms: number; bytes?: number }[] = [];
  bus.listen((event) => event.event === 'round' && rounds.push({ ms: event.ms, bytes: event.bytes }));
  const log = new TrainingLog(bus, { model: 'a', plan } as unknown as TrainingSpec);
  const round = (ms: number) => {
    now += ms;
    log.add(cost, 1);
  };
  const epoch = () => {
    log.commit();
    log.epoch({ epoch: 1, loss: 1 }, 20, new Pace(plan, false, 0), 0, 1);
  };
  return { log, round, epoch, rounds };
}

describe('TrainingLog', () => {
  it('says what an epoch took from one end to the next, over all its commits', () => {
    const { log, round, epoch, rounds } = world();
    log.begin();
    round(100);
    log.commit();
    round(50);
    epoch();
    round(30);
    epoch();
    expect(rounds).toEqual([
      { ms: 150, bytes: 16 },
      { ms: 30, bytes: 8 },
    ]);
  });

  it('leaves out what was lost and is done again', () => {
    const { log, round, epoch, rounds } = world();
    log.begin();
    round(100);
    log.commit();
    round(70); // lost
    log.begin();
    round(50);
    epoch();
    round(100);
    log.commit();
    log.fellBack();
    log.begin();
    round(40);
    epoch();
    expect(rounds).toEqual([
      { ms: 150, bytes: 16 },
      { ms: 40, bytes: 8 },
    ]);
  });
});
