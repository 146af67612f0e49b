import type { StorageLevelName } from '../../protocol/storage.js';
import { RddBase } from './base.js';

/** What keeps results between jobs, and what cuts long lineages. */
export abstract class Persistable<T> extends RddBase<T> {
  /** As `persist('MEMORY')`: keeps computed partitions in the memory of the slots that computed them. */
  cache(): this {
    return this.persist('MEMORY');
  }

  /**
   * Keeps computed partitions from the next action on, until `unpersist`. Partitions that are not kept (any more), because
   * memory was short or an executor was lost, are computed again, and only those.
   *
   * | level             | kept                                                                     |
   * | ----------------- | ------------------------------------------------------------------------ |
   * | `MEMORY`          | in slots' memory (`sheaf.slot.memory`); the least recently used have to go |
   * | `MEMORY_AND_DISK` | those that have to go, or do not fit, on the executor's disk              |
   * | `DISK`            | on the executor's disk                                                    |
   * | `MEMORY_2`, …     | the same, with a copy on a second executor, where there is one            |
   *
   * @param level default `MEMORY`; `StorageLevel` has Spark's names
   * @throws TypeError for what is no level, Error for another level than the RDD has (unpersist it first)
   * @example const words = lines.flatMap((line) => line.split(' ')).persist('MEMORY_AND_DISK');
   */
  persist(level: StorageLevelName = 'MEMORY'): this {
    this.context.persistence.persist(this, level);
    return this;
  }

  /** Drops everywhere what `persist` kept. */
  unpersist(): this {
    this.context.persistence.unpersist(this.node);
    return this;
  }

  /** How it is persisted; `NONE`: not at all. */
  getStorageLevel(): StorageLevelName | 'NONE' {
    return this.node.persisted?.level ?? 'NONE';
  }

  /**
   * Marks this RDD to be saved in the checkpoint directory (`sc.setCheckpointDir`) by the next job that needs it; that job
   * computes all partitions, then reads the files. What it was computed from is forgotten: failures and later jobs never go
   * back further. The files stay when the application ends.
   * @throws Error when no directory has been set
   */
  checkpoint(): this {
    this.context.persistence.checkpoint(this.node);
    return this;
  }

  /**
   * As `checkpoint`, but saved nowhere: the partitions persisted with the next job that needs it are all there is of them.
   * Fast, and not safe: when one is lost with its slot or executor, jobs that need it fail.
   * Persists the RDD (`MEMORY_AND_DISK`) if it is not; levels without disk get it.
   */
  localCheckpoint(): this {
    this.context.persistence.localCheckpoint(this);
    return this;
  }

  /** Whether a checkpoint has been made, of whichever kind. */
  isCheckpointed(): boolean {
    return this.context.persistence.isCheckpointed(this.node);
  }

  /** Directory of the checkpoint's files; undefined when there are none (yet). */
  getCheckpointFile(): string | undefined {
    return this.context.persistence.checkpointFile(this.node);
  }
}
