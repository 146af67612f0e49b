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
 * The given rows of a batch, in the given order, as a batch of its own with the same schema. Numbers, texts, lists and the
 * codes of dictionaries (which are shared) are copied as typed arrays; columns of rare types value by value.
 */
export function takeRows(batch: RecordBatch, rows: ArrayLike<number>): RecordBatch {
  const { schema } = batch;
  const children = batch.data.children.map((column) => takeColumn(column, rows));
  const data = makeData({ type: new Struct(schema.fields), length: rows.length, nullCount: 0, children });
  return new RecordBatch(schema, data);
}

/** The given rows of one column. @param gaps whether a row's number may be negative: it gives null */
export function takeColumn(column: Data, rows: ArrayLike<number>, gaps = false): Data {
  const type = column.type as DataType;
  // A column without rows may have no buffers to gather from.
  if (rows.length === 0) return makeData({ type, length: 0, dictionary: column.dictionary } as never);
  const common = { type, length: rows.length, ...takeValidity(column, rows, gaps) };
  if (Types.isDictionary(type))
    return makeData({ ...common, data: gather(column, rows), dictionary: column.dictionary } as never);
  if (hasPlainValues(type)) return makeData({ ...common, data: gather(column, rows) } as never);
  if (Types.isBool(type)) return makeData({ ...common, data: takeBits(column, rows) } as never);
  if (Types.isUtf8(type) || Types.isBinary(type)) return makeData({ ...common, ...takeBytes(column, rows) } as never);
  if (Types.isList(type)) return makeData({ ...common, ...takeLists(column, rows) } as never);
  if (Types.isFixedSizeList(type))
    return makeData({ ...common, child: takeItems(column.children[0]!, type, rows) } as never);
  if (Types.isStruct(type))
    return makeData({ ...common, children: column.children.map((child) => takeColumn(child, rows, gaps)) } as never);
  return takeValues(column, type, rows);
}

/** Types with one element of a typed array a value. */
export function hasPlainValues(type: DataType): boolean {
  return (
    Types.isInt(type) || (Types.isFloat(type) && type.precision > 0) || Types.isDate(type) || Types.isTimestamp(type)
  );
}

function takeValidity(
  column: Data,
  rows: ArrayLike<number>,
  gaps: boolean,
): { nullCount: number; nullBitmap?: Uint8Array } {
  if (column.nullCount === 0 && !gaps) return { nullCount: 0 };
  const nullBitmap = new Uint8Array((rows.length + 7) >> 3);
  let nullCount = rows.length;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    if (row < 0 || !column.getValid(row)) continue;
    nullBitmap[i >> 3]! |= 1 << (i & 7);
    nullCount--;
  }
  return { nullCount, nullBitmap };
}

function gather(column: Data, rows: ArrayLike<number>): Float32Array {
  const values = column.values as Float32Array; // of a slice: already moved to its first row
  const out = new (values.constructor as Float32ArrayConstructor)(rows.length);
  // Of rows that are gaps a typed array takes undefined for 0 or NaN; big integers refuse it.
  const none = (out as unknown) instanceof BigInt64Array || (out as unknown) instanceof BigUint64Array ? 0n : undefined;
  if (none === undefined) for (let i = 0; i < rows.length; i++) out[i] = values[rows[i]!]!;
  else for (let i = 0; i < rows.length; i++) out[i] = values[rows[i]!] ?? (none as never);
  return out;
}

function takeBits(column: Data, rows: ArrayLike<number>): Uint8Array {
  const { values, offset } = column as Data & { values: Uint8Array };
  const out = new Uint8Array((rows.length + 7) >> 3);
  for (let i = 0; i < rows.length; i++) {
    const bit = offset + rows[i]!;
    if (rows[i]! >= 0 && values[bit >> 3]! & (1 << (bit & 7))) out[i >> 3]! |= 1 << (i & 7);
  }
  return out;
}

function takeBytes(column: Data, rows: ArrayLike<number>): { valueOffsets: Int32Array; data: Uint8Array } {
  const offsets = column.valueOffsets as Int32Array;
  const values = column.values as Uint8Array;
  const valueOffsets = offsetsOf(offsets, rows);
  const data = new Uint8Array(valueOffsets[rows.length]!);
  for (let i = 0, at = 0; i < rows.length; i++) {
    const row = rows[i]!;
    if (row < 0) continue;
    const end = offsets[row + 1]!;
    for (let byte = offsets[row]!; byte < end; byte++) data[at++] = values[byte]!; // short texts: cheaper than `set`
  }
  return { valueOffsets, data };
}

function takeLists(column: Data, rows: ArrayLike<number>): { valueOffsets: Int32Array; child: Data } {
  const offsets = column.valueOffsets as Int32Array;
  const valueOffsets = offsetsOf(offsets, rows);
  const items = new Uint32Array(valueOffsets[rows.length]!);
  for (let i = 0, at = 0; i < rows.length; i++) {
    const row = rows[i]!;
    if (row >= 0) for (let item = offsets[row]!; item < offsets[row + 1]!; item++) items[at++] = item;
  }
  return { valueOffsets, child: takeColumn(column.children[0]!, items) };
}

function offsetsOf(offsets: Int32Array, rows: ArrayLike<number>): Int32Array {
  const taken = new Int32Array(rows.length + 1);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    taken[i + 1] = taken[i]! + (row < 0 ? 0 : offsets[row + 1]! - offsets[row]!);
  }
  return taken;
}

function takeItems(items: Data, { listSize, valueType }: FixedSizeList, rows: ArrayLike<number>): Data {
  if (!(Types.isInt(valueType) || Types.isFloat(valueType)) || items.nullCount > 0) {
    const places = new Int32Array(rows.length * listSize);
    for (let i = 0, at = 0; i < rows.length; i++)
      for (let k = 0; k < listSize; k++) places[at++] = rows[i]! < 0 ? -1 : rows[i]! * listSize + k;
    return takeColumn(items, places, true);
  }
  const values = items.values as Float32Array;
  const out = new (values.constructor as Float32ArrayConstructor)(rows.length * listSize);
  for (let i = 0; i < rows.length; i++) {
    const from = rows[i]! * listSize;
    if (from >= 0) out.set(values.subarray(from, from + listSize), i * listSize);
  }
  return makeData({ type: valueType, length: out.length, nullCount: 0, data: out } as never);
}

function takeValues(column: Data, type: DataType, rows: ArrayLike<number>): Data {
  const vector = new Vector([column]);
  const taken = vectorFromArray(
    Array.from(rows, (row) => (row < 0 ? null : vector.get(row))),
    type,
  );
  return taken.data[0] ?? makeData({ type, length: 0 } as never);
}
