import { describe, expect, it } from 'vitest';
import { listValues } from '../columns.js';
import { plainBatch } from './plain-batch.js';

describe('plain rows as a batch', () => {
  it('take objects of columns, vectors among them', () => {
    const batch = plainBatch([
      { name: 'a', x: 1, features: [1, 2] },
      { name: 'b', x: null, features: Float32Array.of(3, 4) },
    ]);
    expect(batch.numRows).toBe(2);
    expect([...batch.getChild('name')!]).toEqual(['a', 'b']);
    expect([...batch.getChild('x')!]).toEqual([1, null]);
    expect([...listValues(batch, 'features', 2)]).toEqual([1, 2, 3, 4]);
  });

  it('or arrays: the features alone', () => {
    const batch = plainBatch([[1, 2, 3], Float64Array.of(4, 5, 6)], 'f');
    expect(batch.schema.names).toEqual(['f']);
    expect([...listValues(batch, 'f', 3)]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(plainBatch([]).numRows).toBe(0);
  });

  it('lists of texts stay lists', () => {
    const batch = plainBatch([{ tags: ['a', 'b'] }, { tags: [] }]);
    expect([...batch.getChild('tags')!].map((row) => [...(row as Iterable<string>)])).toEqual([['a', 'b'], []]);
  });

  it('refuse what is no row', () => {
    expect(() => plainBatch([[1, 2], [1]])).toThrow('"features" of row 2 has 1 values, that of the first row 2');
    expect(() => plainBatch([[1], 'x' as never])).toThrow("arrays of numbers, and row 2 is 'x'");
    expect(() => plainBatch({} as never)).toThrow('predict needs an array of rows, not {}');
  });
});
