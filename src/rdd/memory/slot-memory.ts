/**
 * The memory of one slot: what kept partitions (storage) and running operators (execution) may hold together. Pure
 * accounting: nobody is stopped from allocating, everybody asks first.
 *
 * One pool for both, as in Spark's unified memory manager. Storage takes what is free, and evicts older storage for
 * more. Execution too evicts storage, least recently used first, but leaves it its protected share; storage never takes
 * anything from execution, which gives back when its task ends.
 */
export class SlotMemory {
  #execution = 0;
  #storage = 0;
  /** In order of use, the oldest first. */
  readonly #entries = new Map<string, Entry>();

  /** @param budget bytes, > 0 @param storageShare part of the budget below which execution evicts nothing */
  constructor(
    readonly budget: number,
    readonly storageShare = STORAGE_SHARE,
  ) {
    if (!(budget > 0)) throw new RangeError(`the memory budget must be more than 0 bytes, not ${budget}`);
  }

  /** Bytes that operators hold. */
  get execution(): number {
    return this.#execution;
  }

  /** Bytes that kept partitions hold. */
  get storage(): number {
    return this.#storage;
  }

  /**
   * Asks for memory for an operator that can spill: in steps, before each growth. Whoever is refused writes what it holds
   * to disk, releases that, and goes on with what it has at hand; it need not ask for a working set of a chunk or two.
   * @param bytes >= 0 @returns whether the bytes are now the caller's
   */
  acquire(bytes: number): boolean {
    const free = this.#free();
    const evictable = Math.max(0, this.#storage - this.budget * this.storageShare);
    if (bytes > free + evictable || !this.#evict(bytes - free)) return false;
    this.#execution += bytes;
    return true;
  }

  /** Gives back what was acquired. @throws RangeError for more than that */
  release(bytes: number): void {
    if (bytes > this.#execution)
      throw new RangeError(`${bytes} bytes are given back, and only ${this.#execution} were taken`);
    this.#execution -= bytes;
  }

  /** Gives back all that execution holds: when a task has ended, however it ended. A slot runs one task at a time. */
  releaseExecution(): void {
    this.#execution = 0;
  }

  /**
   * Opens the account of something to be kept; empty at first, not evicted before it is sealed.
   * @param id another entry of this id is forgotten
   * @param group entries of one group never make room for each other: a scan over more than fits would evict each just before its use
   * @param evicted called once when the entry has to go; its bytes count as free from then on
   */
  store(id: string, group: string, evicted: () => void): StoredEntry {
    this.forget(id);
    const entry: Entry = { group, bytes: 0, sealed: false, evicted };
    this.#entries.set(id, entry);
    return {
      grow: (bytes) => this.#grow(id, entry, bytes),
      seal: () => {
        entry.sealed = true;
      },
    };
  }

  /** Makes an entry the last to be evicted. */
  touch(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#entries.delete(id);
    this.#entries.set(id, entry);
  }

  /** Closes an account without calling `evicted`; nothing where there is none. */
  forget(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#entries.delete(id);
    this.#storage -= entry.bytes;
  }

  #free(): number {
    return this.budget - this.#execution - this.#storage;
  }

  #grow(id: string, entry: Entry, bytes: number): boolean {
    if (this.#entries.get(id) !== entry) return false;
    if (!this.#evict(bytes - this.#free(), entry.group)) return false;
    entry.bytes += bytes;
    this.#storage += bytes;
    return true;
  }

  /** All or nothing. @param spared a group that is left alone */
  #evict(bytes: number, spared?: string): boolean {
    if (bytes <= 0) return true;
    const victims: [string, Entry][] = [];
    let freed = 0;
    for (const [id, entry] of this.#entries) {
      if (freed >= bytes) break;
      if (!entry.sealed || entry.group === spared) continue;
      victims.push([id, entry]);
      freed += entry.bytes;
    }
    if (freed < bytes) return false;
    for (const [id, entry] of victims) {
      this.forget(id);
      entry.evicted();
    }
    return true;
  }
}

export interface StoredEntry {
  /** @returns whether the bytes are now the entry's; false also when the entry has been forgotten */
  grow(bytes: number): boolean;
  /** The entry is whole: from now on it may be evicted. */
  seal(): void;
}

interface Entry {
  readonly group: string;
  bytes: number;
  sealed: boolean;
  readonly evicted: () => void;
}

/** Spark's `spark.memory.storageFraction`: what is kept for later jobs survives a hungry sort. */
const STORAGE_SHARE = 0.5;

/** Where nobody has said: a test, a program beside the cluster. */
const UNTOLD_BYTES = 512 * 2 ** 20;

let memory: SlotMemory | undefined;

/**
 * The memory of this slot's process; `SHEAF_SLOT_MEMORY`, in bytes, comes from its executor.
 *
 * ```ts
 * if (!slotMemory().acquire(estimateBytes(chunk))) spill();
 * ```
 */
export function slotMemory(): SlotMemory {
  memory ??= new SlotMemory(Number(process.env.SHEAF_SLOT_MEMORY) || UNTOLD_BYTES);
  return memory;
}
