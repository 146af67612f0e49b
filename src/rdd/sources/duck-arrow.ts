import type { DuckDBType, DuckDBVector } from '@duckdb/node-api';
import {
  Binary,
  Bool,
  type Data,
  DataType,
  DateDay,
  Field,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  List,
  makeData,
  Struct,
  TimestampMicrosecond,
  TimestampMillisecond,
  TimestampNanosecond,
  TimestampSecond,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
} from 'apache-arrow';
import { columnOf } from './arrow-values.js';

/** By DuckDB's names for its types. What has no counterpart in Arrow's JavaScript is text. */
const SCALARS: Record<string, () => DataType> = {
  BOOLEAN: () => new Bool(),
  TINYINT: () => new Int8(),
  SMALLINT: () => new Int16(),
  INTEGER: () => new Int32(),
  BIGINT: () => new Int64(),
  UTINYINT: () => new Uint8(),
  USMALLINT: () => new Uint16(),
  UINTEGER: () => new Uint32(),
  UBIGINT: () => new Uint64(),
  FLOAT: () => new Float32(),
  DOUBLE: () => new Float64(),
  HUGEINT: () => new Float64(),
  UHUGEINT: () => new Float64(),
  BLOB: () => new Binary(),
  DATE: () => new DateDay(),
  TIMESTAMP: () => new TimestampMicrosecond(),
  TIMESTAMP_S: () => new TimestampSecond(),
  TIMESTAMP_MS: () => new TimestampMillisecond(),
  TIMESTAMP_NS: () => new TimestampNanosecond(),
  'TIMESTAMP WITH TIME ZONE': () => new TimestampMicrosecond('UTC'),
};

/** Decimals and integers of 128 bits become float64; maps become lists of `{ key, value }`; times, intervals, UUIDs and the like become text. */
export function arrowTypeOfDuck(type: DuckDBType): DataType {
  const parts = type as DuckDBType & {
    readonly valueType: DuckDBType;
    readonly keyType?: DuckDBType;
    readonly entryNames?: readonly string[];
    readonly entryTypes?: readonly DuckDBType[];
  };
  const field = (name: string, inner: DuckDBType) => new Field(name, arrowTypeOfDuck(inner), true);
  if (parts.entryNames) return new Struct(parts.entryNames.map((name, k) => field(name, parts.entryTypes![k]!)));
  if (parts.keyType)
    return new List(
      new Field('item', new Struct([field('key', parts.keyType), field('value', parts.valueType)]), true),
    );
  if (parts.valueType) return new List(field('item', parts.valueType));
  const name = type.toString();
  if (name.startsWith('DECIMAL')) return new Float64();
  return (SCALARS[name] ?? (() => new Utf8()))();
}

type Numbers = Float64Array & { BYTES_PER_ELEMENT: number };

/** Gathers the vectors of a DuckDB column into one Arrow column. Vectors of numbers are copied as they are. */
export class DuckColumn {
  readonly #type: DataType;
  readonly #typed: boolean;
  #values: unknown[] = [];
  #parts: { items: Numbers; valid: Uint8Array | undefined }[] = [];

  constructor(type: DataType) {
    this.#type = type;
    this.#typed = DataType.isInt(type) || DataType.isDate(type) || DataType.isTimestamp(type) || DataType.isFloat(type);
  }

  append(vector: DuckDBVector): void {
    const { items, validity } = vector as unknown as { items?: Numbers; validity?: { data: BigUint64Array | null } };
    const { ArrayType } = this.#type as unknown as { ArrayType: abstract new () => unknown };
    if (this.#typed && items && items instanceof ArrayType) {
      const data = validity?.data;
      const valid = data ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : undefined;
      this.#parts.push({ items, valid });
    } else for (let row = 0; row < vector.itemCount; row++) this.#values.push(plain(vector.getItem(row), this.#type));
  }

  /** The column so far; what comes next begins another. */
  finish(): Data {
    const column = this.#parts.length > 0 ? this.#joined() : columnOf(this.#type, this.#values);
    this.#parts = [];
    this.#values = [];
    return column;
  }

  #joined(): Data {
    const length = this.#parts.reduce((sum, { items }) => sum + items.length, 0);
    const { ArrayType } = this.#type as unknown as { ArrayType: new (length: number) => Numbers };
    const data = new ArrayType(length);
    let at = 0;
    for (const { items } of this.#parts) {
      data.set(items, at);
      at += items.length;
    }
    const nulls = this.#parts.some(({ valid }) => valid) ? this.#nulls(length) : { nullCount: 0 };
    return makeData({ type: this.#type, length, data, ...nulls } as any);
  }

  #nulls(length: number): { nullCount: number; nullBitmap?: Uint8Array } {
    const nullBitmap = new Uint8Array((length + 7) >> 3);
    let [at, nullCount] = [0, 0];
    for (const { items, valid } of this.#parts)
      for (let row = 0; row < items.length; row++, at++) {
        if (!valid || valid[row >> 3]! & (1 << (row & 7))) nullBitmap[at >> 3]! |= 1 << (at & 7);
        else nullCount++;
      }
    return nullCount === 0 ? { nullCount } : { nullCount, nullBitmap };
  }
}

/** A value of DuckDB's as `columnOf` takes it. */
function plain(value: any, type: DataType): unknown {
  if (value === null || value === undefined) return null;
  if (DataType.isUtf8(type)) return String(value);
  if (DataType.isBinary(type)) return value.bytes;
  if (DataType.isFloat(type)) return typeof value === 'object' ? value.toDouble() : Number(value);
  if (DataType.isDate(type)) return value.days;
  if (DataType.isTimestamp(type)) return value.micros ?? value.millis ?? value.seconds ?? value.nanos;
  if (DataType.isStruct(type))
    return Object.fromEntries(type.children.map(({ name, type: inner }) => [name, plain(entry(value, name), inner)]));
  if (DataType.isList(type))
    return (value.items ?? value.entries).map((item: unknown) => plain(item, type.children[0]!.type));
  return value;
}

/** A field of a struct, or of a map's entry. */
const entry = (value: any, name: string) => ('entries' in value ? value.entries[name] : value[name]);
