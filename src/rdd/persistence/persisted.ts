import { randomUUID } from 'node:crypto';
import type { BlockRef } from '../../protocol/block.js';
import { FailureError } from '../../protocol/failure.js';
import type { TaskContext } from '../../protocol/program.js';
import { type Persisted, STORAGE_LEVELS, stagedScope, storedId } from '../../protocol/storage.js';
import { type Chunk, type Chunks, chunkLength } from '../chunks.js';
import { estimateBytes } from '../memory/estimate.js';
import { slotMemory } from '../memory/slot-memory.js';
import { PART_BYTES, PartitionWriter, readPartition } from './partition-blocks.js';
import { storageReports } from './storage-reports.js';

/** A persisted RDD as its tasks know it. */
export interface ShippedPersisted extends Persisted {
  /** Whether copies are wanted and there are executors for them. */
  readonly replicate: boolean;
}

/** What the driver knows of the blocks that hold persisted partitions, by `storedId`; none: the slot's memory alone holds it, though a copy is wanted. */
export type StoredBlocks = Readonly<Record<string, readonly BlockRef[]>>;

/** What this slot keeps of a partition; lives as long as the RDD is persisted. */
interface Kept {
  chunks?: readonly Chunk[] | undefined;
  bytes: number;
  /** To disk, when it has to make room. */
  spills: boolean;
  /** Written by this slot. */
  blocks?: Promise<readonly BlockRef[]> | undefined;
}

/** Of the budget, for the part of a partition that is being written. */
const WRITING_SHARE = 1 / 8;

/**
 * The chunks of a persisted partition: from the slot's memory, else from its blocks, else computed and kept as its level
 * says. It is kept only when whole, for the reader may stop after the first chunk; one that does not fit into the budget
 * goes to disk or passes through. Blocks that cannot be read are no loss: the partition is computed again.
 */
export async function* persisted(
  node: ShippedPersisted,
  partition: number,
  context: TaskContext,
  stored: StoredBlocks,
  compute: () => Chunks,
): Chunks {
  const store = new PartitionStore(node, partition, context);
  const known = stored[store.id];
  if (store.kept.chunks) {
    if (node.replicate && known?.length === 0) await store.stage(store.kept.chunks);
    return yield* store.fromMemory(store.kept.chunks);
  }
  const blocks = await readable(store, known);
  if (blocks) return yield* store.keepsInMemory ? store.keeping(blocks, false) : blocks;
  if (store.keepsInMemory) return yield* store.keeping(compute(), true);
  yield* store.read(await store.write(compute()));
}

/** The partition's blocks, if the first can be read: a later one that cannot fails the task, and the driver forgets them. */
async function readable(store: PartitionStore, known: readonly BlockRef[] | undefined): Promise<Chunks | undefined> {
  const refs = (await store.kept.blocks?.catch(() => undefined)) ?? known;
  if (!refs?.length) return undefined;
  const chunks = store.read(refs)[Symbol.asyncIterator]();
  try {
    const first = await chunks.next();
    return first.done ? chunksOf([]) : drained([first.value], chunks);
  } catch (error) {
    if (error instanceof FailureError) return undefined;
    throw error;
  }
}

class PartitionStore {
  readonly id: string;
  readonly kept: Kept;
  readonly #scope: string;

  constructor(
    readonly node: ShippedPersisted,
    readonly partition: number,
    readonly context: TaskContext,
  ) {
    const { residents } = context;
    this.id = storedId(node.scope, partition);
    this.#scope = `${node.scope}/${partition}`;
    this.kept =
      residents.get<Kept>(this.id) ??
      residents.set<Kept>(this.id, this.#scope, { bytes: 0, spills: false }, () => slotMemory().forget(this.id));
    this.kept.spills = STORAGE_LEVELS[node.level].disk;
  }

  get keepsInMemory(): boolean {
    return STORAGE_LEVELS[this.node.level].memory;
  }

  *fromMemory(chunks: readonly Chunk[]): Generator<Chunk> {
    slotMemory().touch(this.id);
    for (const chunk of chunks) this.context.metrics.rows += chunkLength(chunk);
    yield* chunks;
  }

  /** @throws FailureError `fetch-failed` for blocks that cannot be read, which are forgotten here and by the driver */
  async *read(refs: readonly BlockRef[]): Chunks {
    try {
      yield* readPartition(refs, this.context.blocks, this.context.metrics);
    } catch (error) {
      this.kept.blocks = undefined;
      this.report({ blocks: [] });
      throw error;
    }
  }

  /** Chunks on their way into memory. @param fresh computed, so that they are on no disk yet */
  async *keeping(chunks: Chunks, fresh: boolean): Chunks {
    const { kept, node } = this;
    const memory = slotMemory();
    const entry = memory.store(this.id, node.scope, () => this.#evict());
    const seen = new Set<ArrayBufferLike>();
    const held: Chunk[] = [];
    const rest = chunks[Symbol.asyncIterator]();
    let bytes = 0;
    try {
      for (let next = await rest.next(); !next.done; next = await rest.next()) {
        held.push(next.value);
        const more = estimateBytes(next.value, seen);
        if (!entry.grow(more)) return yield* this.#tooLarge(held, rest, fresh);
        bytes += more;
      }
      Object.assign(kept, { chunks: held, bytes });
      entry.seal();
    } finally {
      if (kept.chunks === undefined) memory.forget(this.id);
      await rest.return?.();
    }
    if (fresh && node.replicate) await this.stage(held);
    this.report();
    yield* held;
  }

  async *#tooLarge(held: Chunk[], rest: AsyncIterator<Chunk>, fresh: boolean): Chunks {
    slotMemory().forget(this.id);
    const all = drained(held, rest);
    if (fresh && STORAGE_LEVELS[this.node.level].disk) yield* this.read(await this.write(all));
    else yield* all;
  }

  /** Computed chunks to disk. */
  async write(chunks: Chunks): Promise<readonly BlockRef[]> {
    const writer = this.#writer(this.#scope, STORAGE_LEVELS[this.node.level].disk);
    for await (const chunk of chunks) writer.add(chunk);
    const refs = await writer.finish();
    this.kept.blocks = Promise.resolve(refs);
    this.report({ blocks: refs });
    return refs;
  }

  /** For the copy on another executor: what disk levels keep, memory levels only until it is copied. */
  async stage(chunks: readonly Chunk[]): Promise<void> {
    const { disk } = STORAGE_LEVELS[this.node.level];
    const writing = this.#writeAll(chunks, disk ? this.#scope : stagedScope(this.node.scope, this.partition), disk);
    if (disk) this.kept.blocks = writing;
    this.report({ blocks: await writing });
  }

  #evict(): void {
    const { kept } = this;
    const { chunks } = kept;
    Object.assign(kept, { chunks: undefined, bytes: 0 });
    if (kept.spills && !kept.blocks) {
      kept.blocks = this.#writeAll(chunks!, this.#scope, true);
      kept.blocks.catch(() => {
        kept.blocks = undefined; // the disk is full: the partition is computed again
      });
    }
    this.report({ evicted: true, ...(kept.blocks ? { blocks: kept.blocks } : {}) });
  }

  /** Has been written when this returns: only then the memory is free. */
  #writeAll(chunks: readonly Chunk[], scope: string, disk: boolean): Promise<readonly BlockRef[]> {
    const writer = this.#writer(scope, disk);
    for (const chunk of chunks) writer.add(chunk);
    return writer.finish();
  }

  #writer(scope: string, disk: boolean): PartitionWriter {
    const { blocks, metrics } = this.context;
    const partBytes = Math.min(PART_BYTES, slotMemory().budget * WRITING_SHARE);
    const partition = this.#scope.slice(this.#scope.indexOf('/') + 1).replace('/', ':');
    // Of this run alone: two jobs may compute one partition at once, and its rows need not be the same.
    const name = `${partition}:${randomUUID()}`;
    return new PartitionWriter({ blocks, metrics, scope, name, disk }, partBytes);
  }

  report(news: { blocks?: readonly BlockRef[] | Promise<readonly BlockRef[]>; evicted?: boolean } = {}): void {
    const { scope } = this.node;
    const { partition, kept } = this;
    storageReports(scope, this.context.residents).add({ scope, partition, memoryBytes: kept.bytes, ...news });
  }
}

async function* chunksOf(chunks: readonly Chunk[]): Chunks {
  yield* chunks;
}

/** What is held, let go while it is handed on, and then the rest. */
async function* drained(held: Chunk[], rest: AsyncIterator<Chunk>): Chunks {
  held.reverse();
  for (let chunk = held.pop(); chunk; chunk = held.pop()) yield chunk;
  yield* { [Symbol.asyncIterator]: () => rest };
}
