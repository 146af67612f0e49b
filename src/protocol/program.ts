import type { Blocks } from './block.js';
import type { Json } from './json.js';
import type { Task, TaskMetrics } from './task.js';

/**
 * What a module named by a ProgramRef exports by default: `prepare` is called once per program and slot, `run` once per
 * task. A slot runs one task at a time.
 */
export interface SlotProgram {
  prepare(parameters: Buffer, slot: SlotContext): Promise<PreparedProgram>;
}

export interface PreparedProgram {
  run(task: Task, context: TaskContext): Promise<Json>;
}

/** Where this process listens when others shall reach it directly. */
export interface Listening {
  /** Address to listen on. */
  readonly bind: string;
  /** Name under which other hosts reach it. */
  readonly hostname: string;
}

export interface SlotContext extends Listening {
  readonly executor: string;
  /** Index of the slot, or `HOST_SEAT`. */
  readonly slot: number;
  readonly blocks: Blocks;
  readonly residents: Residents;
  /** Scratch directory, removed with the slot. */
  readonly directory: string;
  /** Present in the executor's own process (`HOST_SEAT`) only. */
  readonly services?: Services;
}

export interface TaskContext extends SlotContext {
  readonly signal: AbortSignal;
  /** The program adds rows, bytes, and what it spends on reading and writing blocks: the rest of its time is `computeMs`. */
  readonly metrics: TaskMetrics;
  /** What the task leaves for accumulators, by id (see rdd/accumulator.ts): it travels with the task's outcome. */
  readonly accumulated: Record<string, Json>;
}

/** What a slot keeps between tasks: cached partitions, a network's state, a shard's matrix. */
export interface Residents {
  get<T>(id: string): T | undefined;
  set<T>(id: string, scope: string, value: T, dispose?: (value: T) => void): T;
  /** Disposes everything whose scope equals `scope` or lies below it. */
  release(scope: string): void;
}

/** Processes beside the slots (parameter servers): they take no compute slot and end with their scope. */
export interface Services {
  /** Starts a module of the engine as a process; resolves with what its `start` answers (its address). */
  start(module: string, scope: string, parameters: Json): Promise<Json>;
}

/** What a service's module exports by default. */
export interface ServiceProgram {
  start(parameters: Json, context: ServiceContext): Promise<Json>;
}

export interface ServiceContext extends Listening {
  readonly blocks: Blocks;
  readonly token: string;
}
