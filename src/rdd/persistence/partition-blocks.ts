import type { BlockRef, Blocks } from '../../protocol/block.js';
import type { TaskMetrics } from '../../protocol/task.js';
import { bytesOf, decodeChunks, encodeChunks } from '../chunk-codec.js';
import { type Chunk, type Chunks, chunkLength } from '../chunks.js';
import { columnOf, Pairs } from '../columns.js';
import { estimateBytes } from '../memory/estimate.js';

/** A partition is written and read in parts of about so much memory: a large one never has to be whole in memory. */
export const PART_BYTES = 16 * 2 ** 20;

/** Encodes a partition's chunks in parts; each can be decoded by itself. */
export class PartEncoder {
  #pending: Chunk[] = [];
  #bytes = 0;

  constructor(readonly partBytes = PART_BYTES) {}

  /** @returns a part, in pieces, once there is enough for one */
  add(chunk: Chunk): readonly Uint8Array[] | undefined {
    this.#pending.push(compact(chunk));
    this.#bytes += estimateBytes(chunk);
    return this.#bytes >= this.partBytes ? this.rest() : undefined;
  }

  /** What has been added since the last part; undefined for nothing. */
  rest(): readonly Uint8Array[] | undefined {
    if (this.#pending.length === 0) return undefined;
    const part = encodeChunks(this.#pending);
    this.#pending = [];
    this.#bytes = 0;
    return part;
  }
}

/** Rows that are all numbers, or all pairs, are columns in bytes: many times faster to write and to read than values. */
function compact(chunk: Chunk): Chunk {
  if (!Array.isArray(chunk)) return chunk;
  if (chunk.every((row) => typeof row === 'number')) return Float64Array.from(chunk);
  if (!chunk.every(isPair)) return chunk;
  return new Pairs(columnOf(chunk.map(([key]) => key)), columnOf(chunk.map(([, value]) => value)));
}

function isPair(row: unknown): boolean {
  return Array.isArray(row) && row.length === 2 && Object.getPrototypeOf(row) === Array.prototype;
}

/** Where a partition's blocks go. */
export interface BlockTarget {
  readonly blocks: Blocks;
  readonly metrics: TaskMetrics;
  /** Of the partition alone. */
  readonly scope: string;
  /** Begins the blocks' ids. */
  readonly name: string;
  /** On disk, though there is room in memory. */
  readonly disk: boolean;
}

/** Writes a partition's chunks into blocks, in order. */
export class PartitionWriter {
  readonly #refs: Promise<BlockRef>[] = [];
  readonly #encoder: PartEncoder;

  constructor(
    readonly target: BlockTarget,
    partBytes?: number,
  ) {
    this.#encoder = new PartEncoder(partBytes);
  }

  /** Blocks are written before this returns. */
  add(chunk: Chunk): void {
    const part = this.#encoder.add(chunk);
    if (part) this.#put(part);
  }

  /** An empty partition is one empty block: it tells that nothing is missing. @throws FailureError `resource` */
  finish(): Promise<readonly BlockRef[]> {
    const rest = this.#encoder.rest();
    if (rest || this.#refs.length === 0) this.#put(rest ?? []);
    return Promise.all(this.#refs);
  }

  #put(part: readonly Uint8Array[]): void {
    const { blocks, metrics, scope, name, disk } = this.target;
    const begun = performance.now();
    const bytes = bytesOf(part);
    const ref = blocks.put(`${name}:${this.#refs.length}`, scope, part, { disk, bytes });
    ref.catch(() => {}); // told by `finish`
    this.#refs.push(ref);
    metrics.writeMs += performance.now() - begun;
    metrics.bytesOut += bytes;
  }
}

/** The chunks of a partition's blocks. @throws FailureError `fetch-failed` */
export async function* readPartition(refs: readonly BlockRef[], blocks: Blocks, metrics: TaskMetrics): Chunks {
  for (const ref of refs) {
    const begun = performance.now();
    const bytes = await blocks.get(ref);
    metrics.fetchMs += performance.now() - begun;
    metrics.bytesIn += bytes.length;
    for (const chunk of decodeChunks(bytes)) {
      metrics.rows += chunkLength(chunk);
      yield chunk;
    }
  }
}
