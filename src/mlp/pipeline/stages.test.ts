import { readFileSync } from 'node:fs';
import { Field, RecordBatch, Schema } from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { listColumn } from '../../rdd/list-column.js';
import { batchFrom } from '../../rdd/tables/batches.js';
import { batchOfValues } from '../../rdd/tables/to-table.js';
import { listValues } from '../columns.js';
import { ColumnMoments, StandardScalerModel } from '../scaler.js';
import { FittedScaler, StandardScaler } from '../standard-scaler.js';
import { MinMaxScaler, MinMaxScalerModel } from './min-max-scaler.js';
import { OneHotEncoder, OneHotEncoderModel } from './one-hot-encoder.js';
import { putColumn } from './put-column.js';
import type { BatchStage } from './stage.js';
import { batchStageFromJSON } from './stages.js';
import { INDEX_ORDERS, ordered, StringIndexer, StringIndexerModel } from './string-indexer.js';
import { VectorAssembler } from './vector-assembler.js';
import { WindowFeatures } from './window-features.js';

const scikit = JSON.parse(
  readFileSync(new URL('../../../test/mlp/scikit-learn/expected.jsonl', import.meta.url), 'utf8'),
).scaling;

/** A stage as slots and saved models have it: through JSON. */
function sent<T extends BatchStage>(stage: T): T {
  const again = batchStageFromJSON(JSON.parse(JSON.stringify(stage)));
  expect(again).toEqual(stage);
  return again as T;
}

const column = (batch: RecordBatch, name: string) => [...batch.getChild(name)!];
const lists = (batch: RecordBatch, name: string) => column(batch, name).map((row) => [...(row as Iterable<number>)]);

function vectors(values: Float32Array, width: number, metadata = new Map([['note', 'kept']])): RecordBatch {
  const { field, data } = listColumn('features', values, width, metadata);
  return batchFrom(new Schema([field]), values.length / width, [data]);
}

describe('StringIndexer', () => {
  const counts = new Map([
    ['b', 2],
    ['a', 2],
    ['c', 5],
    ['d', 1],
  ]);
  it.each([
    ['frequencyDesc', ['c', 'a', 'b', 'd']],
    ['frequencyAsc', ['d', 'a', 'b', 'c']],
    ['alphabetDesc', ['d', 'c', 'b', 'a']],
    ['alphabetAsc', ['a', 'b', 'c', 'd']],
  ] as const)('orders by %s, equal frequencies by the alphabet', (order, labels) => {
    expect(INDEX_ORDERS).toContain(order);
    expect(ordered(counts, order)).toEqual(labels);
  });

  const batch = batchOfValues([{ x: 'b' }, { x: 'new' }, { x: 'a' }, { x: null }], { x: 'utf8' });
  const model = (handleInvalid: 'error' | 'skip' | 'keep') =>
    sent(new StringIndexerModel('x', 'i', ['a', 'b'], handleInvalid));

  it('keeps, skips or refuses what it does not know', () => {
    expect(column(model('keep').transformBatch(batch), 'i')).toEqual([1, 2, 0, 2]);
    const skipped = model('skip').transformBatch(batch);
    expect([column(skipped, 'i'), column(skipped, 'x')]).toEqual([
      [1, 0],
      ['b', 'a'],
    ]);
    expect(() => model('error').transformBatch(batch)).toThrow(
      `column "x" holds the value "new", which was not there when its index was made (a, b); handleInvalid: 'keep'`,
    );
    expect(() => model('error').transformBatch(batch.slice(3, 4))).toThrow('holds a row without a value');
    expect(() => new StringIndexerModel('y', 'i', [], 'keep').transformBatch(batch)).toThrow(
      'no column "y"; there are x',
    );
  });

  it('takes numbers and booleans, and puts its column in the place of another', () => {
    const numbers = batchOfValues([
      { x: 10, i: 'old' },
      { x: 2.5, i: 'old' },
    ]);
    const indexed = new StringIndexerModel('x', 'i', ['2.5', '10'], 'error').transformBatch(numbers);
    expect(column(indexed, 'i')).toEqual([1, 0]);
    expect(indexed.schema.names).toEqual(['x', 'i']);
  });
});

describe('OneHotEncoder', () => {
  const batch = batchOfValues({ i: Int32Array.of(0, 2, 1, 3) });
  const model = (dropLast: boolean, handleInvalid: 'error' | 'keep') =>
    sent(new OneHotEncoderModel('i', 'v', 3, dropLast, handleInvalid));

  it('makes vectors, with and without the last category', () => {
    expect(lists(model(false, 'error').transformBatch(batch.slice(0, 3)), 'v')).toEqual([
      [1, 0, 0],
      [0, 0, 1],
      [0, 1, 0],
    ]);
    expect(lists(model(true, 'error').transformBatch(batch.slice(0, 3)), 'v')).toEqual([
      [1, 0],
      [0, 0],
      [0, 1],
    ]);
    expect(lists(model(false, 'keep').transformBatch(batch), 'v')[3]).toEqual([0, 0, 0, 1]);
    expect(lists(model(true, 'keep').transformBatch(batch), 'v')[3]).toEqual([0, 0, 0]);
  });

  it('refuses other numbers', () => {
    expect(() => model(true, 'error').transformBatch(batch)).toThrow(
      'column "i" holds 3, which is none of the 3 category',
    );
    const missing = batchOfValues([{ i: 1 }, { i: null }], { i: 'float64' });
    expect(() => model(true, 'keep').transformBatch(missing)).toThrow('column "i" holds null');
  });
});

describe('scalers', () => {
  const matrix = Float32Array.from(scikit.matrix);
  const rows = matrix.length / scikit.columns;
  const { mean, deviation } = new ColumnMoments(scikit.columns).add(matrix, rows).finish();
  const zeros = new Float64Array(scikit.columns);
  const bounds = (pick: (...values: number[]) => number) =>
    zeros.map((_, k) => pick(...matrix.filter((_, i) => i % scikit.columns === k)));

  it.each([
    ['standard', new FittedScaler('features', new StandardScalerModel(mean, deviation))],
    [
      'centred',
      new FittedScaler(
        'features',
        new StandardScalerModel(
          mean,
          zeros.map(() => 1),
        ),
      ),
    ],
    ['spread', new FittedScaler('features', new StandardScalerModel(zeros, deviation))],
    ['minMax', new MinMaxScalerModel('features', bounds(Math.min), bounds(Math.max), -1, 2)],
  ] as const)('scale as scikit-learn: %s', (name, model: BatchStage) => {
    const batch = vectors(matrix.slice(), scikit.columns);
    const scaled = sent(model).transformBatch(batch);
    const values = listValues(scaled, 'features');
    values.forEach((value, i) => void expect(value).toBeCloseTo(scikit[name][i], 4));
    expect(scaled.schema.fields[0]!.metadata.get('note')).toBe('kept');
    expect([...listValues(batch, 'features')]).toEqual([...matrix]);
    const half = sent(model).transformBatch(batch.slice(3, 5));
    expect([...listValues(half, 'features')]).toEqual([...values.subarray(3 * scikit.columns, 5 * scikit.columns)]);
  });
});

describe('VectorAssembler', () => {
  it('puts numbers and vectors side by side, and knows their names', () => {
    const { features, ...others } = { features: listColumn('v', Float32Array.of(1, 2, 3, 4, 5, 6), 2), a: [7, 8, 9] };
    const batch = putColumn(batchOfValues(others), features);
    const assembled = sent(new VectorAssembler({ columns: ['v', 'a'] })).transformBatch(batch);
    expect(lists(assembled, 'features')).toEqual([
      [1, 2, 7],
      [3, 4, 8],
      [5, 6, 9],
    ]);
    expect(assembled.schema.fields.at(-1)!.metadata.get('sheaf.features')).toBe('["v[0]","v[1]","a"]');
    const later = new VectorAssembler({ columns: ['a', 'v'], into: 'f' }).transformBatch(batch.slice(1, 3));
    expect(lists(later, 'f')).toEqual([
      [8, 3, 4],
      [9, 5, 6],
    ]);
  });

  it('refuses or drops rows without a number', () => {
    const batch = batchOfValues([{ a: 1 }, { a: null }], { a: 'float64' });
    expect(() => new VectorAssembler({ columns: ['a'] }).transformBatch(batch)).toThrow(
      'column "a" has no value in row 2',
    );
    expect(new VectorAssembler({ columns: ['a'], badRows: 'drop' }).transformBatch(batch).numRows).toBe(1);
  });
});

it('WindowFeatures cuts windows', () => {
  const x = Float64Array.from({ length: 64 }, (_, i) => Math.sin(i));
  const stage = sent(new WindowFeatures({ channels: ['x'], size: 32, step: 16 }));
  expect(stage.transformBatch(batchOfValues({ x })).numRows).toBe(3);
});

describe('options', () => {
  it.each([
    [
      () => new StringIndexer({ colum: 'x' } as never),
      'StringIndexer has no option "colum"; the options are column, into',
    ],
    [() => new StringIndexer({} as never), 'StringIndexer needs the option "column"'],
    [() => new StringIndexer({ column: 'x', order: 'alphabet' as never }), "order must be 'frequencyDesc' or"],
    [() => new OneHotEncoder({ column: 'x', dropLast: 1 as never }), 'dropLast must be true or false, not 1'],
    [() => new MinMaxScaler({ min: 2 }), 'min must be below max, not 2 and 1'],
    [() => new MinMaxScaler({ column: 3 as never }), "column must be a column's name, not 3"],
    [() => new StandardScaler({ withMeans: true } as never), 'StandardScaler has no option "withMeans"'],
    [() => new VectorAssembler({ columns: [] }), "columns must be an array of columns' names, at least one, not []"],
    [() => new WindowFeatures({ channels: ['x'], size: 0 }), 'size must be a whole number of at least 1'],
    [() => batchStageFromJSON({ stage: 'constructor' }), 'there is no stage "constructor"; there are StandardScaler'],
  ])('are checked at once: %s', (make, message) => {
    expect(make).toThrow(message);
  });
});

it('a column is put in its place, or last', () => {
  const batch = batchOfValues({ a: [1], b: [2] });
  const { data } = listColumn('a', Float32Array.of(3), 1);
  const put = putColumn(batch, { field: new Field('a', data.type, false), data });
  expect(put.schema.names).toEqual(['a', 'b']);
  expect(put).toBeInstanceOf(RecordBatch);
});
