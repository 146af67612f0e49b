import fc from 'fast-check';
import { expect, it } from 'vitest';
import { inherited, sumOf } from './residuals.js';

const dealt = (saved: readonly Float32Array[], members: number) =>
  Array.from({ length: members }, (_, rank) => sumOf(inherited(saved, members, rank)));

it('keeps each residual with its member while their number is the same, and loses none when it is another', () => {
  const saved = [Float32Array.of(1, 0), Float32Array.of(2, 5), Float32Array.of(4, 0)];
  expect(dealt(saved, 3)).toEqual(saved);
  expect(dealt(saved, 2)).toEqual([Float32Array.of(5, 0), Float32Array.of(2, 5)]);
  expect(dealt(saved, 1)).toEqual([Float32Array.of(7, 5)]);
  expect(dealt(saved, 4)).toEqual([...saved, undefined]);
  expect(dealt([], 2)).toEqual([undefined, undefined]);
  expect(saved[0]).toEqual(Float32Array.of(1, 0));
  expect(() => sumOf([new Float32Array(1), new Float32Array(2)])).toThrow('residuals of 1 and 2 values');
});

it('hands every residual to one member, whatever their numbers', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 20 }), (former, members) => {
      const saved = Array.from({ length: former }, (_, rank) => rank);
      const all = Array.from({ length: members }, (_, rank) => inherited(saved, members, rank));
      expect(all.flat().sort((a, b) => a - b)).toEqual(saved);
    }),
  );
});
