import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packUnits } from '../rdd/sources/source.js';
import {
  ASSUMED,
  type CostConstants,
  choosePartitions,
  fitConstants,
  fitSmall,
  makespan,
  predictMs,
} from './cost-model.js';

const units = (sizes: readonly number[]) => sizes.map((bytes, index) => ({ bytes, index }));
const sizes = fc.array(fc.integer({ min: 0, max: 5_000_000 }), { minLength: 1, maxLength: 60 });
const slots = fc.integer({ min: 1, max: 9 });
const constants: fc.Arbitrary<CostConstants> = fc.record({
  taskMs: fc.double({ min: 0, max: 50, noNaN: true }),
  byteMs: fc.double({ min: 0, max: 1e-3, noNaN: true }),
  schedMs: fc.double({ min: 0, max: 5, noNaN: true }),
  mergeMs: fc.double({ min: 0, max: 5, noNaN: true }),
  moveMs: fc.constant(0),
  spread: fc.constantFrom(0, 0.1, 0.4),
});

describe('makespan', () => {
  it('is what a simulation of the slots gives', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 12 }), slots, (durations, slots) => {
        expect(makespan(durations, slots)).toBe(simulate(durations, slots));
      }),
    );
  });

  it('lies within the bounds of list scheduling of the best schedule there is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 7 }),
        fc.integer({ min: 1, max: 3 }),
        (durations, slots) => {
          const best = bruteForce(durations, slots);
          const span = makespan(durations, slots);
          expect(span).toBeGreaterThanOrEqual(best);
          expect(span).toBeLessThanOrEqual((2 - 1 / slots) * best); // Graham 1966
        },
      ),
    );
  });

  it('is nothing without tasks', () => expect(makespan([], 4)).toBe(0));
});

describe('fitConstants', () => {
  it('recovers the constants that made the measurements', () => {
    const truth = fc.record({
      taskMs: fc.double({ min: 0, max: 100, noNaN: true }),
      byteMs: fc.double({ min: 1e-7, max: 1e-3, noNaN: true }),
    });
    const bytes = fc.uniqueArray(fc.integer({ min: 10_000, max: 50_000_000 }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(truth, bytes, ({ taskMs, byteMs }, bytes) => {
        const fitted = fitConstants(bytes.map((each) => ({ bytes: each, ms: taskMs + byteMs * each })));
        for (const each of bytes) {
          const expected = taskMs + byteMs * each;
          expect(Math.abs(fitted.taskMs + fitted.byteMs * each - expected)).toBeLessThan(1e-3 * expected);
        }
      }),
    );
  });

  it('is not tilted by a task that was interrupted', () => {
    const times = [1, 1, 2, 2, 4, 4, 8, 8].map((megabytes) => ({ bytes: megabytes * 1e6, ms: 3 + 12 * megabytes }));
    const disturbed = times.map((time, k) => (k === 1 ? { ...time, ms: 5 * time.ms } : time));
    const { taskMs, byteMs } = fitConstants(disturbed);
    expect(taskMs).toBeCloseTo(3, 1);
    expect(byteMs * 1e6).toBeCloseTo(12, 1);
  });

  it('never gives a negative cost', () => {
    const falling = fitConstants([
      { bytes: 1e6, ms: 20 },
      { bytes: 2e6, ms: 10 },
    ]);
    const steep = fitConstants([
      { bytes: 1e6, ms: 1 },
      { bytes: 2e6, ms: 10 },
    ]);
    expect(falling.byteMs).toBe(0);
    expect(steep.taskMs).toBe(0);
  });

  it('takes the cost of a task as assumed when all had one size', () => {
    const { taskMs, byteMs } = fitConstants([{ bytes: 1e6, ms: ASSUMED.taskMs + 10 }]);
    expect(taskMs).toBe(ASSUMED.taskMs);
    expect(byteMs).toBeCloseTo(1e-5, 12);
    expect(() => fitConstants([])).toThrow('no measurement');
  });
});

describe('fitSmall', () => {
  it('is the fit, unless that says that bytes cost next to nothing', () => {
    const steep = [1, 2, 4, 8].map((megabytes) => ({ bytes: megabytes * 1e6, ms: 3 + 12 * megabytes }));
    expect(fitSmall(steep)).toEqual(fitConstants(steep));
    const flat = [1, 2, 4, 8].map((megabytes) => ({ bytes: megabytes * 1e6, ms: 16 }));
    expect(fitConstants(flat).byteMs).toBeCloseTo(0);
    const { taskMs, byteMs } = fitSmall(flat);
    expect(byteMs * 1e6).toBeCloseTo(1.5);
    expect(taskMs).toBeGreaterThan(8);
    expect(taskMs).toBeLessThan(16);
  });
});

describe('predictMs', () => {
  it('grows with every constant and with the input, and falls with slots', () => {
    fc.assert(
      fc.property(sizes, slots, constants, (bytes, slots, costs) => {
        const now = predictMs(bytes, slots, costs);
        for (const name of ['taskMs', 'byteMs', 'schedMs', 'mergeMs'] as const)
          expect(predictMs(bytes, slots, { ...costs, [name]: costs[name] * 2 + 1e-6 })).toBeGreaterThanOrEqual(
            now - 1e-9,
          );
        expect(predictMs([...bytes, 1e6], slots, { ...costs, spread: 0 })).toBeGreaterThanOrEqual(
          predictMs(bytes, slots, { ...costs, spread: 0 }) - 1e-9,
        );
        expect(predictMs(bytes, slots + 1, { ...costs, spread: 0 })).toBeLessThanOrEqual(
          predictMs(bytes, slots, { ...costs, spread: 0 }) + 1e-9,
        );
      }),
    );
  });

  it('counts what is moved, and waits longer for the slowest slot the more times differ', () => {
    const costs = { ...ASSUMED, spread: 0, moveMs: 1e-5 };
    expect(predictMs([1e6, 1e6], 2, costs, 1e6) - predictMs([1e6, 1e6], 2, costs)).toBeCloseTo(10);
    expect(predictMs([1e6, 1e6], 2, { ...costs, spread: 0.2 })).toBeGreaterThan(predictMs([1e6, 1e6], 2, costs));
  });
});

describe('choosePartitions', () => {
  it('never wants more partitions than there are units, and is as good as any candidate', () => {
    fc.assert(
      fc.property(sizes, slots, constants, (sizes, slots, costs) => {
        const plan = choosePartitions(units(sizes), slots, costs);
        expect(plan.partitions).toBeGreaterThanOrEqual(1);
        expect(plan.partitions).toBeLessThanOrEqual(sizes.length);
        expect(packUnits(units(sizes), plan.partitions)).toHaveLength(plan.partitions);
        const best = Math.min(...plan.curve.map(({ predictedMs }) => predictedMs));
        expect(plan.predictedMs).toBeLessThanOrEqual(best * 1.02 + 1e-9);
      }),
      { numRuns: 60 },
    );
  });

  it('takes few partitions when tasks are dear, more when times differ, one a slot when nothing speaks against it', () => {
    const even = units(Array.from({ length: 400 }, () => 1e6));
    const free = { ...ASSUMED, taskMs: 0, schedMs: 0, spread: 0 };
    expect(choosePartitions(even, 4, free).partitions).toBe(4);
    expect(choosePartitions(even, 4, { ...free, spread: 0.3 }).partitions).toBeGreaterThan(4);
    expect(choosePartitions(even, 4, { ...free, taskMs: 1e5 }).partitions).toBeLessThanOrEqual(4);
    expect(choosePartitions(units([1000, 1000, 1000, 1000]), 4, { ...free, schedMs: 50 }).partitions).toBe(1);
  });

  it('bounds what a task must hold in memory', () => {
    const large = units(Array.from({ length: 100 }, () => 50 * 2 ** 20));
    const plan = choosePartitions(large, 1, { ...ASSUMED, schedMs: 1e4 });
    expect(Math.max(...packUnits(large, plan.partitions).map((split) => split.bytes))).toBeLessThanOrEqual(
      150 * 2 ** 20,
    );
  });

  it('says why, with the numbers', () => {
    const plan = choosePartitions(units(Array.from({ length: 360 }, () => 600_000)), 2, ASSUMED);
    expect(plan.reason).toMatch(
      /^360 pieces of 216 MB in all on 2 slots, a task costs 5.0 ms and 20.0 ms\/MB: predicted /,
    );
    expect(plan.reason).toMatch(/, 2 would take .*, 64 would take /);
  });
});

/** Slots as people at a counter: every millisecond whoever is free takes the next task. */
function simulate(durations: readonly number[], slots: number): number {
  const waiting = [...durations];
  const left = Array.from({ length: slots }, () => 0);
  let time = 0;
  while (true) {
    for (const [slot, rest] of left.entries())
      if (rest === 0) {
        while (waiting[0] === 0) waiting.shift();
        left[slot] = waiting.shift() ?? 0;
      }
    if (left.every((rest) => rest === 0)) return time;
    for (const [slot, rest] of left.entries()) left[slot] = Math.max(0, rest - 1);
    time++;
  }
}

function bruteForce(durations: readonly number[], slots: number): number {
  let best = Number.POSITIVE_INFINITY;
  for (let assignment = 0; assignment < slots ** durations.length; assignment++) {
    const load = Array.from({ length: slots }, () => 0);
    let rest = assignment;
    for (const duration of durations) {
      load[rest % slots]! += duration;
      rest = Math.floor(rest / slots);
    }
    best = Math.min(best, Math.max(...load));
  }
  return best;
}
