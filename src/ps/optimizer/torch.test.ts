import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { RangeOptimizer } from './range-optimizer.js';
import { type Schedule, scheduleFactor } from './schedule.js';
import { clipScale, type UpdateSpec } from './update-spec.js';

/** What testing/torch_optimizers.py recorded. */
interface Recorded {
  readonly at: readonly number[];
  readonly start: readonly number[];
  readonly gradients: readonly (readonly number[])[];
  readonly cases: readonly { readonly update: UpdateSpec; readonly theta: readonly (readonly number[])[] }[];
  readonly schedules: readonly { readonly schedule: Schedule; readonly rates: readonly number[] }[];
}

const recorded = JSON.parse(
  readFileSync(new URL('./testing/torch-optimizers.json', import.meta.url), 'utf8'),
) as Recorded;

describe('PyTorch', () => {
  it.each(recorded.cases)('goes through the same weights: $update', ({ update, theta: expected }) => {
    const theta = Float32Array.from(recorded.start);
    const range = { from: 0, to: theta.length };
    const owner = new RangeOptimizer(update, [{ ...range, kind: 'kernel' }], range);
    const seen: number[][] = [];
    recorded.gradients.forEach((gradient, i) => {
      const sum = Float32Array.from(gradient, (g) => 3 * g);
      const scale = update.clipNorm === undefined ? 1 : clipScale(update.clipNorm, owner.norms(sum), 3);
      owner.update(theta, sum, 3, i + 1, { scale });
      if (recorded.at.includes(i + 1)) seen.push([...theta]);
    });
    seen.flat().forEach((value, i) => {
      expect(Math.abs(value - expected.flat()[i]!)).toBeLessThan(2e-6);
    });
  });

  it.each(recorded.schedules)('gives the same rates: $schedule', ({ schedule, rates }) => {
    rates.forEach((rate, i) => {
      expect(scheduleFactor(schedule, i + 1)).toBeCloseTo(rate, 9);
    });
  });
});
