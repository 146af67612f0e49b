import { describe, expect, it } from 'vitest';
import { keyedRandom, shuffledIndices } from './random.js';

describe('keyedRandom', () => {
  it('repeats for the same key and differs for every other', () => {
    const draws = (...key: Parameters<typeof keyedRandom>) => {
      const random = keyedRandom(...key);
      return [random.uint32(), random.uint32(), random.uint32()];
    };
    expect(draws(1, 'shuffle', 2, 3)).toEqual(draws(1, 'shuffle', 2, 3));
    const others = [
      draws(1, 'shuffle', 2, 3),
      draws(1, 'shuffle', 3, 2),
      draws(1, 'shuffle', 23),
      draws(1, 'init', 2, 3),
    ];
    expect(new Set([...others, draws(2, 'shuffle', 2, 3)].map(String)).size).toBe(5);
  });

  it('keeps its stream from version to version', () => {
    const random = keyedRandom(42, 'fixed', 7);
    expect([random.uint32(), random.uint32(), random.uniform(), random.below(1000)]).toMatchInlineSnapshot(`
      [
        1777777792,
        3484785775,
        0.24871970857709602,
        420,
      ]
    `);
  });

  it('is uniform', () => {
    const random = keyedRandom(1, 'uniform');
    const counts = new Array<number>(6).fill(0);
    let sum = 0;
    for (let i = 0; i < 60_000; i++) {
      counts[random.below(6)]!++;
      sum += random.uniform();
    }
    // Chi-square with 5 degrees of freedom: 20.5 at 0.1 %.
    expect(counts.reduce((chi, count) => chi + (count - 10_000) ** 2 / 10_000, 0)).toBeLessThan(20.5);
    expect(sum / 60_000).toBeCloseTo(0.5, 2);
  });

  it('refuses keys that are no integers', () => {
    expect(() => keyedRandom(0.5, 'x')).toThrow('must be an integer, got 0.5');
  });
});

describe('shuffledIndices', () => {
  it('is a permutation', () => {
    const order = shuffledIndices(1000, keyedRandom(1, 'order'));
    expect(order).not.toEqual(Int32Array.from(order).sort());
    expect(Int32Array.from(order).sort()).toEqual(Int32Array.from({ length: 1000 }, (_, i) => i));
    expect(shuffledIndices(0, keyedRandom(1, 'order'))).toHaveLength(0);
  });

  it('gives every order of three equally often', () => {
    const random = keyedRandom(2, 'orders');
    const counts = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = String(shuffledIndices(3, random));
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});
