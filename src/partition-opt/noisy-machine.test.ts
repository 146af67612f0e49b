import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyedRandom } from '../rdd/random.js';
import { packUnits, type SourceUnit } from '../rdd/sources/source.js';
import { choosePartitions, predictFor } from './choose-partitions.js';
import { ASSUMED, type CostConstants } from './cost-model.js';
import { fitConstants, type Measurement } from './fit.js';
import { type Expectation, lessonOf } from './lesson.js';
import type { SeenTask } from './stage-watch.js';
import { median } from './statistics.js';

/** Noise of a machine with other work: of a run, of a task (standard deviations of the logarithm), and interruptions. */
const RUN_NOISE = 0.3;
const TASK_NOISE = 0.2;
const INTERRUPTED = { share: 0.05, times: 4 };

interface Truth {
  readonly units: readonly SourceUnit[];
  readonly slots: number;
  readonly constants: CostConstants;
  readonly firstMs: number;
  readonly seed: number;
}

const ratio = (from: number, to: number) =>
  fc.double({ min: Math.log(from), max: Math.log(to), noNaN: true }).map(Math.exp);

const truth: fc.Arbitrary<Truth> = fc
  .record({
    ...{ count: fc.integer({ min: 4, max: 400 }), size: ratio(5e3, 2e6), slots: fc.integer({ min: 1, max: 8 }) },
    ...{ taskMs: ratio(1, 50), msPerMB: ratio(1, 400), firstMs: ratio(50, 1000), seed: fc.nat() },
  })
  .map(({ count, size, slots, taskMs, msPerMB, firstMs, seed }) => {
    const random = keyedRandom(seed, 'units');
    const units = Array.from({ length: count }, () => ({ bytes: Math.ceil(size * (0.5 + random.uniform())) }));
    const constants = { ...ASSUMED, taskMs, byteMs: msPerMB / 1e6, spread: 0.3 };
    return { units, slots, constants, firstMs, seed };
  });

interface Outcome {
  readonly partitions: number;
  /** Of the time that the partitions really take to that of the best number of them. */
  readonly cost: number;
  /** Of the predicted time to the true one. */
  readonly prediction: number;
}

/** Runs a stage again and again, each in cold slots, the number of partitions from the history so far. */
function learning(truth: Truth, runs: number, probed: boolean): Outcome[] {
  const { units, slots, constants } = truth;
  const history: (readonly Measurement[])[] = probed ? [smallTasks(truth)] : [];
  const firsts: number[] = [];
  const outcomes: Outcome[] = [];
  for (let run = 0; run <= runs; run++) {
    let partitions = Math.min(2 * slots, units.length);
    const known = history.length > 0 ? { ...fitConstants(history), spread: constants.spread } : undefined;
    if (known) {
      const plan = choosePartitions(units, slots, known);
      partitions = plan.partitions;
      const best = Math.min(...choosePartitions(units, slots, constants).curve.map((each) => each.predictedMs));
      const ms = predictFor(units, partitions, slots, constants);
      outcomes.push({ partitions, cost: ms / best, prediction: plan.predictedMs / ms });
    }
    const lesson = simulate(truth, run, partitions, { warm: false, firstMs: median(firsts), constants: known });
    if (lesson.measured.length === 0) continue;
    history.push(lesson.measured);
    firsts.push(lesson.firstMs);
  }
  return outcomes;
}

function simulate(truth: Truth, run: number, partitions: number, known: Expectation) {
  const { units, slots, constants, firstMs, seed } = truth;
  const random = keyedRandom(seed, 'run', run);
  const luck = noise(random, RUN_NOISE);
  const splits = packUnits(units, partitions);
  const free = Array.from({ length: slots }, () => 0);
  const tasks = splits.map(({ bytes }, partition): SeenTask => {
    const slot = free.indexOf(Math.min(...free));
    const first = free[slot] === 0 ? firstMs * noise(random, TASK_NOISE) : 0;
    const interrupted = random.uniform() < INTERRUPTED.share ? INTERRUPTED.times : 1;
    const work = (constants.taskMs + constants.byteMs * bytes) * noise(random, TASK_NOISE) * interrupted;
    free[slot]! += luck * (first + work);
    const metrics = { queueMs: 0, fetchMs: 0, computeMs: luck * (first + work), writeMs: 0 };
    return { partition, slot: `e#${slot}`, metrics: { ...metrics, rows: 0, bytesIn: 0, bytesOut: 0 } };
  });
  const stage = { sources: [1], ms: Math.max(...free), tasks };
  return lessonOf(
    stage,
    splits.map(({ bytes }) => bytes),
    known,
  );
}

/** What a probe measures: pieces, and a few of them together. */
function smallTasks({ units, slots, constants, seed }: Truth): Measurement[] {
  const random = keyedRandom(seed, 'probe');
  return Array.from({ length: 3 * slots }, (_, task) => {
    const bytes = (task % 3 === 0 ? 4 : 1) * units[random.below(units.length)]!.bytes;
    return { bytes, ms: (constants.taskMs + constants.byteMs * bytes) * noise(random, TASK_NOISE) };
  });
}

/** Log-normal about 1 (Box and Muller). */
function noise(random: { uniform(): number }, deviation: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
  return Math.exp(deviation * normal);
}

function simulated(runs: number, probed: boolean): Outcome[][] {
  const all: Outcome[][] = [];
  const collect = fc.property(truth, (truth) => {
    all.push(learning(truth, runs, probed));
  });
  fc.assert(collect, { seed: 5, numRuns: 60 });
  return all.filter((outcomes) => outcomes.length > 0);
}

function summary(outcomes: readonly Outcome[]) {
  const costs = outcomes.map(({ cost }) => cost);
  const errors = outcomes.map(({ prediction }) => Math.max(prediction, 1 / prediction));
  return { usual: median(costs), worst: Math.max(...costs), error: median(errors), worstError: Math.max(...errors) };
}

/** Costs are of the best number of partitions in the truth; errors are factors, either way. */
describe('on a noisy machine', () => {
  it('one earlier run is enough for a plan; no prediction is absurd, however few runs and sizes there are', () => {
    const all = simulated(4, false);
    const first = summary(all.map((outcomes) => outcomes[0]!));
    const last = summary(all.map((outcomes) => outcomes.at(-1)!));
    for (const { usual, error } of [first, last]) {
      expect(usual).toBeLessThan(1.03);
      expect(error).toBeLessThan(1.4);
    }
    // Tasks that cost ten times what is assumed, all of one size: nothing tells.
    expect(first.worst).toBeLessThan(3.5);
    expect(last.worst).toBeLessThan(2.7);
    expect(first.worstError).toBeLessThan(4);
    expect(last.worstError).toBeLessThan(2.5);
  });

  it('small tasks that a probe measured tell what starting costs: then no plan is far from the best', () => {
    const all = simulated(2, true);
    for (const place of [0, 2]) {
      const { usual, worst, error, worstError } = summary(all.map((outcomes) => outcomes[place]!));
      expect(usual).toBeLessThan(1.03);
      expect(worst).toBeLessThan(1.5);
      expect(error).toBeLessThan(1.4);
      expect(worstError).toBeLessThan(5);
    }
  });
});
