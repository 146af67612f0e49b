import { describe, expect, it } from 'vitest';
import { keyedRandom } from '../rdd/random.js';
import { drawInitial, INITIALIZERS, type Initializer } from './initializers.js';

const SHAPE = [200, 100] as const;
const draw = (initializer: Initializer, shape: readonly number[] = SHAPE, seed = 1) =>
  drawInitial(initializer, shape, keyedRandom(seed, 'test'));

function moments(values: Float32Array) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, variance, largest: values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) };
}

describe('drawInitial', () => {
  it.each(INITIALIZERS)('%s depends on its key alone', (initializer) => {
    expect(draw(initializer)).toEqual(draw(initializer));
    expect(draw(initializer)).toHaveLength(200 * 100);
  });

  it.each([
    ['glorot-uniform', 2 / 300],
    ['glorot-normal', 2 / 300],
    ['he-uniform', 2 / 200],
    ['he-normal', 2 / 200],
    ['lecun-uniform', 1 / 200],
    ['lecun-normal', 1 / 200],
    ['random-uniform', 0.1 ** 2 / 12],
    ['random-normal', 0.05 ** 2],
    ['truncated-normal', (0.05 * 0.8796256610342398) ** 2],
  ] as const)('%s has its published variance', (initializer, expected) => {
    const { mean, variance } = moments(draw(initializer));
    expect(Math.abs(mean)).toBeLessThan(4 * Math.sqrt(expected / 20_000));
    // Four standard deviations of the variance of normal draws; the others scatter less.
    expect(Math.abs(variance / expected - 1)).toBeLessThan(4 * Math.sqrt(2 / 20_000));
  });

  it('keeps uniform and cut draws within their limits', () => {
    expect(moments(draw('he-uniform')).largest).toBeLessThanOrEqual(Math.fround(Math.sqrt(6 / 200)));
    expect(moments(draw('truncated-normal')).largest).toBeLessThanOrEqual(Math.fround(0.1));
    const limit = (2 * Math.sqrt(2 / 200)) / 0.8796256610342398;
    expect(moments(draw('he-normal')).largest).toBeLessThanOrEqual(Math.fround(limit));
  });

  it.each([
    [20, 8],
    [8, 20],
    [12, 12],
  ])('orthogonal %s x %s has orthogonal vectors of length gain on its short side', (rows, columns) => {
    const values = draw({ kind: 'orthogonal', gain: 2 }, [rows, columns]);
    const at = (long: number, short: number) =>
      rows < columns ? values[short * columns + long]! : values[long * columns + short]!;
    const [long, short] = [Math.max(rows, columns), Math.min(rows, columns)];
    for (let a = 0; a < short; a++)
      for (let b = 0; b <= a; b++) {
        let product = 0;
        for (let i = 0; i < long; i++) product += at(i, a) * at(i, b);
        expect(product).toBeCloseTo(a === b ? 4 : 0, 5);
      }
  });

  it('fills', () => {
    expect(draw('zeros', [2])).toEqual(Float32Array.of(0, 0));
    expect(draw('ones', [2])).toEqual(Float32Array.of(1, 1));
    expect(draw({ kind: 'constant', value: 0.5 }, [1, 2])).toEqual(Float32Array.of(0.5, 0.5));
    expect(moments(draw({ kind: 'random-uniform', low: 3, high: 4 })).mean).toBeCloseTo(3.5, 1);
    expect(moments(draw({ kind: 'random-normal', mean: 2, deviation: 0.1 })).mean).toBeCloseTo(2, 2);
  });
});
