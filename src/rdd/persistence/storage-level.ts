import { STORAGE_LEVELS, type StorageLevelName } from '../../protocol/storage.js';
import { shown } from '../arguments.js';

export type { StorageLevelName };

/**
 * Levels for `persist` by Spark's names. Spark's serialised and off-heap forms are the plain ones here: number columns and
 * tables are kept in binary anyway.
 * @example rdd.persist(StorageLevel.MEMORY_AND_DISK)
 */
export const StorageLevel = {
  MEMORY_ONLY: 'MEMORY',
  MEMORY_ONLY_2: 'MEMORY_2',
  MEMORY_ONLY_SER: 'MEMORY',
  MEMORY_ONLY_SER_2: 'MEMORY_2',
  MEMORY_AND_DISK: 'MEMORY_AND_DISK',
  MEMORY_AND_DISK_2: 'MEMORY_AND_DISK_2',
  MEMORY_AND_DISK_SER: 'MEMORY_AND_DISK',
  MEMORY_AND_DISK_SER_2: 'MEMORY_AND_DISK_2',
  DISK_ONLY: 'DISK',
  DISK_ONLY_2: 'DISK_2',
} as const satisfies Record<string, StorageLevelName>;

/** @throws TypeError for what is no level */
export function requireLevel(level: unknown): asserts level is StorageLevelName {
  if (typeof level !== 'string' || !Object.hasOwn(STORAGE_LEVELS, level))
    throw new TypeError(`persist needs a level (${Object.keys(STORAGE_LEVELS).join(', ')}), not ${shown(level)}`);
}

/** The level that loses nothing for want of memory. */
export function withDisk(level: StorageLevelName): StorageLevelName {
  if (STORAGE_LEVELS[level].disk) return level;
  return level === 'MEMORY_2' ? 'MEMORY_AND_DISK_2' : 'MEMORY_AND_DISK';
}
