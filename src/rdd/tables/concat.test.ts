import {
  Bool,
  type Data,
  type DataType,
  Dictionary,
  Field,
  FixedSizeList,
  Float32,
  Float64,
  Int8,
  Int32,
  Int64,
  List,
  RecordBatchReader,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimestampMillisecond,
  Utf8,
  Vector,
  vectorFromArray,
} from 'apache-arrow';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { takeColumn } from '../take-rows.js';
import { batchFrom } from './batches.js';
import { readerOf } from './column-reader.js';
import { concatColumns } from './concat.js';

const item = (type: DataType) => new Field('item', type, true);
const orNull = (values: fc.Arbitrary<unknown>) => fc.option(values, { nil: null, freq: 5 });
const small = fc.integer({ min: -9, max: 9 });

const KINDS: Record<string, { type: () => DataType; values: fc.Arbitrary<unknown> }> = {
  int8: { type: () => new Int8(), values: small },
  int32: { type: () => new Int32(), values: small },
  int64: { type: () => new Int64(), values: fc.bigInt({ min: -9n, max: 2n ** 60n }) },
  float64: { type: () => new Float64(), values: small },
  bool: { type: () => new Bool(), values: fc.boolean() },
  utf8: { type: () => new Utf8(), values: fc.constantFrom('', 'a', 'ç€', 'word') },
  timestamp: { type: () => new TimestampMillisecond(), values: fc.nat(99) },
  dictionary: { type: () => new Dictionary(new Utf8(), new Int32(), 3), values: fc.constantFrom('x', 'y', 'zz') },
  list: { type: () => new List(item(new Utf8())), values: fc.array(fc.constantFrom('a', 'bc'), { maxLength: 3 }) },
  vector: {
    type: () => new FixedSizeList(2, item(new Float32())),
    values: fc.tuple(small, small),
  },
  struct: {
    type: () => new Struct([new Field('p', new Int32(), true), new Field('q', new Utf8(), true)]),
    values: fc.record({ p: orNull(small), q: fc.constantFrom('a', 'b') }),
  },
};

function columnOf(values: readonly unknown[], type: DataType): Data {
  return vectorFromArray(values as unknown[], type).data[0]!;
}

/** As it is after a shuffle: buffers are padded, and shared. */
function sent(column: Data): Data {
  const schema = new Schema([new Field('column', column.type, true)]);
  const bytes = RecordBatchStreamWriter.writeAll([batchFrom(schema, column.length, [column])]).toUint8Array(true);
  return [...RecordBatchReader.from(bytes)][0]!.data.children[0]!;
}

function valuesOf(column: Data): unknown[] {
  const read = readerOf(column);
  const plain = (value: any): unknown =>
    value?.toJSON && !Array.isArray(value) ? { ...value.toJSON() } : value instanceof Vector ? [...value] : value;
  return Array.from({ length: column.length }, (_, row) => plain(read(row)));
}

describe.each(Object.entries(KINDS))('a column of %s', (_, { type, values }) => {
  const parts = fc.array(fc.tuple(fc.array(orNull(values), { minLength: 1, maxLength: 12 }), fc.boolean()), {
    minLength: 1,
    maxLength: 4,
  });

  it('is cut, sent and put together without a change', () => {
    fc.assert(
      fc.property(parts, fc.nat(3), (lists, from) => {
        const columns = lists.map(([list, isSent]) => {
          const column = columnOf(list, type());
          return (isSent ? sent(column) : column).slice(Math.min(from, list.length), Math.max(0, list.length - from));
        });
        const expected = lists.flatMap(([list]) => list.slice(from));
        expect(valuesOf(concatColumns(columns))).toEqual(expected);
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  it('gives any rows, and null for gaps', () => {
    fc.assert(
      fc.property(
        fc.array(orNull(values), { minLength: 2, maxLength: 12 }),
        fc.array(fc.integer({ min: -1, max: 10 })),
        (list, wanted) => {
          const column = sent(columnOf(list, type())).slice(1, list.length - 2);
          const rows = wanted.filter((row) => row < column.length);
          const expected = rows.map((row) => (row < 0 ? null : list[row + 1]));
          expect(valuesOf(takeColumn(column, rows, true))).toEqual(expected);
        },
      ),
      { seed: 2, numRuns: 60 },
    );
  });
});
