import type { LineageNode } from './lineage.js';
import type { SlotKey, TaskSet } from './task-set.js';
import type { Terminal } from './terminal.js';

/** What a job computes: `terminal` over partitions of `top`. */
export interface JobRequest {
  readonly top: LineageNode;
  readonly terminal: Terminal;
  /** For people: `collect at job.ts:12`. */
  readonly name: string;
  /** Default: all. */
  readonly partitions?: readonly number[];
  /** Owner of the shuffle's blocks; by default the job itself, so that they end with it. */
  readonly scope?: string;
  /** Slot that should run a partition's task; by default where the partition is cached. */
  readonly prefer?: (partition: number) => SlotKey | undefined;
  readonly gang?: boolean;
  /** In which slots its last tasks may run; by default as the operators ask. */
  readonly device?: TaskSet['device'];
  /** Expected milliseconds a task; by default what the plan of the stage's source says. */
  readonly expectedMs?: number;
  /** Makes a partition's value of those of its parts, in order. Without it no partition is computed in parts. */
  readonly merge?: (parts: any[]) => unknown;
  /**
   * What its last tasks count is not reported: a probe or a sample reads rows that the real job reads again. It is where they keep
   * an RDD, and of map tasks: the real job finds these done.
   */
  readonly uncounted?: boolean;
}
