import type { Failure } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { ProgramRef, Task, TaskOutcome } from '../protocol/task.js';
import { RECOVERY } from './recovery.js';

/** `<executor>#<slot>` */
export type SlotKey = `${string}#${number}`;

export function slotKey(executor: string, slot: number): SlotKey {
  return `${executor}#${slot}`;
}

export interface TaskSpec {
  readonly partition: number;
  readonly inputs: Json;
  /** Where the task's data is resident: taken there if the slot comes free soon. */
  readonly prefer?: SlotKey | undefined;
}

/** The tasks of one stage attempt that are still to be run. */
export interface TaskSet {
  readonly job: string;
  readonly stage: number;
  readonly stageAttempt: number;
  readonly name: string;
  readonly program: ProgramRef;
  readonly tasks: readonly TaskSpec[];
  /** Milliseconds a task is expected to take, from the cost model; 0 means not known. */
  readonly expectedMs?: number;
  /** Nodes of the sources that the tasks read, for those who follow a source's plan. */
  readonly sources?: readonly number[];
  /** Too many and too small to be logged one by one (training steps). */
  readonly quiet?: boolean;
  /** Work for executors' own processes (`HOST_SEAT`), not for slots. */
  readonly host?: boolean;
  /** All tasks run together on the slots they prefer, and the loss of one fails them all (training rounds). */
  readonly gang?: boolean;
}

export interface TaskResult {
  readonly partition: number;
  readonly value: Json;
  readonly at: SlotKey;
  readonly counters?: Readonly<Record<string, number>>;
}

/** Why a task set did not succeed; `done` holds what had been finished. */
export class TaskSetError extends Error {
  constructor(
    readonly failure: Failure,
    readonly set: TaskSet,
    readonly partition: number,
    readonly done: readonly TaskResult[],
  ) {
    super(failure.message);
    this.name = 'TaskSetError';
  }
}

/** A message shorter than this costs more to send than to carry out. */
const MESSAGE_TARGET_MS = 20;

export interface TaskSetLimits {
  readonly maxFailures: number;
  readonly localityWaitMs: number;
}

/**
 * The state of one task set: which tasks wait, which run where, how often each failed. Knows nothing of queues or time:
 * `next` is asked for work for a slot, `finish` and `lost` are told what happened.
 */
export class TaskSetState {
  readonly results = new Map<number, TaskResult>();
  #waiting: { spec: TaskSpec; attempt: number; alone: boolean }[];
  readonly #running = new Map<number, number>();
  readonly #failures = new Map<number, number>();
  #finishedMs = 0;
  #finishedCount = 0;

  constructor(
    readonly set: TaskSet,
    readonly since: number,
    readonly limits: TaskSetLimits,
  ) {
    this.#waiting = set.tasks.map((spec) => ({ spec, attempt: 0, alone: false }));
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get complete(): boolean {
    return this.results.size === this.set.tasks.length;
  }

  /** Takes the next tasks for a slot; empty when there are none it should run now. */
  next(slot: SlotKey, alive: ReadonlySet<SlotKey>, now: number): Task[] {
    const patient = now - this.since < this.limits.localityWaitMs;
    const mine = this.#waiting.filter(({ spec }) => spec.prefer === slot);
    const anyones = this.set.gang ? [] : this.#waiting.filter(({ spec }) => !spec.prefer || !alive.has(spec.prefer));
    const others = patient || this.set.gang ? [] : this.#waiting;
    const eligible = [mine, anyones, others].find((list) => list.length > 0) ?? [];
    const first = eligible[0];
    if (!first) return [];
    const taken = first.alone ? [first] : eligible.slice(0, this.#pack(alive.size)).filter((each) => !each.alone);
    this.#waiting = this.#waiting.filter((each) => !taken.includes(each));
    return taken.map(({ spec, attempt }) => {
      this.#running.set(spec.partition, attempt);
      const { job, stage, stageAttempt } = this.set;
      return { job, stage, stageAttempt, partition: spec.partition, attempt, inputs: spec.inputs };
    });
  }

  /** @returns the failure that ends the set, if this outcome does */
  finish(outcome: TaskOutcome, at: SlotKey): TaskSetError | undefined {
    const { partition } = outcome;
    if (this.results.has(partition)) return undefined;
    if (outcome.ok) {
      this.results.set(partition, { partition, value: outcome.value, at, counters: outcome.metrics.counters });
      this.#running.delete(partition);
      this.#waiting = this.#waiting.filter(({ spec }) => spec.partition !== partition);
      this.#finishedMs += outcome.metrics.computeMs + outcome.metrics.fetchMs;
      this.#finishedCount++;
      return undefined;
    }
    return this.fail(partition, outcome.attempt, outcome.failure);
  }

  /** A task's attempt failed, or was lost with its executor. Late news of an older attempt changes nothing. */
  fail(partition: number, attempt: number, failure: Failure): TaskSetError | undefined {
    if (this.results.has(partition) || this.#running.get(partition) !== attempt) return undefined;
    this.#running.delete(partition);
    const recovery = RECOVERY[failure.kind];
    const failures = (this.#failures.get(partition) ?? 0) + 1;
    this.#failures.set(partition, failures);
    const again = (recovery === 'retry-elsewhere' || recovery === 'retry-alone') && !this.set.gang;
    if (again && failures < this.limits.maxFailures) {
      const spec = this.set.tasks.find((each) => each.partition === partition)!;
      this.#waiting.unshift({ spec, attempt: attempt + 1, alone: recovery === 'retry-alone' });
      return undefined;
    }
    const ended = again ? { ...failure, message: `${failure.message} (attempt ${failures} of ${failures})` } : failure;
    return new TaskSetError(ended, this.set, partition, [...this.results.values()]);
  }

  /** A gang whose slots are not all there can never run together. */
  orphaned(alive: ReadonlySet<SlotKey>): TaskSetError | undefined {
    const orphan = this.set.gang && this.#waiting.find(({ spec }) => spec.prefer && !alive.has(spec.prefer));
    if (!orphan) return undefined;
    const { prefer = '', partition } = orphan.spec;
    const executor = prefer.split('#')[0]!;
    const failure: Failure = { kind: 'executor-lost', executor, message: `slot ${prefer} is gone` };
    return new TaskSetError(failure, this.set, partition, [...this.results.values()]);
  }

  /** How many tasks one message should carry: enough to be worth a message, few enough to keep slots equally busy. */
  #pack(slots: number): number {
    if (this.set.gang) return this.set.tasks.length;
    const expectedMs = this.#finishedCount > 0 ? this.#finishedMs / this.#finishedCount : (this.set.expectedMs ?? 0);
    if (this.#finishedCount === 0 && !this.set.expectedMs) return 1;
    const worthwhile = Math.ceil(MESSAGE_TARGET_MS / Math.max(expectedMs, 0.01));
    const fair = Math.ceil(this.#waiting.length / (2 * Math.max(1, slots)));
    return Math.max(1, Math.min(worthwhile, fair));
  }
}
