import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ASSUMED } from './cost-model.js';
import { firstExtraMs, fitConstants, type Measurement } from './fit.js';

const MB = 1e6;
const line = (taskMs: number, msPerMB: number, megabytes: readonly number[]): Measurement[] =>
  megabytes.map((each) => ({ bytes: each * MB, ms: taskMs + msPerMB * each }));

const measurement: fc.Arbitrary<Measurement> = fc.record({
  bytes: fc.integer({ min: 0, max: 1e9 }),
  ms: fc.double({ min: 0, max: 1e6, noNaN: true }),
});
const runs = fc.array(fc.array(measurement, { maxLength: 8 }), { minLength: 1, maxLength: 6 });

describe('fitConstants', () => {
  it('recovers the constants that made measurements of different sizes', () => {
    const truth = fc.record({
      taskMs: fc.double({ min: 1, max: 100, noNaN: true }),
      msPerMB: fc.double({ min: 1, max: 500, noNaN: true }),
    });
    fc.assert(
      fc.property(truth, ({ taskMs, msPerMB }) => {
        const measured = line(taskMs, msPerMB, [0.01, 0.02, 0.1, 0.5, 1, 2, 5]);
        const fitted = fitConstants([measured]);
        for (const { bytes, ms } of measured)
          expect(Math.abs((fitted.taskMs + fitted.byteMs * bytes) / ms - 1)).toBeLessThan(0.02);
      }),
      { seed: 1 },
    );
  });

  it('gives costs above zero, finite, and never more for an empty task than the smallest took', () => {
    fc.assert(
      fc.property(runs, (runs) => {
        fc.pre(runs.some((run) => run.some(({ bytes, ms }) => bytes > 0 && ms >= 1e-3)));
        const { taskMs, byteMs } = fitConstants(runs);
        expect(taskMs).toBeGreaterThan(0);
        expect(byteMs).toBeGreaterThan(0);
        expect(taskMs).toBeLessThanOrEqual(Math.max(1e-3, ...runs.flat().map(({ ms }) => ms)));
      }),
      { seed: 2 },
    );
  });

  it('does not believe the slope of a few tasks of about one size, however it leans', () => {
    const leaning = [
      [566, 667],
      [667, 566],
      [600, 600],
    ];
    for (const [small, large] of leaning) {
      const measured = [
        { bytes: 1_713_528, ms: small! },
        { bytes: 1_723_253, ms: large! },
      ];
      const { taskMs, byteMs } = fitConstants([measured]);
      expect(taskMs).toBeGreaterThan(1);
      expect(taskMs).toBeLessThan(60);
      expect(taskMs + byteMs * 1_718_000).toBeGreaterThan(560);
      expect(taskMs + byteMs * 1_718_000).toBeLessThan(670);
    }
  });

  it('believes that starting costs much when tasks of many sizes say so', () => {
    const { taskMs } = fitConstants([line(500, 20, [0.1, 0.2, 0.5, 1, 2, 5])]);
    expect(taskMs).toBeGreaterThan(400);
    expect(taskMs).toBeLessThan(550);
  });

  it('is not tilted by a task that was interrupted', () => {
    const times = line(3, 12, [1, 1, 2, 2, 4, 4, 8, 8]);
    const disturbed = times.map((time, k) => (k === 1 ? { ...time, ms: 5 * time.ms } : time));
    const [straight, fitted] = [fitConstants([times]), fitConstants([disturbed])];
    expect(fitted.taskMs / straight.taskMs).toBeCloseTo(1, 1);
    expect(fitted.byteMs * MB).toBeCloseTo(12, 0);
  });

  it('knows that a whole run may be slow: of runs of different sizes the shape within them counts', () => {
    const [slow, fast] = [line(20, 80, [0.02, 0.5]), line(5, 20, [0.02, 2])];
    const usual = line(5, 20, [0.02, 1]);
    const { taskMs, byteMs } = fitConstants([slow, usual, fast]);
    expect(taskMs).toBeCloseTo(5, 0);
    expect(byteMs * MB).toBeCloseTo(20, 0);
  });

  it('foretells no free bytes when noise has made small tasks look alike', () => {
    const { taskMs, byteMs } = fitConstants([line(16, 0, [1, 2, 4, 8])]);
    expect(taskMs).toBeGreaterThan(8);
    expect(byteMs * MB).toBeGreaterThan(0.2);
  });

  it('divides the time of tasks of one size as assumed', () => {
    const { taskMs, byteMs } = fitConstants([line(ASSUMED.taskMs, ASSUMED.byteMs * MB, [1])]);
    expect(taskMs).toBeCloseTo(ASSUMED.taskMs, 1);
    expect(byteMs * MB).toBeCloseTo(ASSUMED.byteMs * MB, 1);
  });

  it('takes tasks without input for what they are, and refuses to guess from nothing', () => {
    expect(fitConstants([[{ bytes: 0, ms: 40 }]])).toEqual({ ...ASSUMED, taskMs: 40 });
    expect(() => fitConstants([[], []])).toThrow('no measurement');
  });
});

describe('firstExtraMs', () => {
  it('is the median of what first tasks took longer, and nothing when they did not', () => {
    const constants = { ...ASSUMED, taskMs: 5, byteMs: 1e-5 };
    const first = [105, 115, 905].map((ms) => ({ bytes: MB, ms }));
    expect(firstExtraMs(first, constants)).toBeCloseTo(100);
    expect(firstExtraMs([{ bytes: MB, ms: 2 }], constants)).toBe(0);
    expect(firstExtraMs([], constants)).toBe(0);
  });
});
