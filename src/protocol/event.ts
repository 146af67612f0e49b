import type { FailureKind } from './failure.js';
import type { Json } from './json.js';
import type { TaskMetrics } from './task.js';

/**
 * What happened, in the order in which the driver learned it. The event log is these as JSON lines; progress, history,
 * partition-opt and reports read events and nothing else.
 */
export type SheafEvent =
  | {
      readonly event: 'app-start';
      readonly app: string;
      readonly name: string;
      readonly master: string;
      readonly conf: Json;
    }
  | { readonly event: 'app-end' }
  | {
      readonly event: 'executor-joined';
      readonly executor: string;
      readonly slots: number;
      /** The GPU of each of its GPU slots; absent without any. */
      readonly gpus?: readonly string[];
      readonly fingerprint: string;
    }
  | { readonly event: 'executor-lost'; readonly executor: string; readonly reason: string }
  | { readonly event: 'job-start'; readonly job: string; readonly name: string }
  | {
      readonly event: 'job-end';
      readonly job: string;
      readonly ok: boolean;
      readonly message?: string;
      readonly ms: number;
    }
  | {
      readonly event: 'stage-start';
      readonly job: string;
      readonly stage: number;
      readonly stageAttempt: number;
      readonly name: string;
      readonly tasks: number;
      /** Nodes of the sources that the stage reads. */
      readonly sources?: readonly number[];
    }
  | {
      readonly event: 'stage-end';
      readonly job: string;
      readonly stage: number;
      readonly stageAttempt: number;
      readonly ok: boolean;
      readonly ms: number;
    }
  | {
      readonly event: 'task-end';
      readonly job: string;
      readonly stage: number;
      readonly stageAttempt: number;
      readonly partition: number;
      readonly attempt: number;
      readonly executor: string;
      readonly slot: number;
      readonly failure?: FailureKind;
      readonly message?: string;
      readonly metrics: TaskMetrics;
    }
  /** A choice with its reason, and its prediction where there is one; later answered by `plan-measured`. */
  | {
      readonly event: 'plan';
      readonly what: string;
      readonly choice: Json;
      readonly reason: string;
      readonly predictedMs?: number;
      /** What the choice was made from, for reports. */
      readonly details?: Json;
    }
  | {
      readonly event: 'plan-measured';
      readonly what: string;
      readonly predictedMs?: number;
      readonly measuredMs: number;
    }
  /** The named accumulators that a stage's tasks added to, as they are at its end. */
  | {
      readonly event: 'accumulators';
      readonly job: string;
      readonly stage: number;
      readonly values: Readonly<Record<string, Json>>;
    }
  /** A broadcast was copied, from one holder to another. */
  | {
      readonly event: 'broadcast-copied';
      readonly broadcast: string;
      readonly from: string;
      readonly to: string;
      readonly bytes: number;
      readonly ms: number;
    }
  /** What a slot has of a persisted partition now, in its memory and in blocks (of one copy); `evicted` to make room. */
  | {
      readonly event: 'storage';
      readonly rdd: number;
      readonly partition: number;
      readonly executor: string;
      readonly slot: number;
      readonly memoryBytes: number;
      readonly diskBytes: number;
      readonly evicted: boolean;
    }
  | { readonly event: 'dropped'; readonly what: string; readonly count: number }
  | {
      readonly event: 'round';
      readonly model: string;
      readonly generation: number;
      readonly epoch: number;
      readonly epochs: number;
      readonly loss: number;
      /** Of an epoch that was gone on with from a checkpoint: since then, in `ms`. */
      readonly rows: number;
      readonly ms: number;
      /** Where no step passes through the driver, of all members: payload sent, time with gradients and with all else. */
      readonly bytes?: number;
      readonly computeMs?: number;
      readonly exchangeMs?: number;
      /** Where the noise of gradients is measured: its scale in rows, unless infinite; and rows a second that count. */
      readonly noiseScale?: number;
      readonly goodput?: number;
      /** Rows of a step. */
      readonly batch?: number;
    }
  | { readonly event: 'warning'; readonly message: string };

export type TimedEvent = SheafEvent & { readonly at: number };
