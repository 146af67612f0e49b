import { type DataType, Field, Int64, List, Struct, Utf8 } from 'apache-arrow';
import { own } from './arrow-values.js';
import { ARROW_TYPES } from './csv-columns.js';
import { COLUMN_TYPES, type ColumnType, INT64, isInt32, isInt64 } from './csv-types.js';
import { SourceError } from './source.js';

/**
 * Types a JSON value can be read as: those of a CSV column; `[type]` for an array (an Arrow List); `{ name: type, … }` for an
 * object (an Arrow Struct); `json` for a column of JSON text, whatever the values are. A `utf8` column takes texts as they
 * are and all else as JSON text.
 */
export type JsonType = ColumnType | 'json' | readonly [JsonType] | { readonly [field: string]: JsonType };

/** What a converter returns for a value that is not of its type. */
export const BAD = Symbol('not of the type');

export function arrowTypeOf(type: JsonType): DataType {
  if (type === 'json') return new Utf8();
  if (type === 'int64') return new Int64();
  if (typeof type === 'string') return ARROW_TYPES[type]();
  if (isList(type)) return new List(new Field('item', arrowTypeOf(type[0]), true));
  return new Struct(Object.entries(type).map(([name, field]) => new Field(name, arrowTypeOf(field), true)));
}

/** Turns a JSON value into what `columnOf` takes; null stays null; `BAD` where the value is not of the type. */
export function converterOf(type: JsonType): (value: unknown) => unknown {
  const convert = valueConverter(type);
  return (value) => (value === null || value === undefined ? null : convert(value));
}

function valueConverter(type: JsonType): (value: unknown) => unknown {
  if (type === 'json') return (value) => JSON.stringify(value);
  if (typeof type === 'string') return SCALARS[type];
  if (isList(type)) {
    const item = converterOf(type[0]);
    return (value) => {
      if (!Array.isArray(value)) return BAD;
      const items = value.map(item);
      return items.includes(BAD) ? BAD : items;
    };
  }
  const fields = Object.entries(type).map(([name, field]) => ({ name, convert: converterOf(field) }));
  return (value) => {
    if (!isObject(value)) return BAD;
    const converted = new Array<unknown>(fields.length);
    for (let k = 0; k < fields.length; k++) {
      const inner = fields[k]!.convert(own(value, fields[k]!.name));
      if (inner === BAD) return BAD;
      converted[k] = inner;
    }
    return converted;
  };
}

const keepIf = (fits: (value: any) => boolean) => (value: unknown) => (fits(value) ? value : BAD);
const isNumber = (value: unknown) => typeof value === 'number';

const SCALARS: Record<ColumnType, (value: unknown) => unknown> = {
  float32: keepIf(isNumber),
  float64: keepIf(isNumber),
  int32: keepIf((value) => isNumber(value) && isInt32(value)),
  integer: keepIf(Number.isSafeInteger),
  // Beyond 2^53 a JSON number has lost digits already; as in protobuf's JSON, a text may carry them.
  int64: (value) => {
    if (Number.isSafeInteger(value)) return BigInt(value as number);
    return typeof value === 'string' && INT64.test(value) && isInt64(BigInt(value)) ? BigInt(value) : BAD;
  },
  bool: keepIf((value) => typeof value === 'boolean'),
  utf8: (value) => (typeof value === 'string' ? value : JSON.stringify(value)),
};

/** Where in a value that is not of its type the trouble lies: a path such as `.tags[2]`, the value there and what was wanted. */
export function offenderOf(type: JsonType, value: unknown, path = ''): { path: string; value: unknown; noun: string } {
  if (typeof type === 'object' && isList(type) && Array.isArray(value)) {
    const at = value.findIndex((item) => converterOf(type[0])(item) === BAD);
    if (at >= 0) return offenderOf(type[0], value[at], `${path}[${at}]`);
  } else if (typeof type === 'object' && !isList(type) && isObject(value)) {
    const field = Object.entries(type).find(([name, each]) => converterOf(each)(own(value, name)) === BAD);
    if (field) return offenderOf(field[1], own(value, field[0]), `${path}.${field[0]}`);
  }
  return { path, value, noun: nounOf(type) };
}

function nounOf(type: JsonType): string {
  if (type === 'json') return 'JSON';
  if (typeof type === 'string') return `${COLUMN_TYPES[type].noun} (${type})`;
  return isList(type) ? 'an array' : 'an object';
}

/** @throws SourceError for what is no type */
export function requireJsonType(column: string, type: unknown): void {
  if (Array.isArray(type)) {
    if (type.length !== 1)
      throw new SourceError(`column "${column}": an array's type is [type], with one type for all its items`);
    requireJsonType(`${column}[]`, type[0]);
  } else if (isObject(type)) {
    if (Object.keys(type).length === 0)
      throw new SourceError(`column "${column}": an object's type needs at least one field; 'json' keeps it as text`);
    for (const [name, field] of Object.entries(type)) requireJsonType(`${column}.${name}`, field);
  } else if (type !== 'json' && !(typeof type === 'string' && Object.hasOwn(COLUMN_TYPES, type)))
    throw new SourceError(
      `column "${column}" has no type ${JSON.stringify(type)}; the types are ${Object.keys(COLUMN_TYPES).join(', ')}, json, [type] and { field: type }`,
    );
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export const isList = (type: JsonType): type is readonly [JsonType] => Array.isArray(type);
