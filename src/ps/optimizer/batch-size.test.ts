import { describe, expect, it } from 'vitest';
import { keyedRandom } from '../../rdd/random.js';
import { addSpreads } from '../tree.js';
import { AdaScale } from './adascale.js';
import { bestBatch, goodput, statisticalEfficiency, stepSeconds } from './goodput.js';
import { type GradientNorms, gradientMoments, gradientSquare, NoiseScale, shardSpread } from './noise-scale.js';
import { dynSgdScale } from './staleness.js';

const DIMENSIONS = 20;

function normsOf(squares: readonly number[], weights: readonly number[], square: number): GradientNorms {
  const spread = squares.map((each, g) => shardSpread(each, weights[g]!)).reduce((a, b) => addSpreads(a, b)!);
  const weight = weights.reduce((a, b) => a + b);
  return { rows: weight, weight, spread, square };
}

/** Norms of sums over rows whose gradients are `mean` plus noise of variance `variance` in each dimension, for given shards. */
function synthetic(shardRows: readonly number[], mean: number, variance: number, step: number): GradientNorms {
  const random = keyedRandom(9, 'noise-test', step);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
  const total = new Float64Array(DIMENSIONS);
  const shardSquares = shardRows.map((rows) => {
    let square = 0;
    for (let d = 0; d < DIMENSIONS; d++) {
      const sum = rows * mean + Math.sqrt(rows * variance) * normal();
      square += sum ** 2;
      total[d] = total[d]! + sum;
    }
    return square;
  });
  return normsOf(
    shardSquares,
    shardRows,
    total.reduce((sum, x) => sum + x ** 2, 0),
  );
}

describe('gradientMoments', () => {
  it.each([[[16, 16, 16, 16]], [[1, 30, 0, 9, 24]]])('is unbiased for shards of %j rows', (shards) => {
    const steps = 2000;
    let [variance, square] = [0, 0];
    for (let step = 0; step < steps; step++) {
      const moments = gradientMoments(synthetic(shards, 0.5, 4, step))!;
      variance += moments.variance / steps;
      square += moments.square / steps;
    }
    expect(variance / (DIMENSIONS * 4)).toBeCloseTo(1, 1);
    expect(square / (DIMENSIONS * 0.25)).toBeCloseTo(1, 1);
  });

  it('is the formula of two batch sizes where shards are equal', () => {
    const norms = synthetic([8, 8, 8, 8], 1, 3, 1);
    const [b, B] = [8, 32];
    const gb = norms.spread.between / b / 4; // the mean of |s|²/b²
    const gB = norms.square / B ** 2;
    const { variance, square } = gradientMoments(norms)!;
    expect(square).toBeCloseTo((B * gB - b * gb) / (B - b), 9);
    expect(variance).toBeCloseTo((gb - gB) / (1 / b - 1 / B), 9);
  });

  it('is unknown with one shard', () => {
    expect(gradientMoments(normsOf([3, 0], [2, 0], 3))).toBeUndefined();
  });

  it('is unknown when gradients have overflown', () => {
    expect(gradientMoments(normsOf([Infinity, 3], [2, 2], 3))).toBeUndefined();
    expect(gradientMoments(normsOf([3, 3], [2, 2], Number.NaN))).toBeUndefined();
  });

  it('is per row, whatever all rows weigh', () => {
    const norms = synthetic([8, 8, 8, 8], 1, 3, 1);
    const { spread, weight, square } = norms;
    // Twice the weight: sums are twice as long.
    const heavy = {
      rows: 32,
      weight: 2 * weight,
      spread: { ...spread, between: 2 * spread.between },
      square: 4 * square,
    };
    expect(gradientMoments(heavy)).toEqual(gradientMoments(norms));
  });
});

describe('gradientSquare', () => {
  it('counts what is no statistic', () => {
    const kinds = ['kernel', 'statistic', 'bias'] as const;
    const segments = kinds.map((kind, i) => ({ from: 2 * i, to: 2 * i + 2, kind }));
    expect(gradientSquare(segments, Float32Array.of(1, 2, 100, 100, 3, 4))).toBe(30);
  });
});

describe('NoiseScale', () => {
  it('finds the noise scale, smoothed, and goes on from its state', () => {
    let noise = new NoiseScale(0.99);
    expect(noise.rows()).toBeUndefined();
    for (let step = 0; step < 600; step++) {
      noise.add(synthetic([16, 16, 16, 16], 0.5, 4, step));
      if (step === 300) noise = new NoiseScale(0.99, JSON.parse(JSON.stringify(noise.state())));
    }
    expect(noise.rows()! / (4 / 0.25)).toBeCloseTo(1, 0);
  });

  it('says that the gradient is lost in noise', () => {
    const noise = new NoiseScale();
    noise.add(normsOf([1, 1], [1, 1], 0));
    expect(noise.rows()).toBe(Infinity);
  });
});

describe('AdaScale', () => {
  const gainOf = (mean: number, variance: number, scale: number) => {
    const adaScale = new AdaScale(16);
    const shards = Array.from({ length: 8 }, () => 2 * scale);
    for (let step = 0; step < 400; step++) adaScale.add(synthetic(shards, mean, variance, step), 16 * scale);
    return adaScale.next(16 * scale).gain;
  };

  it('gains the scale where noise rules, nothing where there is none', () => {
    expect(gainOf(1e-3, 4, 8)).toBeGreaterThan(7);
    expect(gainOf(1, 1e-9, 8)).toBeCloseTo(1, 5);
    expect(gainOf(1, 16, 1)).toBe(1);
    // σ² = 16·d/16, μ² = d: (1 + 1) / (1/8 + 1)
    expect(gainOf(1, 16, 8)).toBeCloseTo(2 / 1.125, 0);
  });

  it('adds the gains up to steps of the base batch, and goes on from its state', () => {
    const whole = new AdaScale(4);
    let parts = new AdaScale(4);
    let sum = 0;
    for (let step = 0; step < 20; step++) {
      const norms = synthetic([8, 8], 1, 3, step);
      const { gain, progress } = whole.next(16);
      expect(progress).toBe(sum);
      sum += gain;
      parts = new AdaScale(4, JSON.parse(JSON.stringify(parts.state())));
      expect(parts.next(16)).toEqual({ gain, progress });
      for (const adaScale of [whole, parts]) adaScale.add(norms, 16);
    }
    expect(whole.progress).toBe(sum);
  });

  it('counts a step below the base batch, or one without noise known, as its share of a step at most', () => {
    const adaScale = new AdaScale(16);
    expect(adaScale.next(64).gain).toBe(1);
    expect(adaScale.next(8).gain).toBe(0.5);
    adaScale.add(normsOf([4, 4], [4, 4], 8), 8);
    expect(adaScale.next(8)).toEqual({ gain: 0.5, progress: 0.5 });
  });
});

describe('goodput', () => {
  it("is AdaScale's gain over the scale, times the throughput", () => {
    const [noise, base, batch] = [800, 256, 1024];
    const gain = (noise / base + 1) / (noise / batch + 1);
    expect(statisticalEfficiency(noise, batch, base)).toBeCloseTo(gain / (batch / base), 12);
    expect(goodput(batch, 0.5, noise, base)).toBeCloseTo(2048 * (gain / 4), 9);
    expect(statisticalEfficiency(Infinity, batch, base)).toBe(1);
  });

  it('adds computing and exchanging, or hides the shorter', () => {
    const time = { fixed: 0.001, perRow: 1e-5, exchange: 0.003 };
    expect(stepSeconds(time, 100)).toBeCloseTo(0.005, 12);
    expect(stepSeconds({ ...time, overlap: 1000 }, 100)).toBeCloseTo(0.003, 5);
    expect(stepSeconds({ fixed: 0, perRow: 0, exchange: 0 }, 5)).toBe(0);
  });

  it('grows the batch with the noise and with the cost of a step', () => {
    // The best is near √(noise · (fixed + exchange) / perRow).
    const sizes = [4096, 256, 512, 1024, 64];
    const time = { fixed: 0.001, perRow: 1e-5, exchange: 0.002 };
    const best = (noise: number, exchange = 0.002) => bestBatch(sizes, { ...time, exchange }, noise, 64).batch;
    expect(best(1)).toBe(64);
    expect(best(1000)).toBe(512);
    expect(best(1e6)).toBe(4096);
    expect(best(1000, 0.05)).toBe(4096);
  });
});

describe('dynSgdScale', () => {
  it('shares a step among those it is late by', () => {
    expect([0, 1, 3].map(dynSgdScale)).toEqual([1, 0.5, 0.25]);
  });
});
