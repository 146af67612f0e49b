import type { BlockRef } from './block.js';

/** Where a persisted RDD's partitions are kept, and on how many executors. */
export const STORAGE_LEVELS = {
  /** In the slot's memory; what does not fit is computed again. */
  MEMORY: { memory: true, disk: false, replicas: 1 },
  /** In the slot's memory; what does not fit goes to the executor's disk. */
  MEMORY_AND_DISK: { memory: true, disk: true, replicas: 1 },
  DISK: { memory: false, disk: true, replicas: 1 },
  MEMORY_2: { memory: true, disk: false, replicas: 2 },
  MEMORY_AND_DISK_2: { memory: true, disk: true, replicas: 2 },
  DISK_2: { memory: false, disk: true, replicas: 2 },
} as const satisfies Record<string, LevelProperties>;

interface LevelProperties {
  readonly memory: boolean;
  readonly disk: boolean;
  /** Executors that hold it. */
  readonly replicas: 1 | 2;
}

export type StorageLevelName = keyof typeof STORAGE_LEVELS;

/** A lineage node's persistence. */
export interface Persisted {
  readonly level: StorageLevelName;
  /** Owns all that is kept of the RDD; another one after each `persist`, so that a late release of an older one ends nothing newer. */
  readonly scope: string;
}

/** What a slot has of a persisted partition, told with the first task that ends after it changed. */
export interface StorageUpdate {
  /** Of `Persisted`. */
  readonly scope: string;
  readonly partition: number;
  /** In the slot's memory; 0: no longer. */
  readonly memoryBytes: number;
  /** The blocks that hold it, in order; absent: as before; none: what was said to hold it cannot be read. */
  readonly blocks?: readonly BlockRef[];
  /** Had to make room. */
  readonly evicted?: boolean;
}

/** Owns what waits to be copied to another executor, and goes then. */
export function stagedScope(scope: string, partition: number): string {
  return `${scope}/${partition}/staged`;
}

/** Id of a persisted partition, in slots and in tasks' inputs. */
export function storedId(scope: string, partition: number): string {
  return `${scope}:${partition}`;
}
