import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batches } from '../../test/rdd/batches.js';
import { batchRows } from './chunks.js';
import { takeRows } from './take-rows.js';

describe('takeRows', () => {
  it('gives the asked rows of any batch, slices and nulls too, under the same schema', () => {
    fc.assert(
      fc.property(batches(), fc.array(fc.nat(), { maxLength: 30 }), ({ batch, rows }, picks) => {
        const wanted = rows.length === 0 ? [] : picks.map((pick) => pick % rows.length);
        const taken = takeRows(batch, wanted);
        expect(taken.numRows).toBe(wanted.length);
        expect(taken.schema).toEqual(batch.schema);
        expect(batchRows(taken)).toEqual(wanted.map((row) => rows[row]));
        // What was taken can be taken from, and sliced.
        const half = wanted.length >> 1;
        expect(batchRows(taken.slice(half))).toEqual(wanted.slice(half).map((row) => rows[row]));
        expect(batchRows(takeRows(taken, [...wanted.keys()].reverse()))).toEqual(
          wanted.map((row) => rows[row]).reverse(),
        );
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});
