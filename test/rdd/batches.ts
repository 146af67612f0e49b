import {
  Bool,
  type DataType,
  Dictionary,
  Field,
  FixedSizeList,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Uint8,
  Uint16,
  Uint32,
  Utf8,
  Vector,
  vectorFromArray,
} from 'apache-arrow';
import fc from 'fast-check';

/** A batch of any types that sources and features give, beside the rows it should show. */
export interface ModelledBatch {
  readonly batch: RecordBatch;
  readonly rows: readonly Record<string, unknown>[];
}

const LIST = new FixedSizeList(3, new Field('item', new Float32(), false));

const COLUMNS: Record<string, { type: () => DataType; values: fc.Arbitrary<unknown> }> = {
  float32: { type: () => new Float32(), values: fc.float() },
  float64: { type: () => new Float64(), values: fc.double() },
  int8: { type: () => new Int8(), values: fc.integer({ min: -128, max: 127 }) },
  int16: { type: () => new Int16(), values: fc.integer({ min: -32768, max: 32767 }) },
  int32: { type: () => new Int32(), values: fc.integer() },
  int64: { type: () => new Int64(), values: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) },
  uint8: { type: () => new Uint8(), values: fc.nat({ max: 255 }) },
  uint16: { type: () => new Uint16(), values: fc.nat({ max: 65535 }) },
  uint32: { type: () => new Uint32(), values: fc.nat({ max: 2 ** 32 - 1 }) },
  bool: { type: () => new Bool(), values: fc.boolean() },
  utf8: { type: () => new Utf8(), values: fc.string({ unit: 'grapheme', maxLength: 6 }) },
  dictionary: { type: () => new Dictionary(new Utf8(), new Int32(), 7), values: fc.constantFrom('a', 'bb', 'ccc', '') },
  list: { type: () => LIST, values: fc.array(fc.float(), { minLength: 3, maxLength: 3 }) },
};

/** @param nullable columns with nulls too */
export function batches({ nullable = true, sliced = true } = {}): fc.Arbitrary<ModelledBatch> {
  return fc
    .record({
      names: fc.subarray(Object.keys(COLUMNS), { minLength: 1 }),
      length: fc.nat({ max: 20 }),
      nulls: nullable ? fc.boolean() : fc.constant(false),
    })
    .chain(({ names, length, nulls }) =>
      fc
        .record({
          columns: fc.tuple(
            ...names.map((name) => {
              const { values } = COLUMNS[name]!;
              const value = nulls ? fc.option(values, { nil: null, freq: 4 }) : values;
              return fc.array(value, { minLength: length, maxLength: length });
            }),
          ),
          cut: sliced ? fc.tuple(fc.nat({ max: length }), fc.nat({ max: length })) : fc.constant([0, length] as const),
        })
        .map(({ columns, cut: [a, b] }) => modelled(names, columns, Math.min(a, b), Math.max(a, b))),
    );
}

function modelled(names: string[], columns: unknown[][], from: number, to: number): ModelledBatch {
  const length = columns[0]!.length;
  const children = names.map((name, k) => columnData(COLUMNS[name]!.type(), columns[k]!));
  const schema = new Schema(names.map((name, k) => new Field(name, children[k]!.type, true)));
  const batch = new RecordBatch(
    schema,
    makeData({ type: new Struct(schema.fields), length, nullCount: 0, children: children as never }),
  ).slice(from, to);
  const rows = columns[0]!.map((_, row) => Object.fromEntries(names.map((name, k) => [name, columns[k]![row]])));
  return { batch, rows: rows.slice(from, to) };
}

function columnData(type: DataType, values: unknown[]) {
  if (values.length > 0) return vectorFromArray(values, type).data[0]!;
  return new Vector([makeData({ type, length: 0 } as never)]).data[0]!;
}
