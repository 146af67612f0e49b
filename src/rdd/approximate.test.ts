import { expect, it } from 'vitest';
import { boundedCount, normalQuantile } from './approximate.js';

it('quantiles of the normal distribution', () => {
  // Of statistical tables.
  const known: [number, number][] = [
    [0.5, 0],
    [0.9, 1.2815515655],
    [0.975, 1.9599639845],
    [0.995, 2.5758293035],
    [0.9999, 3.7190164855],
  ];
  for (const [p, z] of known) {
    expect(normalQuantile(p)).toBeCloseTo(z, 7);
    expect(normalQuantile(1 - p)).toBeCloseTo(-z, 7);
  }
  expect(normalQuantile(0)).toBe(Number.NEGATIVE_INFINITY);
});

it('a count of a part is scaled, within bounds that close as the share grows', () => {
  const quarter = boundedCount(250, 0.25, 0.95);
  expect(quarter.mean).toBe(1000);
  expect([quarter.low, quarter.high].map(Math.round)).toEqual([893, 1107]);
  const most = boundedCount(900, 0.9, 0.95);
  expect(most.high - most.low).toBeLessThan(quarter.high - quarter.low);
  expect(boundedCount(1000, 1, 0.5)).toEqual({ mean: 1000, confidence: 1, low: 1000, high: 1000 });
});
