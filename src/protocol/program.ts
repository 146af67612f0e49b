import type { Blocks } from './block.js';
import type { Json } from './json.js';
import type { Task, TaskMetrics } from './task.js';

/**
 * What a module named by a ProgramRef exports: `prepare` is called once per program and slot, `run` once per task.
 * A slot runs one task at a time.
 */
export interface SlotProgram {
  prepare(parameters: Buffer, slot: SlotContext): Promise<PreparedProgram>;
}

export interface PreparedProgram {
  run(task: Task, context: TaskContext): Promise<Json>;
}

export interface SlotContext {
  readonly executor: string;
  readonly slot: number;
  /** Where the engine's modules lie (`dist`). */
  readonly blocks: Blocks;
  readonly residents: Residents;
  /** Scratch directory, removed with the slot. */
  readonly directory: string;
}

export interface TaskContext extends SlotContext {
  readonly signal: AbortSignal;
  /** The program adds rows and bytes; times are taken around it. */
  readonly metrics: TaskMetrics;
}

/** What a slot keeps between tasks: cached partitions, a network's state, a shard's matrix. */
export interface Residents {
  get<T>(id: string): T | undefined;
  set<T>(id: string, scope: string, value: T, dispose?: (value: T) => void): T;
  /** Disposes everything whose scope equals `scope` or lies below it. */
  release(scope: string): void;
}
