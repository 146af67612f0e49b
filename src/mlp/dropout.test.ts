import { describe, expect, it } from 'vitest';
import { dropoutMask } from './dropout.js';

const site = { seed: 1, number: 0, shard: 3, step: 7 };

describe('dropoutMask', () => {
  it('drops at its rate and scales the rest', () => {
    const mask = dropoutMask(site, 0.25, 40_000);
    const dropped = mask.filter((value) => value === 0).length;
    expect(new Set(mask)).toEqual(new Set([0, Math.fround(1 / 0.75)]));
    // Four standard deviations of a binomial count.
    expect(Math.abs(dropped - 10_000)).toBeLessThan(4 * Math.sqrt(40_000 * 0.25 * 0.75));
  });

  it('depends on seed, layer, shard and step, each alone', () => {
    const mask = dropoutMask(site, 0.5, 256).join();
    expect(dropoutMask({ ...site }, 0.5, 256).join()).toBe(mask);
    for (const other of [{ seed: 2 }, { number: 1 }, { shard: 4 }, { step: 8 }])
      expect(dropoutMask({ ...site, ...other }, 0.5, 256).join()).not.toBe(mask);
  });

  it('is the same for the first values, however many there are', () => {
    expect(dropoutMask(site, 0.5, 7)).toEqual(dropoutMask(site, 0.5, 100).slice(0, 7));
  });
});
