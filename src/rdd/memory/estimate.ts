import type { Data, RecordBatch } from 'apache-arrow';
import { type Chunk, isBatch, NumberRange } from '../chunks.js';
import { type Column, JoinedPairs, Pairs } from '../columns.js';

/**
 * Bytes that a chunk holds: typed columns and record batches exactly, plain rows by a sample of them, so that the cost
 * does not grow with the chunk.
 * @param seen when given, whole buffers count, each once for all calls with this set: what keeping the chunks keeps alive.
 *   Default: the parts of buffers that the chunk shows
 */
export function estimateBytes(chunk: Chunk, seen?: Set<ArrayBufferLike>): number {
  if (chunk instanceof NumberRange) return OBJECT_BYTES + 4 * POINTER_BYTES;
  if (isBatch(chunk)) return batchBytes(chunk, seen);
  if (chunk instanceof Pairs) return columnBytes(chunk.keys, seen) + columnBytes(chunk.values, seen);
  if (chunk instanceof JoinedPairs)
    return [chunk.keys, chunk.lefts, chunk.rights].reduce((sum, column) => sum + columnBytes(column, seen), 0);
  return columnBytes(chunk, seen);
}

/**
 * Rough bytes of one value on V8's heap, with all it refers to; large arrays and deep objects by samples.
 * For the entries of a hash map, say, that grows by one value at a time.
 */
export function estimateValue(value: unknown, depth = 0): number {
  switch (typeof value) {
    case 'string':
      return STRING_BYTES + align(value.length * (TWO_BYTE.test(value.slice(0, STRING_SAMPLE)) ? 2 : 1));
    case 'number':
      return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? 0 : NUMBER_BYTES;
    case 'bigint':
      return NUMBER_BYTES + 8;
    case 'object':
      return value === null ? 0 : objectBytes(value, depth);
    default:
      return 0; // booleans and undefined are the engine's own; functions are shared
  }
}

/** 64-bit V8 without compressed pointers, as in Node. An object's header: map, properties, elements. */
const POINTER_BYTES = 8;
const OBJECT_BYTES = 24;
const ARRAY_BYTES = 48;
const STRING_BYTES = 16;
const NUMBER_BYTES = 16;
/** A hash table's entry with its share of empty buckets. */
const ENTRY_BYTES = 48;
const VIEW_BYTES = 200;

/** Rows of a chunk, values of an array or object, and characters of a string that are looked at. */
const ROW_SAMPLE = 48;
const VALUE_SAMPLE = 16;
const STRING_SAMPLE = 64;
/** Deeper values are rare, and cycles end. */
const MAX_DEPTH = 5;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the range is what V8 stores in one byte a character
const TWO_BYTE = /[^\x00-\xff]/;

function align(bytes: number): number {
  return Math.ceil(bytes / POINTER_BYTES) * POINTER_BYTES;
}

function columnBytes(column: Column, seen?: Set<ArrayBufferLike>): number {
  if (column instanceof Float64Array) return viewBytes(column, seen);
  return listBytes(column, ROW_SAMPLE, 0);
}

function viewBytes(view: ArrayBufferView, seen?: Set<ArrayBufferLike>): number {
  if (!seen) return view.byteLength;
  if (seen.has(view.buffer)) return 0;
  seen.add(view.buffer);
  return view.buffer.byteLength;
}

/** An array with its elements, from `sample` of them, evenly spread. V8 stores numbers among themselves unboxed. */
function listBytes(values: readonly unknown[], sample: number, depth: number): number {
  const taken = Math.min(values.length, sample);
  let bytes = 0;
  let numbers = 0;
  for (let k = 0; k < taken; k++) {
    const value = values[Math.floor((k * values.length) / taken)];
    if (typeof value === 'number') numbers++;
    bytes += estimateValue(value, depth + 1);
  }
  const elements = numbers === taken ? 0 : (bytes / taken) * values.length;
  return ARRAY_BYTES + POINTER_BYTES * values.length + Math.round(elements);
}

function objectBytes(value: object, depth: number): number {
  if (depth > MAX_DEPTH) return OBJECT_BYTES;
  if (Array.isArray(value)) return listBytes(value, VALUE_SAMPLE, depth);
  if (ArrayBuffer.isView(value)) return VIEW_BYTES + value.byteLength;
  if (value instanceof ArrayBuffer) return VIEW_BYTES + value.byteLength;
  if (value instanceof Map) return tableBytes(value.size, value.entries(), depth);
  if (value instanceof Set) return tableBytes(value.size, value.values(), depth);
  if (value instanceof Date) return 12 * POINTER_BYTES;
  const names = Object.keys(value);
  const taken = Math.min(names.length, VALUE_SAMPLE);
  let bytes = 0;
  for (let k = 0; k < taken; k++)
    bytes += estimateValue(
      (value as Record<string, unknown>)[names[Math.floor((k * names.length) / taken)]!],
      depth + 1,
    );
  const values = taken === 0 ? 0 : Math.round((bytes / taken) * names.length);
  return OBJECT_BYTES + POINTER_BYTES * names.length + values;
}

/** A Map's entries come as pairs, whose array is not there. */
function tableBytes(size: number, entries: Iterable<unknown>, depth: number): number {
  let bytes = 0;
  let taken = 0;
  for (const entry of entries) {
    if (taken === VALUE_SAMPLE) break;
    for (const part of Array.isArray(entry) ? entry : [entry]) bytes += estimateValue(part, depth + 1);
    taken++;
  }
  return ARRAY_BYTES + ENTRY_BYTES * size + (taken === 0 ? 0 : Math.round((bytes / taken) * size));
}

/** Arrow columns share buffers: a slice with its origin, batches of one stream their dictionary. */
function batchBytes(batch: RecordBatch, seen?: Set<ArrayBufferLike>): number {
  const views = new Set<string>();
  const ids = new Map<ArrayBufferLike, number>();
  /** The same bytes of the same buffer, whoever shows them. */
  const first = (view: ArrayBufferView) => {
    if (!ids.has(view.buffer)) ids.set(view.buffer, ids.size);
    const key = `${ids.get(view.buffer)}:${view.byteOffset}:${view.byteLength}`;
    return !views.has(key) && views.add(key);
  };
  let bytes = OBJECT_BYTES;
  const stack: Data[] = [batch.data as unknown as Data];
  for (let data = stack.pop(); data; data = stack.pop()) {
    for (const view of [data.valueOffsets, data.values, data.nullBitmap, data.typeIds] as (
      | ArrayBufferView
      | undefined
    )[])
      if (ArrayBuffer.isView(view) && view.byteLength > 0 && first(view)) bytes += viewBytes(view, seen);
    bytes += OBJECT_BYTES;
    stack.push(...data.children);
    if (data.dictionary) stack.push(...data.dictionary.data);
  }
  return bytes;
}
