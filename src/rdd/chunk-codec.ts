import { type RecordBatch, RecordBatchReader, RecordBatchStreamWriter, util } from 'apache-arrow';
import { decodeValue, encodeParts } from '../executor/closure/index.js';
import { type Chunk, chunkLength, isBatch, rowsOf } from './chunks.js';
import { bytesOfNumbers, type Column, JoinedPairs, Pairs, sameNumbers } from './columns.js';

/** What a section holds (2 bytes) and its length (6 bytes): contents start 8-byte aligned. */
const HEADER_BYTES = 8;
/** An Arrow stream. */
const ARROW = 1;
/** An encoded array of arrays of rows. */
const VALUES = 2;
/** Float64, little-endian. */
const NUMBERS = 3;
/** Two sections, of keys and of values. */
const PAIRS = 4;
/** One section: the values are the keys. */
const TWINS = 5;
/** Three sections, of keys and of both sides' values. */
const JOINED = 6;

/**
 * Chunks as bytes: sections one after another, each with a header that says what it holds. A section of batches is an
 * Arrow stream, so a change of schema or of a dictionary's content begins a new one. Chunks without rows vanish.
 */
export function encodeChunks(chunks: readonly Chunk[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (const run of runsOf(chunks.filter((chunk) => chunkLength(chunk) > 0))) {
    const first = run[0]!;
    if (first instanceof Pairs) for (const pairs of run) encodePairs(pairs as Pairs, parts);
    else if (first instanceof JoinedPairs) for (const joined of run) encodeJoined(joined as JoinedPairs, parts);
    else if (first instanceof Float64Array) for (const numbers of run) encodeColumn(numbers as Float64Array, parts);
    else if (isBatch(first))
      section(ARROW, [RecordBatchStreamWriter.writeAll(run as RecordBatch[]).toUint8Array(true)], parts);
    else section(VALUES, encodeParts(run.map(rowsOf)), parts);
  }
  return parts;
}

/** The inverse of `encodeChunks`; batches and typed columns are views of the bytes, which are 8-byte aligned. */
export function decodeChunks(bytes: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = 0; at < bytes.length; ) {
    const { kind, content, end } = sectionAt(bytes, at);
    if (kind === ARROW) chunks.push(...RecordBatchReader.from(content));
    else if (kind === VALUES) for (const rows of decodeValue(content) as Chunk[]) chunks.push(rows);
    else if (kind === NUMBERS) chunks.push(numbersOf(content));
    else if (kind === JOINED) chunks.push(decodeJoined(content));
    else chunks.push(decodePairs(content, kind === TWINS));
    at = end;
  }
  return chunks;
}

export function bytesOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

function encodePairs({ keys, values }: Pairs, parts: Uint8Array[]): void {
  const inner: Uint8Array[] = [];
  encodeColumn(keys, inner);
  const twins = sameNumbers(keys, values);
  if (!twins) encodeColumn(values, inner);
  section(twins ? TWINS : PAIRS, inner, parts);
}

function encodeJoined({ keys, lefts, rights }: JoinedPairs, parts: Uint8Array[]): void {
  const inner: Uint8Array[] = [];
  for (const column of [keys, lefts, rights]) encodeColumn(column, inner);
  section(JOINED, inner, parts);
}

function encodeColumn(column: Column, parts: Uint8Array[]): void {
  if (column instanceof Float64Array) section(NUMBERS, [bytesOfNumbers(column)], parts);
  else section(VALUES, encodeParts([column]), parts);
}

function decodePairs(content: Buffer, twins: boolean): Pairs {
  const section = sectionAt(content, 0);
  const keys = decodeColumn(section);
  return new Pairs(keys, twins ? keys : decodeColumn(sectionAt(content, section.end)));
}

function decodeJoined(content: Buffer): JoinedPairs {
  const keys = sectionAt(content, 0);
  const lefts = sectionAt(content, keys.end);
  return new JoinedPairs(decodeColumn(keys), decodeColumn(lefts), decodeColumn(sectionAt(content, lefts.end)));
}

function decodeColumn({ kind, content }: { kind: number; content: Buffer }): Column {
  return kind === NUMBERS ? numbersOf(content) : (decodeValue(content) as unknown[][])[0]!;
}

function numbersOf({ buffer, byteOffset, length }: Buffer): Float64Array {
  return new Float64Array(buffer, byteOffset, length / Float64Array.BYTES_PER_ELEMENT);
}

function section(kind: number, content: readonly Uint8Array[], parts: Uint8Array[]): void {
  const length = bytesOf(content);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16LE(kind, 0);
  header.writeUIntLE(length, 2, 6);
  parts.push(header, ...content);
  if (length % 8 > 0) parts.push(Buffer.alloc(8 - (length % 8)));
}

function sectionAt(bytes: Buffer, at: number): { kind: number; content: Buffer; end: number } {
  const length = bytes.readUIntLE(at + 2, 6);
  const begin = at + HEADER_BYTES;
  return {
    kind: bytes.readUInt16LE(at),
    content: bytes.subarray(begin, begin + length),
    end: begin + Math.ceil(length / 8) * 8,
  };
}

/** Neighbours that can share a section. */
function runsOf(chunks: readonly Chunk[]): Chunk[][] {
  const runs: Chunk[][] = [];
  for (const chunk of chunks) {
    const run = runs.at(-1);
    if (run && sameSection(run[0]!, chunk)) run.push(chunk);
    else runs.push([chunk]);
  }
  return runs;
}

function sameSection(a: Chunk, b: Chunk): boolean {
  if (isBatch(a) && isBatch(b)) return util.compareSchemas(a.schema, b.schema) && sameDictionaries(a, b);
  return kindOf(a) === kindOf(b);
}

function kindOf(chunk: Chunk): unknown {
  const columnar = [Pairs, JoinedPairs, Float64Array].some((kind) => chunk instanceof kind);
  return isBatch(chunk) || columnar ? chunk.constructor : Array;
}

/** Of the top-level columns; nested dictionaries do not stream together. */
function sameDictionaries(a: RecordBatch, b: RecordBatch): boolean {
  if (a.dictionaries.size === 0 && b.dictionaries.size === 0) return true;
  return a.data.children.every((column, k) => column.dictionary?.data[0] === b.data.children[k]?.dictionary?.data[0]);
}
