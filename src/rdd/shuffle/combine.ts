import type { TaskContext } from '../../protocol/program.js';
import type { Chunks } from '../chunks.js';
import { Buckets, MAX_LEVEL } from './buckets.js';
import { Combining } from './combining.js';

/** Combines pairs of one partition by key; what memory has no room for goes to buckets on disk, combined as far as it is. */
export class Combiner extends Combining {
  #buckets: Buckets | undefined;

  constructor(
    readonly level: number,
    readonly context: TaskContext,
  ) {
    super();
  }

  /** @param again combines a bucket, one level on */
  async *finish(again: (combined: Chunks, level: number) => Chunks): Chunks {
    if (!this.#buckets) return yield* this.taken();
    this.spill();
    this.memory.reset();
    for (const bucket of this.#buckets) yield* again(this.#buckets.read(bucket), this.level + 1);
  }

  protected override get canSpill(): boolean {
    return this.level < MAX_LEVEL;
  }

  protected spill(): void {
    this.#buckets ??= new Buckets(this.level, this.context);
    for (const pairs of this.taken()) this.#buckets.add(pairs);
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    this.#buckets?.[Symbol.dispose]();
  }
}
