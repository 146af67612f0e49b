import type { BlockRef } from './block.js';
import type { Failure } from './failure.js';
import type { Json } from './json.js';
import type { StorageUpdate } from './storage.js';

/**
 * What a slot runs: a module of the engine (`rdd/stage-program`, `mlp/train-program`, …), loaded by name so that the
 * executor knows nothing of what stands above it, and its parameters (closures, lineage, network), a signed block.
 */
export interface ProgramRef {
  readonly module: string;
  readonly parameters: BlockRef;
}

/** One partition's work. A task may run twice; the first result wins. */
export interface Task {
  readonly job: string;
  readonly stage: number;
  readonly stageAttempt: number;
  readonly partition: number;
  readonly attempt: number;
  readonly inputs: Json;
}

/** One or more tasks of one stage for one slot: the unit that travels through the queue. */
export interface TaskMessage {
  readonly id: string;
  readonly driver: string;
  readonly executor: string;
  /** The slot that runs it, or `HOST_SEAT` for work the executor's own process does (start a service, copy a block). */
  readonly slot: number;
  readonly program: ProgramRef;
  readonly tasks: readonly Task[];
  readonly sentAt: number;
  /** Of a message that is one of many alike, see template.ts. */
  readonly template?: MessageTemplate;
}

/**
 * Where a message that is repeated is kept: by its executor, until the scope ends, a scope below the driver's. The inputs of its
 * one task are a pair: what is kept, and what each repetition brings.
 */
export interface MessageTemplate {
  readonly scope: string;
  /** Whether the executor has carried it out before, and so keeps it: then little more than the repetition's inputs travels. */
  readonly installed: boolean;
}

export const HOST_SEAT = -1;

/** Milliseconds and amounts of one task, as the event log and partition-opt read them. */
export interface TaskMetrics {
  queueMs: number;
  fetchMs: number;
  computeMs: number;
  writeMs: number;
  rows: number;
  bytesIn: number;
  bytesOut: number;
  /** To the slot's own disk, because memory had no room. */
  bytesSpilled?: number;
  /** What the task counted (bad rows dropped, …), by name. */
  counters?: Record<string, number>;
  /** What changed of the persisted partitions that the slot keeps for this driver. */
  storage?: readonly StorageUpdate[];
}

export type TaskOutcome = {
  readonly partition: number;
  readonly stage: number;
  readonly stageAttempt: number;
  readonly attempt: number;
  readonly metrics: TaskMetrics;
} & (
  | { readonly ok: true; readonly value: Json; readonly accumulated?: Readonly<Record<string, Json>> }
  | { readonly ok: false; readonly failure: Failure }
);

/** The answer to one TaskMessage. */
export interface ResultMessage {
  readonly id: string;
  readonly driver: string;
  readonly executor: string;
  readonly slot: number;
  readonly outcomes: readonly TaskOutcome[];
}
