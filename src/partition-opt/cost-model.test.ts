import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ASSUMED, makespan, predictMs } from './cost-model.js';
import { constants, sizes, slots } from './testing/costs.js';

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
