import {
  type Data,
  type DataType,
  type FixedSizeList,
  makeData,
  RecordBatch,
  Struct,
  DataType as Types,
  Vector,
  vectorFromArray,
} from 'apache-arrow';

/**
 * The given rows of a batch, in the given order, as a batch of its own with the same schema. Numbers, fixed-size lists of
 * them and the codes of dictionaries (which are shared) are copied as typed arrays; other columns value by value.
 */
export function takeRows(batch: RecordBatch, rows: readonly number[]): RecordBatch {
  const { schema } = batch;
  const children = batch.data.children.map((column) => takeColumn(column, rows));
  const data = makeData({ type: new Struct(schema.fields), length: rows.length, nullCount: 0, children });
  return new RecordBatch(schema, data);
}

/** The given rows of one column. */
export function takeColumn(column: Data, rows: readonly number[]): Data {
  const type = column.type as DataType;
  // A column without rows may have no buffers to gather from.
  if (rows.length === 0) return makeData({ type, length: 0, dictionary: column.dictionary } as never);
  const common = { type, length: rows.length, ...takeValidity(column, rows) };
  if (Types.isDictionary(type))
    return makeData({ ...common, data: gather(column, rows), dictionary: column.dictionary } as never);
  if (isPlainNumber(type)) return makeData({ ...common, data: gather(column, rows) } as never);
  if (Types.isFixedSizeList(type))
    return makeData({ ...common, child: takeItems(column.children[0]!, type, rows) } as never);
  return takeValues(column, type, rows);
}

function isPlainNumber(type: DataType): boolean {
  return Types.isInt(type) || Types.isFloat(type);
}

function takeValidity(column: Data, rows: readonly number[]): { nullCount: number; nullBitmap?: Uint8Array } {
  if (column.nullCount === 0) return { nullCount: 0 };
  const nullBitmap = new Uint8Array((rows.length + 7) >> 3);
  let nullCount = rows.length;
  for (let i = 0; i < rows.length; i++) {
    if (!column.getValid(rows[i]!)) continue;
    nullBitmap[i >> 3]! |= 1 << (i & 7);
    nullCount--;
  }
  return { nullCount, nullBitmap };
}

function gather(column: Data, rows: readonly number[]): Float32Array {
  const values = column.values as Float32Array; // of a slice: already moved to its first row
  const out = new (values.constructor as Float32ArrayConstructor)(rows.length);
  for (let i = 0; i < rows.length; i++) out[i] = values[rows[i]!]!;
  return out;
}

function takeItems(items: Data, { listSize, valueType }: FixedSizeList, rows: readonly number[]): Data {
  if (!isPlainNumber(valueType) || items.nullCount > 0) {
    const places = rows.flatMap((row) => Array.from({ length: listSize }, (_, k) => row * listSize + k));
    return takeColumn(items, places);
  }
  const values = items.values as Float32Array;
  const out = new (values.constructor as Float32ArrayConstructor)(rows.length * listSize);
  for (let i = 0; i < rows.length; i++) {
    const from = rows[i]! * listSize;
    out.set(values.subarray(from, from + listSize), i * listSize);
  }
  return makeData({ type: valueType, length: out.length, nullCount: 0, data: out } as never);
}

function takeValues(column: Data, type: DataType, rows: readonly number[]): Data {
  const vector = new Vector([column]);
  const taken = vectorFromArray(
    rows.map((row) => vector.get(row)),
    type,
  );
  return taken.data[0] ?? makeData({ type, length: 0 } as never);
}
