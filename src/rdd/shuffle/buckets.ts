import type { TaskContext } from '../../protocol/program.js';
import { type Chunks, pairsOf } from '../chunks.js';
import type { Pairs } from '../columns.js';
import { hashKey, mix } from '../keys.js';
import { estimateBytes } from '../memory/estimate.js';
import { slotMemory } from '../memory/slot-memory.js';
import { PairBuffer } from './pair-buffer.js';
import { type SpilledRun, SpillFile } from './spill-file.js';

const BUCKETS = 32;
/** A bucket that is still too large after so many cuts holds one key's rows: no cut would help. */
export const MAX_LEVEL = 4;
const RUN_ROWS = 1 << 14;
/** Part of the slot's memory that rows may take up on their way to disk, and bytes that are worth writing at once. */
const BUFFERED_SHARE = 1 / 16;
const LEAST_BUFFERED = 1 << 16;

/**
 * Pairs on disk, cut by a hash of the key (Grace hash join, hybrid hash aggregation): a bucket holds all rows of its keys, and
 * is small enough to be worked on in memory, or is cut again by another hash, one level on.
 */
export class Buckets implements Disposable {
  readonly #file: SpillFile;
  readonly #runs: SpilledRun[][] = Array.from({ length: BUCKETS }, () => []);
  readonly #buffers = Array.from({ length: BUCKETS }, () => new PairBuffer());
  readonly #seed: number;
  /** Estimated, of what was added since all buffers were written. */
  #buffered = 0;

  constructor(
    readonly level: number,
    context: TaskContext,
  ) {
    this.#file = new SpillFile(context);
    this.#seed = Math.imul(level + 1, 0x9e3779b1);
  }

  add(pairs: Pairs): void {
    const most = Math.max(slotMemory().budget * BUFFERED_SHARE, LEAST_BUFFERED);
    const rows = Math.max(1, Math.floor((most * pairs.length) / estimateBytes(pairs)));
    for (let from = 0; from < pairs.length; from += rows) {
      const part = rows < pairs.length ? pairs.slice(from, Math.min(from + rows, pairs.length)) : pairs;
      this.#scatter(part);
      this.#buffered += estimateBytes(part);
      if (this.#buffered < most) continue;
      for (const bucket of this) this.#flush(bucket);
      this.#buffered = 0;
    }
  }

  #scatter({ keys, values }: Pairs): void {
    for (let i = 0; i < keys.length; i++) {
      const bucket = (mix(hashKey(keys[i]) ^ this.#seed) >>> 0) % BUCKETS;
      const buffer = this.#buffers[bucket]!;
      buffer.add(keys[i], values[i]);
      if (buffer.length === RUN_ROWS) this.#flush(bucket);
    }
  }

  async addAll(chunks: Chunks, name: string): Promise<this> {
    for await (const chunk of chunks) this.add(pairsOf(chunk, name));
    return this;
  }

  /** Numbers of the buckets. */
  *[Symbol.iterator](): Generator<number> {
    for (let bucket = 0; bucket < BUCKETS; bucket++) yield bucket;
  }

  /** Rows of a bucket, in the order in which they came. */
  async *read(bucket: number): Chunks {
    this.#flush(bucket);
    for (const run of this.#runs[bucket]!) yield* this.#file.read(run);
  }

  #flush(bucket: number): void {
    const buffer = this.#buffers[bucket]!;
    if (buffer.length > 0) this.#runs[bucket]!.push(this.#file.append([buffer.take()]));
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
