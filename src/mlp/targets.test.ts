import { describe, expect, it } from 'vitest';
import { FEATURE_NAMES } from '../rdd/assemble-step.js';
import { listColumn } from '../rdd/list-column.js';
import { batchOfValues } from '../rdd/tables/to-table.js';
import { putColumn } from './pipeline/put-column.js';
import { labelMatrix, labelSets, rowWeights, trainingTargets, valueMatrix, valueWidth } from './targets.js';

describe('classes', () => {
  const target = { kind: 'class', column: 'y', classes: ['a', 'b'] } as const;

  it('become numbers in their order', () => {
    const batches = [batchOfValues({ y: ['b', 'a'] }), batchOfValues({ y: ['b'] })];
    expect(trainingTargets(batches, target)).toEqual(Int32Array.of(1, 0, 1));
    expect(() => trainingTargets([batchOfValues({ y: ['c'] })], target)).toThrow(
      'there are labels in column "y" that were not seen in training: c (seen: a, b)',
    );
  });
});

describe('any of many labels', () => {
  const target = { kind: 'labels', column: 'y', classes: ['a', 'b', 'c'] } as const;
  const tags = batchOfValues([{ y: ['c', 'a', 'c'] }, { y: [] }, { y: ['b'] }], { y: ['utf8'] });

  it('stand in lists', () => {
    expect(labelSets(tags, 'y')).toEqual([['c', 'a'], [], ['b']]);
    expect(trainingTargets([tags, tags.slice(2, 3)], target)).toEqual(
      Float32Array.of(1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0),
    );
    const { truth, unknown } = labelMatrix(tags, { ...target, classes: ['a', 'b'] });
    expect([...truth]).toEqual([1, 0, 0, 0, 0, 1]);
    expect([...unknown]).toEqual([[0, ['c']]]);
  });

  it('or in vectors of zeros and ones', () => {
    const names = new Map([[FEATURE_NAMES, '["a","b","c"]']]);
    const plain = batchOfValues({ x: [1, 2] });
    const vectors = putColumn(plain, listColumn('y', Float32Array.of(0, 1, 1, 0, 0, 0), 3, names));
    expect(labelSets(vectors, 'y')).toEqual([['b', 'c'], []]);
    const unnamed = putColumn(plain, listColumn('y', Float32Array.of(0, 1, 0.5, 0), 2));
    expect(() => labelSets(unnamed, 'y', 10)).toThrow('column "y": row 12 of the partition has 0.5 where 0 or 1 says');
    expect(labelSets(unnamed.slice(0, 1), 'y')).toEqual([['1']]);
  });

  it('must be there', () => {
    const missing = batchOfValues([{ y: ['a'] }, { y: null }], { y: ['utf8'] });
    expect(() => labelSets(missing, 'y', 5)).toThrow('column "y": row 7 of the partition has no list of labels');
    const hole = batchOfValues([{ y: ['a', null] }], { y: ['utf8'] });
    expect(() => labelSets(hole, 'y')).toThrow('row 1 of the partition has a label without a value');
  });
});

describe('values', () => {
  const batch = putColumn(
    batchOfValues({ a: [1, 2, 3], b: Int32Array.of(4, 5, 6), text: ['x', 'y', 'z'] }),
    listColumn('v', Float32Array.of(7, 8, 9, 10, 11, 12), 2),
  );

  it('of columns and vectors stand side by side', () => {
    expect([...valueMatrix(batch, ['v', 'a'])]).toEqual([7, 8, 1, 9, 10, 2, 11, 12, 3]);
    expect([...valueMatrix(batch.slice(1, 3), ['b', 'v'])]).toEqual([5, 9, 10, 6, 11, 12]);
    expect(valueWidth(batch, ['a', 'v', 'b'])).toBe(4);
  });

  it('are scaled for the training', () => {
    const target = { kind: 'values', columns: ['a', 'b'], width: 2, mean: [2, 4], deviation: [0.5, 2] } as const;
    expect(trainingTargets([batch], target)).toEqual(Float32Array.of(-2, 0, 0, 0.5, 2, 1));
    expect(trainingTargets([batch], { kind: 'values', columns: ['a'], width: 1 })).toEqual(Float32Array.of(1, 2, 3));
  });

  it('must be numbers, and there', () => {
    expect(() => valueMatrix(batch, ['text'])).toThrow(
      'column "text" holds Utf8; numbers, or vectors of them, are needed',
    );
    expect(() => valueMatrix(batch, ['c'])).toThrow(/there is no column "c"; there are a, b, text, v$/);
    expect(() => valueMatrix(batch, ['target'])).toThrow(
      'there is no column "target"; there are a, b, text, v. Say which is the target: fit(table, { target: "…" })',
    );
    const missing = batchOfValues([{ a: 1 }, { a: null }, { a: Infinity }], { a: 'float64' });
    expect(() => valueMatrix(missing, ['a'], 3)).toThrow(
      'column "a": row 5 of the partition has no value; a finite number',
    );
    expect(() => valueMatrix(missing.slice(2, 3), ['a'])).toThrow('row 1 of the partition has the value Infinity');
  });
});

it('weights are amounts', () => {
  expect(rowWeights([batchOfValues({ w: [1, 0] }), batchOfValues({ w: [2.5] })], 'w')).toEqual(
    Float32Array.of(1, 0, 2.5),
  );
  expect(() => rowWeights([batchOfValues({ w: [1, -1] })], 'w', 4)).toThrow(
    'column "w": row 6 of the partition weighs -1',
  );
  expect(() => rowWeights([batchOfValues({ w: [1e39] })], 'w')).toThrow('row 1 of the partition weighs 1e+39');
});
