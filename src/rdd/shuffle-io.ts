import { crc32 } from 'node:zlib';
import { type RecordBatch, RecordBatchReader, RecordBatchStreamWriter, util } from 'apache-arrow';
import { decodeValue, encodeValue } from '../executor/closure/index.js';
import type { BlockRef, BlockSegment } from '../protocol/block.js';
import type { TaskContext } from '../protocol/program.js';
import type { ShuffleSpec } from '../scheduler/lineage.js';
import type { MapOutput } from '../scheduler/map-outputs.js';
import { type Chunk, type Chunks, chunkLength, isBatch, rowsOf } from './chunks.js';
import { takeRows } from './take-rows.js';

/** What a section holds (2 bytes) and its length (6 bytes): contents start 8-byte aligned. */
const HEADER_BYTES = 8;
const ARROW = 1;
const VALUES = 2;

/** Spreads a partition's chunks over the reduce partitions: one block, one segment a reduce partition. */
export async function writeShuffle(
  chunks: Chunks,
  { id, partitions, partitioner }: ShuffleSpec,
  map: number,
  scope: string,
  context: TaskContext,
): Promise<MapOutput> {
  const parts: Chunk[][] = Array.from({ length: partitions }, () => []);
  let row = partitioner.kind === 'deal' ? partitioner.firstRows[map]! : 0;
  for await (const chunk of chunks) {
    if (partitioner.kind === 'neighbours') parts[Math.floor((map * partitions) / partitioner.maps)]!.push(chunk);
    else deal(chunk, row, parts);
    row += chunkLength(chunk);
  }
  const begun = performance.now();
  const segments: BlockSegment[] = [];
  const pieces: Uint8Array[] = [];
  let offset = 0;
  for (const part of parts) {
    const bytes = encodeChunks(part);
    segments.push({ offset, bytes: bytes.length, crc32: crc32(bytes) });
    pieces.push(bytes);
    offset += bytes.length;
  }
  const block = await context.blocks.put(`shuffle:${id}:${map}`, `${scope}/shuffle-${id}`, Buffer.concat(pieces));
  context.metrics.writeMs += performance.now() - begun;
  context.metrics.bytesOut += block.bytes;
  return { block, segments };
}

/** The chunks of one reduce partition, map output by map output. */
export async function* readShuffle(status: BlockRef, partition: number, context: TaskContext): Chunks {
  const outputs: MapOutput[] = JSON.parse((await context.blocks.get(status)).toString());
  for (const { block, segments } of outputs) {
    const segment = segments[partition]!;
    if (segment.bytes === 0) continue;
    const begun = performance.now();
    const bytes = await context.blocks.get(block, segment);
    context.metrics.fetchMs += performance.now() - begun;
    context.metrics.bytesIn += bytes.length;
    yield* decodeChunks(bytes);
  }
}

/** Row i of the data set goes to part i mod parts. */
function deal(chunk: Chunk, firstRow: number, parts: Chunk[][]): void {
  const count = parts.length;
  const length = chunkLength(chunk);
  const values = isBatch(chunk) ? [] : rowsOf(chunk);
  for (let part = 0; part < count; part++) {
    const first = (((part - firstRow) % count) + count) % count;
    if (first >= length) continue;
    const rows = Array.from({ length: Math.ceil((length - first) / count) }, (_, k) => first + k * count);
    parts[part]!.push(isBatch(chunk) ? takeRows(chunk, rows) : rows.map((row) => values[row]));
  }
}

/**
 * Chunks as bytes: sections one after another, each with a header that says what it holds. A section of batches is an
 * Arrow stream, so a change of schema or of a dictionary's content begins a new one. Chunks without rows vanish.
 */
export function encodeChunks(chunks: readonly Chunk[]): Buffer {
  const sections: Buffer[] = [];
  for (const run of runsOf(chunks.filter((chunk) => chunkLength(chunk) > 0))) {
    const content = isBatch(run[0]!)
      ? RecordBatchStreamWriter.writeAll(run as RecordBatch[]).toUint8Array(true)
      : encodeValue(run.map(rowsOf));
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt16LE(isBatch(run[0]!) ? ARROW : VALUES, 0);
    header.writeUIntLE(content.length, 2, 6);
    sections.push(header, Buffer.from(content.buffer, content.byteOffset, content.length), padding(content.length));
  }
  return Buffer.concat(sections);
}

/** The inverse of `encodeChunks`; batches are views of the bytes. */
export function decodeChunks(bytes: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUIntLE(at + 2, 6);
    const content = bytes.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
    if (bytes.readUInt16LE(at) === ARROW) chunks.push(...RecordBatchReader.from(content));
    else for (const rows of decodeValue(content) as Chunk[]) chunks.push(rows);
    at += HEADER_BYTES + length + padding(length).length;
  }
  return chunks;
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
  if (!isBatch(a) || !isBatch(b)) return isBatch(a) === isBatch(b);
  return util.compareSchemas(a.schema, b.schema) && sameDictionaries(a, b);
}

/** Of the top-level columns; nested dictionaries do not stream together. */
function sameDictionaries(a: RecordBatch, b: RecordBatch): boolean {
  if (a.dictionaries.size === 0 && b.dictionaries.size === 0) return true;
  return a.data.children.every((column, k) => column.dictionary?.data[0] === b.data.children[k]?.dictionary?.data[0]);
}

function padding(bytes: number): Buffer {
  return Buffer.alloc((8 - (bytes % 8)) % 8);
}
