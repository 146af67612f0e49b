import type { RecordBatch } from 'apache-arrow';
import type { TaskContext } from '../../protocol/program.js';
import type { Chunks } from '../chunks.js';
import { type SpilledRun, SpillFile } from '../shuffle/spill-file.js';
import { takeRows } from '../take-rows.js';
import { hashRows } from './key-columns.js';
import { columnsAt } from './key-table.js';

const BUCKETS = 16;
/** A bucket that is still too large after so many cuts holds one key's rows: no cut would help. */
export const MAX_LEVEL = 4;

/** Record batches on disk, cut by a hash of key columns (Grace hash join): a bucket holds all rows of its keys. */
export class BucketFile implements Disposable {
  readonly #file: SpillFile;
  readonly #runs: SpilledRun[][] = Array.from({ length: BUCKETS }, () => []);

  /** @param keys numbers of the key columns @param level of cutting: each cuts by another hash */
  constructor(
    readonly keys: readonly number[],
    readonly level: number,
    task: TaskContext,
  ) {
    this.#file = new SpillFile(task);
  }

  add(batch: RecordBatch): void {
    const hashes = hashRows(columnsAt(batch, this.keys), batch.numRows, 0x5bd1e995 * (this.level + 1));
    const rows: number[][] = Array.from({ length: BUCKETS }, () => []);
    for (let row = 0; row < hashes.length; row++) rows[(hashes[row]! >>> 0) % BUCKETS]!.push(row);
    for (const [bucket, own] of rows.entries())
      if (own.length > 0) this.#runs[bucket]!.push(this.#file.append([takeRows(batch, own)]));
  }

  async addAll(batches: AsyncIterable<RecordBatch>): Promise<this> {
    for await (const batch of batches) this.add(batch);
    return this;
  }

  /** Numbers of the buckets. */
  *[Symbol.iterator](): Generator<number> {
    for (let bucket = 0; bucket < BUCKETS; bucket++) yield bucket;
  }

  /** Rows of a bucket, in the order in which they came. */
  async *read(bucket: number): Chunks {
    for (const run of this.#runs[bucket]!) yield* this.#file.read(run);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
