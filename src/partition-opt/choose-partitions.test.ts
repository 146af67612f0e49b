import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { packUnits } from '../rdd/sources/source.js';
import { choosePartitions } from './choose-partitions.js';
import { ASSUMED } from './cost-model.js';
import { constants, sizes, slots } from './testing/costs.js';

const units = (sizes: readonly number[]) => sizes.map((bytes, index) => ({ bytes, index }));
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
