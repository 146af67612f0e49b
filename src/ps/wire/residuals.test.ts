import { expect, it } from 'vitest';
import { dealResiduals } from './residuals.js';

it('keeps each residual with its member while their number is the same, and loses none when it is another', () => {
  const saved = [Float32Array.of(1, 0), Float32Array.of(2, 5), Float32Array.of(4, 0)];
  expect(dealResiduals(saved, 3)).toEqual(saved);
  expect(dealResiduals(saved, 2)).toEqual([Float32Array.of(5, 0), Float32Array.of(2, 5)]);
  expect(dealResiduals(saved, 1)).toEqual([Float32Array.of(7, 5)]);
  expect(dealResiduals(saved, 4)).toEqual([...saved, undefined]);
  expect(dealResiduals([], 2)).toEqual([undefined, undefined]);
  expect(saved[0]).toEqual(Float32Array.of(1, 0));
  expect(() => dealResiduals([new Float32Array(1), new Float32Array(2)], 1)).toThrow('residuals of 1 and 2 values');
});
