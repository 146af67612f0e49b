import type { Blocks } from './block.js';
import type { Json } from './json.js';
import type { ProgramRef, Task, TaskMetrics } from './task.js';

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
  /** Present in the executor's own process only. */
  readonly slots?: Slots;
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

/** The slots of an executor, for a task of its own process that divides its work among them. */
export interface Slots {
  /**
   * Runs a part of the task in a slot, behind what waits there. The message that brought the task ends its parts when it is
   * cancelled.
   * @param program what runs in the slot
   * @throws FailureError what the part failed with: `executor-lost` when the slot dies
   */
  run(slot: number, program: ProgramRef, task: Task): Promise<PartOutcome>;
}

export interface PartOutcome {
  readonly value: Json;
  readonly metrics: TaskMetrics;
}

/** What a service's module exports by default. */
export interface ServiceProgram {
  start(parameters: Json, context: ServiceContext): Promise<Json>;
}

export interface ServiceContext extends Listening {
  readonly blocks: Blocks;
  readonly token: string;
}
