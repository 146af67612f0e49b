import { inspect } from 'node:util';
import { type Data, type DataType, Float64, makeData, TimestampMillisecond } from 'apache-arrow';
import { columnOf } from '../sources/arrow-values.js';
import { arrowTypeOf, BAD, converterOf, type JsonType, offenderOf, requireJsonType } from '../sources/json-types.js';

/** Types of a column made from plain values: those of `jsonLines`, and `timestamp` (a Date, or milliseconds since 1970). */
export type TableType = JsonType | 'timestamp';

/** @throws SourceError for what is no type */
export function requireTableType(column: string, type: unknown): void {
  if (type !== 'timestamp') requireJsonType(column, type);
}

export function toArrowType(type: TableType): DataType {
  return type === 'timestamp' ? new TimestampMillisecond() : arrowTypeOf(type);
}

/** A value that is not of its column's type. */
export interface Misfit {
  readonly row: number;
  /** `"abc" is not a number (float64)` */
  readonly what: string;
}

/** Plain values as a column; null and undefined are null. */
export function columnFrom(type: TableType, values: readonly unknown[]): Data | Misfit {
  if (type === 'float64') return float64From(values);
  const convert = (typeof type === 'string' && CONVERTERS[type]) || converterOf(type as JsonType);
  const converted = new Array<unknown>(values.length);
  for (let row = 0; row < values.length; row++) {
    const value = values[row] == null ? null : convert(values[row]);
    if (value === BAD) return misfit(type, values[row], row);
    converted[row] = value;
  }
  return columnOf(toArrowType(type), converted);
}

export function isMisfit(column: Data | Misfit): column is Misfit {
  return 'what' in column;
}

function float64From(values: readonly unknown[]): Data | Misfit {
  const data = new Float64Array(values.length);
  let nullBitmap: Uint8Array | undefined;
  let nullCount = 0;
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (typeof value === 'number') data[row] = value;
    else if (value === null || value === undefined) {
      nullBitmap ??= new Uint8Array((values.length + 7) >> 3).fill(255);
      nullBitmap[row >> 3]! &= ~(1 << (row & 7));
      nullCount++;
    } else return misfit('float64', value, row);
  }
  return makeData({ type: new Float64(), length: values.length, nullCount, nullBitmap, data });
}

function misfit(type: TableType, value: unknown, row: number): Misfit {
  const { path, value: inner, noun } = type === 'timestamp' ? plain(value) : offenderOf(type, value);
  return {
    row,
    what: `${path ? `${path.replace(/^\./, '')}: ` : ''}${inspect(inner, { depth: 1, breakLength: 120 })} is not ${noun}`,
  };
}

const plain = (value: unknown) => ({ path: '', value, noun: 'a Date or milliseconds (timestamp)' });

/** Beside those of JSON: bigints, Dates, typed arrays. */
const CONVERTERS: Partial<Record<string, (value: unknown) => unknown>> = {
  int64: (value) =>
    typeof value === 'bigint' && BigInt.asIntN(64, value) === value ? value : converterOf('int64')(value),
  utf8: (value) => (typeof value === 'string' ? value : BAD),
  timestamp: (value) => {
    const time = value instanceof Date ? value.getTime() : value;
    return typeof time === 'number' && Number.isInteger(time) ? BigInt(time) : BAD;
  },
};

/**
 * The type of the first values that tell: numbers are float64 (whole or not: the next one may be another), bigints int64. Undefined
 * while all are null or empty arrays.
 */
export function inferType(values: Iterable<unknown>): TableType | undefined {
  for (const value of values) {
    const type = typeOf(value);
    if (type !== undefined) return type;
  }
  return undefined;
}

function typeOf(value: unknown): TableType | undefined {
  switch (typeof value) {
    case 'number':
      return 'float64';
    case 'bigint':
      return 'int64';
    case 'boolean':
      return 'bool';
    case 'string':
      return 'utf8';
    case 'object':
      return value === null ? undefined : objectType(value);
    default:
      return undefined;
  }
}

function objectType(value: object): TableType | undefined {
  if (value instanceof Date) return 'timestamp';
  if (Array.isArray(value)) {
    const item = inferType(value);
    return item === undefined ? undefined : [item as JsonType];
  }
  const fields = Object.entries(value).map(([name, inner]) => [name, typeOf(inner) ?? 'json'] as const);
  return fields.length === 0 ? 'json' : (Object.fromEntries(fields) as JsonType);
}
