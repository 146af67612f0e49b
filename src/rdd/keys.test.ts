import { expect, it } from 'vitest';
import { compareKeys } from './keys.js';

it('orders dates by time, those that are none last', () => {
  const times = [3, Number.NaN, 1, Number.NaN, 2];
  const sorted = times.map((time) => new Date(time)).sort(compareKeys);
  expect(sorted.map((date) => date.getTime())).toEqual([1, 2, 3, Number.NaN, Number.NaN]);
});
