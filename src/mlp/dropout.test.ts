import { describe, expect, it } from 'vitest';
import { dropoutMask, keptScale } from './dropout.js';

const site = { seed: 1, number: 0, shard: 3, step: 7 };

describe('dropoutMask', () => {
  it('drops at its rate and scales the rest', () => {
    const mask = dropoutMask(site, 0.25, 100, 400);
    const dropped = mask.filter((value) => value === 0).length;
    expect(new Set(mask)).toEqual(new Set([0, Math.fround(1 / 0.75)]));
    // Four standard deviations of a binomial count.
    expect(Math.abs(dropped - 10_000)).toBeLessThan(4 * Math.sqrt(40_000 * 0.25 * 0.75));
  });

  it('depends on seed, layer, shard and step, each alone', () => {
    const mask = dropoutMask(site, 0.5, 16, 16).join();
    expect(dropoutMask({ ...site }, 0.5, 16, 16).join()).toBe(mask);
    for (const other of [{ seed: 2 }, { number: 1 }, { shard: 4 }, { step: 8 }])
      expect(dropoutMask({ ...site, ...other }, 0.5, 16, 16).join()).not.toBe(mask);
  });

  it('is the same for the first rows, however many there are', () => {
    expect(dropoutMask(site, 0.5, 7, 5)).toEqual(dropoutMask(site, 0.5, 100, 5).slice(0, 35));
  });

  it('keeps and drops neighbours independently', () => {
    const mask = dropoutMask(site, 0.5, 1, 40_000);
    const both = mask.filter((value, i) => i % 2 === 0 && value > 0 && mask[i + 1]! > 0).length;
    expect(Math.abs(both - 5000)).toBeLessThan(4 * Math.sqrt(20_000 * 0.25 * 0.75));
  });

  it('takes rates as near to 0 and 1 as there are', () => {
    expect(keptScale(1e-9)).toBe(1);
    expect(keptScale(0.999999)).toBe(0x10000);
    expect(dropoutMask(site, 1e-9, 10, 10).every((value) => value === 1)).toBe(true);
  });
});
