import {
  RecordBatch as Batch,
  type Data,
  DataType,
  type Dictionary,
  type FixedSizeList,
  type List,
  makeData,
  type RecordBatch,
  type Schema,
  type Struct,
  Struct as StructType,
} from 'apache-arrow';

/**
 * Plain values as an Arrow column: numbers, bigints, booleans, texts, bytes, arrays (lists), objects or arrays of their fields in order (structs); null and
 * undefined are null. Values must fit the type: the caller has checked them. A dictionary's values are its codes; its texts
 * come in `dictionaries`.
 * @throws TypeError for a type that no source makes
 */
export function columnOf(type: DataType, values: readonly unknown[]): Data {
  const nulls = nullsOf(values);
  const length = values.length;
  if (DataType.isUtf8(type) || DataType.isBinary(type))
    return makeData({ type, length, ...nulls, ...variableBytes(values) } as any);
  if (DataType.isBool(type)) return makeData({ type, length, ...nulls, data: bits(values) });
  if (DataType.isList(type)) return listOf(type, values, nulls);
  if (DataType.isFixedSizeList(type)) return fixedListOf(type, values, nulls);
  if (DataType.isStruct(type)) return structOf(type, values, nulls);
  const data = numbers(type, length);
  if (data instanceof BigInt64Array || data instanceof BigUint64Array)
    for (let i = 0; i < length; i++) data[i] = values[i] == null ? 0n : BigInt(values[i] as bigint);
  else for (let i = 0; i < length; i++) data[i] = (values[i] ?? 0) as number;
  return makeData({ type, length, ...nulls, data } as any);
}

/** Codes into a dictionary, -1 for null. */
export function dictionaryColumn(type: Dictionary, codes: Int32Array, dictionary: unknown): Data {
  const nulls = nullsOf(codes, (code) => code < 0);
  if (nulls.nullCount > 0) for (let i = 0; i < codes.length; i++) if (codes[i]! < 0) codes[i] = 0;
  return makeData({ type, length: codes.length, ...nulls, data: codes, dictionary } as any);
}

/** A record batch of columns that all have `length` rows. */
export function batchOf(schema: Schema, length: number, children: readonly Data[]): RecordBatch {
  const type = new StructType(schema.fields);
  return new Batch(schema, makeData({ type, length, nullCount: 0, children: children as Data[] }));
}

interface Nulls {
  readonly nullCount: number;
  readonly nullBitmap?: Uint8Array;
}

function nullsOf<T>(values: ArrayLike<T>, isNull: (value: T) => boolean = (value) => value == null): Nulls {
  let nullCount = 0;
  for (let i = 0; i < values.length; i++) if (isNull(values[i]!)) nullCount++;
  if (nullCount === 0) return { nullCount };
  const nullBitmap = new Uint8Array((values.length + 7) >> 3);
  for (let i = 0; i < values.length; i++) if (!isNull(values[i]!)) nullBitmap[i >> 3]! |= 1 << (i & 7);
  return { nullCount, nullBitmap };
}

function bits(values: readonly unknown[]): Uint8Array {
  const data = new Uint8Array((values.length + 7) >> 3);
  for (let i = 0; i < values.length; i++) if (values[i]) data[i >> 3]! |= 1 << (i & 7);
  return data;
}

function variableBytes(values: readonly unknown[]): { valueOffsets: Int32Array; data: Uint8Array } {
  const valueOffsets = new Int32Array(values.length + 1);
  let bytes = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as string | Uint8Array | null | undefined;
    if (value != null) bytes += typeof value === 'string' ? Buffer.byteLength(value) : value.byteLength;
    valueOffsets[i + 1] = bytes;
  }
  const data = Buffer.allocUnsafeSlow(bytes);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as string | Uint8Array | null | undefined;
    if (typeof value === 'string') data.write(value, valueOffsets[i]!);
    else if (value) data.set(value, valueOffsets[i]!);
  }
  return { valueOffsets, data };
}

function listOf(type: List, values: readonly unknown[], nulls: Nulls): Data {
  const valueOffsets = new Int32Array(values.length + 1);
  const items: unknown[] = [];
  for (let i = 0; i < values.length; i++) {
    for (const item of (values[i] ?? []) as unknown[]) items.push(item);
    valueOffsets[i + 1] = items.length;
  }
  const child = columnOf(type.children[0]!.type, items);
  return makeData({ type, length: values.length, ...nulls, valueOffsets, child } as any);
}

function fixedListOf(type: FixedSizeList, values: readonly unknown[], nulls: Nulls): Data {
  const size = type.listSize;
  const none = Array.from({ length: size }, () => null);
  const child = columnOf(
    type.children[0]!.type,
    values.flatMap((value) => Array.from((value ?? none) as unknown[])),
  );
  return makeData({ type, length: values.length, ...nulls, child } as any);
}

function structOf(type: Struct, values: readonly unknown[], nulls: Nulls): Data {
  const children = type.children.map(({ name, type: child }, k) =>
    columnOf(
      child,
      values.map((value) => (Array.isArray(value) ? value[k] : own(value, name))),
    ),
  );
  return makeData({ type, length: values.length, ...nulls, children } as any);
}

/** An object's own property: a field called `constructor` is no field of every object. */
export function own(value: unknown, name: string): unknown {
  return value != null && Object.hasOwn(value as object, name) ? (value as Record<string, unknown>)[name] : null;
}

type Numbers =
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

function numbers(type: DataType, length: number): Numbers {
  if (DataType.isInt(type) || DataType.isFloat(type) || DataType.isDate(type) || DataType.isTimestamp(type)) {
    const { ArrayType } = type as unknown as { ArrayType: new (length: number) => Numbers };
    return new ArrayType(length);
  }
  throw new TypeError(`no source makes a column of ${type}`);
}
