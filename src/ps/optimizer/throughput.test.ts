import { describe, expect, it } from 'vitest';
import { keyedRandom } from '../../rdd/random.js';
import { bestBatch, nextBatch, type StepTime } from './goodput.js';
import { Throughput } from './throughput.js';

const TRUE_TIME = { fixed: 0.4, perRow: 0.002, exchange: 1.5 };
const steps = (batch: number, { fixed, perRow, exchange }: StepTime = TRUE_TIME) => ({
  ...{ batch, compute: fixed + perRow * batch, exchange },
});

describe('Throughput', () => {
  it('tells what a row takes from what a step takes', () => {
    const throughput = new Throughput();
    throughput.add(steps(64));
    expect(throughput.time()).toBeUndefined();
    throughput.add(steps(64));
    expect(throughput.time()).toBeUndefined();
    throughput.add(steps(128));
    const time = throughput.time()!;
    expect(time.fixed).toBeCloseTo(0.4, 9);
    expect(time.perRow).toBeCloseTo(0.002, 9);
    expect(time.exchange).toBeCloseTo(1.5, 9);
  });

  it('takes no notice of a measurement that something else has lengthened, and follows lasting change', () => {
    const throughput = new Throughput();
    const all = [64, 128, 256];
    for (const batch of all) throughput.add({ ...steps(batch), compute: 9, exchange: 9 }); // graphs are compiled
    for (const batch of all) throughput.add(steps(batch));
    throughput.add({ ...steps(128), compute: 5 });
    expect(throughput.time()!.perRow).toBeCloseTo(0.002, 9);
    const slower = { fixed: 0.8, perRow: 0.004, exchange: 1.5 };
    for (let time = 0; time < 3; time++) for (const batch of all) throughput.add(steps(batch, slower));
    expect(throughput.time()!.perRow).toBeCloseTo(0.004, 9);
  });

  it('finds nothing below 0', () => {
    const falling = new Throughput();
    for (const batch of [64, 128]) falling.add({ batch, compute: 100 / batch, exchange: 0 });
    expect(falling.time()).toMatchObject({ perRow: 0 });
    const steep = new Throughput();
    for (const batch of [64, 128]) steep.add({ batch, compute: batch * batch, exchange: 0 });
    expect(steep.time()).toMatchObject({ fixed: 0 });
    const none = new Throughput();
    for (const batch of [64, 128]) none.add({ batch, compute: 0, exchange: 0 });
    expect(Object.values(none.time()!).every(Number.isFinite)).toBe(true);
  });
});

describe('nextBatch', () => {
  const bounds = { min: 64, max: 8192, growth: 2, baseBatch: 64 };

  /** Batches of so many epochs, on a machine whose steps take so long, with this much noise in what is measured. */
  function epochs(count: number, noise: number, time: StepTime = TRUE_TIME, jitter = 0): number[] {
    const throughput = new Throughput();
    const random = keyedRandom(3, 'jitter', 0);
    const batches = [64];
    for (let epoch = 0; epoch < count; epoch++) {
      const batch = batches.at(-1)!;
      const { compute, exchange } = steps(batch, time);
      const stretch = () => 1 + jitter * random.uniform();
      throughput.add({ batch, compute: compute * stretch(), exchange: exchange * stretch() });
      batches.push(nextBatch({ ...bounds, batch, noise, time: throughput.time() }));
    }
    return batches;
  }

  const grid = Array.from({ length: 8192 - 63 }, (_, k) => 64 + k);

  it.each([300, 1000, 20_000])(
    'comes to the batch of the highest goodput, by its growth at most, and stays (noise %d)',
    (noise) => {
      const batches = epochs(20, noise);
      const best = bestBatch(grid, TRUE_TIME, noise, 64);
      const reached = bestBatch([batches.at(-1)!], TRUE_TIME, noise, 64);
      expect(reached.goodput / best.goodput).toBeGreaterThan(0.97);
      expect(new Set(batches.slice(-8)).size).toBe(1);
      for (const [k, batch] of batches.slice(1).entries()) expect(batch).toBeLessThanOrEqual(2 * batches[k]!);
    },
  );

  it('comes near it with measurements that vary by a fifth', () => {
    const best = bestBatch(grid, TRUE_TIME, 1000, 64);
    for (const batch of epochs(40, 1000, TRUE_TIME, 0.2).slice(-10))
      expect(bestBatch([batch], TRUE_TIME, 1000, 64).goodput / best.goodput).toBeGreaterThan(0.9);
  });

  it('goes back where a larger batch was tried and is worth less', () => {
    const batches = epochs(6, 70, { fixed: 0, perRow: 1, exchange: 0 });
    expect(batches.slice(0, 3)).toEqual([64, 128, 64]);
    expect(batches.at(-1)).toBe(64);
  });

  it('tries nothing where the noise is small or not known', () => {
    const choice = { ...bounds, batch: 64, time: undefined };
    expect(nextBatch({ ...choice, noise: undefined })).toBe(64);
    expect(nextBatch({ ...choice, noise: 50 })).toBe(64);
    expect(nextBatch({ ...choice, noise: 80 })).toBe(128);
    expect(nextBatch({ ...choice, noise: Number.POSITIVE_INFINITY, max: 100 })).toBe(100);
  });

  it('takes the largest where the gradient is lost in noise', () => {
    expect(epochs(10, Number.POSITIVE_INFINITY).at(-1)).toBe(8192);
  });
});
