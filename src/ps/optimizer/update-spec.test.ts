import { describe, expect, it } from 'vitest';
import { type Schedule, scheduleFactor } from './schedule.js';
import { power } from './step-plan.js';
import { learningRateAt } from './update-spec.js';

const optimizer = { kind: 'sgd', learningRate: 0.1 } as const;
const factors = (schedule: Schedule, steps: number, stepsPerEpoch?: number) =>
  Array.from({ length: steps }, (_, i) => Number(scheduleFactor(schedule, i + 1, stepsPerEpoch).toFixed(6)));

describe('learningRateAt', () => {
  it("is the optimizer's where nothing changes it", () => {
    expect(learningRateAt({ optimizer }, 1)).toBe(0.1);
    expect(learningRateAt({ optimizer, schedule: { kind: 'constant' } }, 999)).toBe(0.1);
  });

  it('grows with the batch: linear, or its root', () => {
    const sizes = { batchSize: 1024, baseBatchSize: 256 };
    expect(learningRateAt({ optimizer, batchScaling: { rule: 'linear', ...sizes } }, 1)).toBeCloseTo(0.4, 12);
    expect(learningRateAt({ optimizer, batchScaling: { rule: 'sqrt', ...sizes } }, 1)).toBeCloseTo(0.2, 12);
  });

  it('counts epochs in steps', () => {
    const schedule = { kind: 'step', every: { epochs: 30 } } as const;
    expect(learningRateAt({ optimizer, schedule }, 3000, 100)).toBeCloseTo(0.1, 12);
    expect(learningRateAt({ optimizer, schedule }, 3001, 100)).toBeCloseTo(0.01, 12);
    expect(() => learningRateAt({ optimizer, schedule }, 1)).toThrow('needs the number of steps of an epoch');
  });
});

describe('scheduleFactor', () => {
  it('warms up along a line, and is whole in the last step of it', () => {
    const warmup = { over: { steps: 4 } };
    expect(factors({ kind: 'constant', warmup }, 6)).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
    expect(factors({ kind: 'constant', warmup: { ...warmup, from: 0.5 } }, 5)).toEqual([0.625, 0.75, 0.875, 1, 1]);
    expect(factors({ kind: 'constant', warmup: { over: { epochs: 0.5 } } }, 3, 4)).toEqual([0.5, 1, 1]);
  });

  it('falls after the warm-up, and ends where it would without', () => {
    const line = { kind: 'polynomial', over: { steps: 6 }, warmup: { over: { steps: 2 } } } as const;
    expect(factors(line, 8)).toEqual([0.5, 1, 1, 0.75, 0.5, 0.25, 0, 0]);
    const cosine = { kind: 'cosine', over: { steps: 6 }, final: 0.2, warmup: { over: { steps: 2 } } } as const;
    expect(factors(cosine, 8)).toEqual([0.5, 1, 1, 0.882843, 0.6, 0.317157, 0.2, 0.2]);
  });

  it('lets steps go on as if there had been no warm-up (Goyal et al. 2017)', () => {
    const schedule = { kind: 'step', every: { steps: 3 }, factor: 0.5, warmup: { over: { steps: 2 } } } as const;
    expect(factors(schedule, 7)).toEqual([0.5, 1, 1, 0.5, 0.5, 0.5, 0.25]);
  });

  it('stays at its end', () => {
    expect(factors({ kind: 'one-cycle', over: { steps: 5 } }, 7).slice(4)).toEqual([0.000004, 0.000004, 0.000004]);
  });
});

describe('power', () => {
  it('is the power, within the rounding of its squarings', () => {
    for (const base of [0.9, 0.999, 0.5])
      for (const exponent of [0, 1, 2, 7, 1000, 123_457])
        expect(power(base, exponent) / base ** exponent - 1 || 0).toBeCloseTo(0, 9);
  });
});
