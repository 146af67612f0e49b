import { isList, isObject, type JsonType } from './json-types.js';

/** An object with more different fields than this is a map rather than a record: it is kept as JSON text. */
const MAX_FIELDS = 1000;

/** What has been seen of a value: a type, or nothing yet but null or empty. */
type Seen = JsonType | undefined;

/** Widens types over rows: null gives way to anything, whole numbers to floats, and what does not agree becomes text. */
export class JsonTypes {
  #columns = new Map<string, Seen>();

  add(row: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(row))
      this.#columns.set(name, widen(this.#columns.get(name), typeOf(value)));
  }

  /** Columns in the order in which they were first seen; those that were always null are texts. */
  get columns(): { name: string; type: JsonType }[] {
    return [...this.#columns].map(([name, type]) => ({ name, type: settled(type) }));
  }
}

/** A list of unknown items and an object of fields that may be unknown: `Seen` inside. */
function typeOf(value: unknown): Seen {
  if (value === null || value === undefined) return undefined;
  if (typeof value === 'string') return 'utf8';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'integer' : 'float64';
  if (Array.isArray(value)) return [value.map(typeOf).reduce(widen, undefined)] as unknown as JsonType;
  const fields = Object.entries(value as object).map(([name, field]) => [name, typeOf(field)]);
  return Object.fromEntries(fields) as JsonType;
}

function widen(a: Seen, b: Seen): Seen {
  if (a === undefined || a === b) return b ?? a;
  if (b === undefined) return a;
  if (a === 'json' || b === 'json') return 'json';
  if (isNumeric(a) && isNumeric(b)) return 'float64';
  if (typeof a !== 'object' || typeof b !== 'object')
    return typeof a === 'object' || typeof b === 'object' ? 'json' : 'utf8';
  if (isList(a) || isList(b)) return isList(a) && isList(b) ? ([widen(a[0], b[0])] as unknown as JsonType) : 'json';
  const merged = new Map<string, Seen>(Object.entries(a));
  for (const [name, type] of Object.entries(b)) merged.set(name, widen(merged.get(name), type));
  return merged.size > MAX_FIELDS ? 'json' : (Object.fromEntries(merged) as JsonType);
}

const isNumeric = (type: JsonType) => type === 'integer' || type === 'float64';

function settled(type: Seen): JsonType {
  if (type === undefined) return 'utf8';
  if (!isObject(type)) return Array.isArray(type) ? [settled(type[0])] : (type as JsonType);
  const fields = Object.entries(type).map(([name, field]) => [name, settled(field as Seen)] as const);
  return fields.length === 0 ? 'json' : Object.fromEntries(fields);
}
