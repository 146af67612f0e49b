import fc from 'fast-check';
import type { CostConstants } from '../cost-model.js';

/** Bytes of a stage's pieces. */
export const sizes = fc.array(fc.integer({ min: 0, max: 5_000_000 }), { minLength: 1, maxLength: 60 });
export const slots = fc.integer({ min: 1, max: 9 });
export const constants: fc.Arbitrary<CostConstants> = fc.record({
  taskMs: fc.double({ min: 0, max: 50, noNaN: true }),
  byteMs: fc.double({ min: 0, max: 1e-3, noNaN: true }),
  schedMs: fc.double({ min: 0, max: 5, noNaN: true }),
  mergeMs: fc.double({ min: 0, max: 5, noNaN: true }),
  moveMs: fc.constant(0),
  spread: fc.constantFrom(0, 0.1, 0.4),
});
