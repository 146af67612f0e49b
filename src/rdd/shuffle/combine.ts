import type { TaskContext } from '../../protocol/program.js';
import type { Chunks } from '../chunks.js';
import { Buckets, MAX_LEVEL } from './buckets.js';
import { Combination, type MergePairs } from './combination.js';
import { Reservation } from './reservation.js';
import type { PairsConsumer } from './write.js';

/** Combines pairs of one partition by key; what memory has no room for goes to buckets on disk, combined as far as it is. */
export class Combiner implements PairsConsumer, Disposable {
  merge!: MergePairs;
  #combination = new Combination();
  #buckets: Buckets | undefined;
  readonly #memory = new Reservation();

  constructor(
    readonly level: number,
    readonly context: TaskContext,
  ) {}

  get into(): unknown {
    return this.#combination.into;
  }

  get buffers(): boolean {
    return this.#combination.buffers;
  }

  afterPiece(): number {
    this.#combination.afterPiece(this.merge);
    const { bytes } = this.#combination;
    if (this.#memory.holds(bytes) || this.level === MAX_LEVEL) return bytes;
    this.#spill();
    this.#memory.reset();
    return 0;
  }

  /** @param again combines a bucket, one level on */
  async *finish(again: (combined: Chunks, level: number) => Chunks): Chunks {
    if (!this.#buckets) return yield* this.#combination.pairs(this.merge);
    this.#spill();
    this.#memory.reset();
    for (const bucket of this.#buckets) yield* again(this.#buckets.read(bucket), this.level + 1);
  }

  #spill(): void {
    this.#buckets ??= new Buckets(this.level, this.context);
    for (const pairs of this.#combination.pairs(this.merge)) this.#buckets.add(pairs);
    this.#combination = new Combination();
  }

  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
    this.#buckets?.[Symbol.dispose]();
  }
}
