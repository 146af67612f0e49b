import type { BlockLocation, BlockRef } from '../protocol/block.js';
import { inScope } from '../protocol/scope.js';
import { type Persisted, type StorageLevelName, type StorageUpdate, storedId } from '../protocol/storage.js';
import type { EventBus } from './event-bus.js';
import type { LineageNode } from './lineage.js';
import { executorOf, type SlotKey, slotOf } from './task-set.js';

/** An RDD that is persisted now; being so does not keep it alive. */
export interface PersistedRdd extends Persisted {
  readonly id: number;
  readonly node: WeakRef<LineageNode>;
}

/** What is known of one persisted partition. */
export interface StoredPartition {
  readonly scope: string;
  readonly partition: number;
  readonly level: StorageLevelName;
  /** Bytes in slots' memories. */
  readonly memory: Map<SlotKey, number>;
  /** In order, each with all the places that hold it; undefined when some part is nowhere. */
  blocks: readonly BlockRef[] | undefined;
}

/**
 * Where the partitions of persisted RDDs are, as far as the driver has been told: bookkeeping without effects. It may
 * be behind the truth, which costs time and nothing else: a slot that has not what it is said to have reads the blocks or
 * computes the partition, and says so.
 */
export class StorageRegistry {
  readonly #rdds = new Map<string, PersistedRdd>();
  readonly #partitions = new Map<string, StoredPartition>();

  constructor(readonly bus: EventBus) {}

  /** From now on news of this scope is of interest. */
  open(rdd: PersistedRdd): void {
    this.#rdds.set(rdd.scope, rdd);
  }

  /** Nothing is kept anywhere. */
  get isEmpty(): boolean {
    return this.#partitions.size === 0;
  }

  /** All that are persisted now, in the order in which that was asked for. */
  rdds(): PersistedRdd[] {
    return [...this.#rdds.values()];
  }

  /** News of a slot; of an RDD that is persisted no more there is none. */
  update(at: SlotKey, { scope, partition, memoryBytes, blocks, evicted = false }: StorageUpdate): void {
    const rdd = this.#rdds.get(scope);
    if (!rdd) return;
    const { level } = rdd;
    const id = storedId(scope, partition);
    const known = this.#partitions.get(id) ?? { scope, partition, level, memory: new Map(), blocks: undefined };
    known.memory.delete(at); // the last to be told of is the first to be preferred
    if (memoryBytes > 0) known.memory.set(at, memoryBytes);
    if (blocks) known.blocks = blocks.length === 0 ? undefined : merged(known.blocks, blocks);
    this.#keep(id, known);
    const diskBytes = bytesOf(known.blocks);
    const [executor, slot] = [executorOf(at), slotOf(at)];
    this.bus.emit({ event: 'storage', rdd: rdd.id, partition, executor, slot, memoryBytes, diskBytes, evicted });
  }

  get(scope: string, partition: number): StoredPartition | undefined {
    return this.#partitions.get(storedId(scope, partition));
  }

  /** Of one scope, in the order of partitions. */
  partitions(scope: string): StoredPartition[] {
    return [...this.#partitions.values()]
      .filter((each) => each.scope === scope)
      .sort((a, b) => a.partition - b.partition);
  }

  /** A copy of a partition's blocks has been made. */
  copied(scope: string, partition: number, copies: readonly BlockRef[]): void {
    const known = this.get(scope, partition);
    if (known?.blocks) known.blocks = merged(known.blocks, copies);
  }

  /** Forgets what only this executor had. @returns how many partitions are nowhere now */
  lost(executor: string): number {
    let lost = 0;
    for (const [id, known] of [...this.#partitions]) {
      for (const slot of known.memory.keys()) if (executorOf(slot) === executor) known.memory.delete(slot);
      known.blocks = without(known.blocks, ({ holder }) => holder === executor);
      if (!this.#keep(id, known)) lost++;
    }
    return lost;
  }

  /** Forgets a partition's blocks of which one could not be read. */
  unreadable(block: BlockRef): void {
    for (const [id, known] of [...this.#partitions]) {
      if (!known.blocks?.some((each) => each.scope === block.scope && each.id === block.id)) continue;
      known.blocks = undefined;
      this.#keep(id, known);
    }
  }

  /** Forgets a scope's partitions, and blocks of scopes below it. */
  drop(scope: string): void {
    for (const rdd of this.#rdds.keys()) if (inScope(rdd, scope)) this.#rdds.delete(rdd);
    for (const [id, known] of [...this.#partitions]) {
      if (inScope(known.scope, scope)) this.#partitions.delete(id);
      else if (known.blocks?.some((block) => inScope(block.scope, scope))) {
        known.blocks = undefined;
        this.#keep(id, known);
      }
    }
  }

  #keep(id: string, known: StoredPartition): boolean {
    const there = known.memory.size > 0 || known.blocks !== undefined;
    if (there) this.#partitions.set(id, known);
    else this.#partitions.delete(id);
    return there;
  }
}

/** Executors that have a whole copy, in memory or as blocks. */
export function holdersOf({ memory, blocks }: StoredPartition): Set<string> {
  const [first, ...others] = (blocks ?? []).map((block) => new Set(block.at.map(({ holder }) => holder)));
  const whole = [...(first ?? [])].filter((holder) => others.every((set) => set.has(holder)));
  return new Set([...[...memory.keys()].map(executorOf), ...whole]);
}

/** Of one copy. */
export function bytesOf(blocks: readonly BlockRef[] = []): number {
  return blocks.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The same blocks in more places; blocks of other bytes take the place of the known. */
function merged(known: readonly BlockRef[] | undefined, news: readonly BlockRef[]): readonly BlockRef[] {
  const same =
    known?.length === news.length &&
    known.every(
      ({ scope, bytes, crc32 }, part) =>
        scope === news[part]!.scope && bytes === news[part]!.bytes && crc32 === news[part]!.crc32,
    );
  if (!same) return news;
  return news.map((block, part) => ({ ...block, at: distinct([...block.at, ...known[part]!.at]) }));
}

function distinct(at: readonly BlockLocation[]): BlockLocation[] {
  return [...new Map(at.map((location) => [location.holder, location])).values()];
}

function without(
  blocks: readonly BlockRef[] | undefined,
  gone: (location: BlockLocation) => boolean,
): readonly BlockRef[] | undefined {
  const left = blocks?.map((block) => ({ ...block, at: block.at.filter((location) => !gone(location)) }));
  return left?.some(({ at }) => at.length === 0) ? undefined : left;
}
