import { crc32 } from 'node:zlib';
import { type RecordBatch, RecordBatchReader, RecordBatchStreamWriter } from 'apache-arrow';
import { decodeValue, encodeValue } from '../executor/closure/index.js';
import type { BlockRef, BlockSegment } from '../protocol/block.js';
import type { TaskContext } from '../protocol/program.js';
import type { ShuffleSpec } from '../scheduler/lineage.js';
import type { MapOutput } from '../scheduler/map-outputs.js';
import { type Chunk, type Chunks, chunkLength, isBatch } from './chunks.js';
import { takeRows } from './take-rows.js';

/** One byte before a segment's content says how it is encoded; the rest starts 8-byte aligned. */
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
    context.metrics.rows += chunkLength(chunk);
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
    const padding = (8 - (bytes.length % 8)) % 8;
    pieces.push(bytes, new Uint8Array(padding));
    offset += bytes.length + padding;
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
  for (let part = 0; part < count; part++) {
    const first = (((part - firstRow) % count) + count) % count;
    if (first >= length) continue;
    const rows = Array.from({ length: Math.ceil((length - first) / count) }, (_, k) => first + k * count);
    parts[part]!.push(isBatch(chunk) ? takeRows(chunk, rows) : rows.map((row) => chunk[row]));
  }
}

export function encodeChunks(chunks: readonly Chunk[]): Uint8Array {
  const full = chunks.filter((chunk) => chunkLength(chunk) > 0);
  if (full.length === 0) return new Uint8Array(0);
  const arrow = full.every(isBatch);
  const content = arrow
    ? RecordBatchStreamWriter.writeAll(full as RecordBatch[]).toUint8Array(true)
    : encodeValue(full);
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = arrow ? ARROW : VALUES;
  return Buffer.concat([header, content]);
}

export function decodeChunks(bytes: Buffer): Chunk[] {
  const content = bytes.subarray(HEADER_BYTES);
  if (bytes[0] === ARROW) return [...RecordBatchReader.from(content)];
  return decodeValue(content) as Chunk[];
}
