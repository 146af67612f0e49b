import type { Failure } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import {
  HOST_SEAT,
  type MessageTemplate,
  type ProgramRef,
  type Task,
  type TaskMetrics,
  type TaskOutcome,
} from '../protocol/task.js';
import { RECOVERY } from './recovery.js';
import type { DevicePreference } from './slot-device.js';

/** `<executor>#<slot>` */
export type SlotKey = `${string}#${number}`;

export function slotKey(executor: string, slot: number): SlotKey {
  return `${executor}#${slot}`;
}

export function executorOf(slot: SlotKey): string {
  return slot.slice(0, slot.lastIndexOf('#'));
}

export function slotOf(slot: SlotKey): number {
  return Number(slot.slice(slot.lastIndexOf('#') + 1));
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
  /** Number of partitions: a task of a greater number computes a part of partition `number % partitions`. Default: no task does. */
  readonly partitions?: number;
  /** Nodes of the sources that the tasks read, for those who follow a source's plan. */
  readonly sources?: readonly number[];
  /** Too many and too small to be logged one by one (training steps). */
  readonly quiet?: boolean;
  /** Work for executors' own processes (`HOST_SEAT`), not for slots. */
  readonly host?: boolean;
  /** In which slots tasks may run: `auto`, GPU slots while there are any. Absent: in all. */
  readonly device?: DevicePreference | undefined;
  /** All tasks run together on the slots they prefer, and the loss of one fails them all (training rounds). */
  readonly gang?: boolean;
  /** One of many sets alike, of one task a seat, whose inputs are pairs: see protocol/template.ts. */
  readonly template?: MessageTemplate | undefined;
}

export interface TaskResult {
  readonly partition: number;
  readonly value: Json;
  readonly at: SlotKey;
  readonly counters?: Readonly<Record<string, number>>;
  /** What the task left for accumulators, by id. */
  readonly accumulated?: Readonly<Record<string, Json>>;
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

/** Nothing is gained by messages longer than this. */
const MESSAGE_TARGET_MS = 20;
/** A message shorter than this costs as much to send as to carry out: so much idleness at a stage's end is taken for fewer of them. */
const MESSAGE_LEAST_MS = 4;
/** Weight of a finished task in what the next ones are expected to take: the first, before V8 has optimised, are the slowest. */
const NEWEST = 0.25;
/** Characters of the inputs of one message's tasks: no more are packed together, for queues bound a message's size. */
const MESSAGE_TARGET_CHARS = 128 * 1024;

export interface TaskSetLimits {
  readonly maxFailures: number;
  readonly localityWaitMs: number;
}

/** For so long a task keeps away from the slot where it failed, if there is another. */
const AVOID_MS = 1_000;

interface Waiting {
  readonly spec: TaskSpec;
  readonly attempt: number;
  /** In a message of its own. */
  readonly alone: boolean;
  readonly avoid?: { readonly slot: SlotKey; readonly until: number };
}

/**
 * The state of one task set: which tasks wait, which run where, how often each failed. Knows nothing of queues or time:
 * `next` is asked for work for a slot, `finish` and `fail` are told what happened.
 */
export class TaskSetState {
  readonly results = new Map<number, TaskResult>();
  #waiting: Waiting[];
  readonly #running = new Map<number, { attempt: number; at: SlotKey }>();
  readonly #failures = new Map<number, number>();
  #expectedMs: number | undefined;
  /** Slots that have finished a task, and so have the program ready. */
  readonly #ready = new Set<SlotKey>();

  /** @param knownMs what the same tasks took the last time; a plan's expectation comes first */
  constructor(
    readonly set: TaskSet,
    readonly since: number,
    readonly limits: TaskSetLimits,
    knownMs?: number,
  ) {
    this.#expectedMs = set.expectedMs || knownMs;
    this.#waiting = set.tasks.map((spec) => ({ spec, attempt: 0, alone: false }));
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get complete(): boolean {
    return this.results.size === this.set.tasks.length;
  }

  /** Takes the next tasks for a slot, one of `slots`; empty when there are none it should run now. */
  next(slot: SlotKey, alive: ReadonlySet<SlotKey>, slots: number, now: number): Task[] {
    const patient = now - this.since < this.limits.localityWaitMs;
    const waiting = this.#waiting.filter(
      ({ avoid }) => avoid?.slot !== slot || now >= avoid.until || alone(slot, alive),
    );
    const mine = waiting.filter(({ spec }) => spec.prefer === slot);
    const anyones = this.set.gang
      ? []
      : waiting.filter(({ spec, avoid }) => !spec.prefer || !alive.has(spec.prefer) || avoid?.slot === spec.prefer);
    const others = patient || this.set.gang ? [] : waiting;
    const eligible = [mine, anyones, others].find((list) => list.length > 0) ?? [];
    const first = eligible[0];
    if (!first) return [];
    const taken = first.alone ? [first] : fitting(eligible.slice(0, this.#pack(slots)).filter((each) => !each.alone));
    const gone = new Set(taken);
    this.#waiting = this.#waiting.filter((each) => !gone.has(each));
    return taken.map(({ spec, attempt }) => {
      this.#running.set(spec.partition, { attempt, at: slot });
      const { job, stage, stageAttempt } = this.set;
      return { job, stage, stageAttempt, partition: spec.partition, attempt, inputs: spec.inputs };
    });
  }

  /** When a waiting task may go where it may not go now, though nothing else happens; undefined when that is never. */
  nextChance(now: number): number | undefined {
    if (this.set.gang || this.#waiting.length === 0) return undefined;
    let soonest = Number.POSITIVE_INFINITY;
    const consider = (time: number): void => {
      if (time > now && time < soonest) soonest = time;
    };
    consider(this.since + this.limits.localityWaitMs);
    for (const { avoid } of this.#waiting) if (avoid) consider(avoid.until);
    return soonest === Number.POSITIVE_INFINITY ? undefined : soonest;
  }

  /** @returns the failure that ends the set, if this outcome does */
  finish(outcome: TaskOutcome, at: SlotKey, now: number): TaskSetError | undefined {
    const { partition } = outcome;
    if (this.results.has(partition)) return undefined;
    if (outcome.ok) {
      const { value, accumulated, metrics } = outcome;
      this.results.set(partition, { partition, value, at, counters: metrics.counters, accumulated });
      // Late news of an attempt that was given up: the next one need not run.
      if (!this.#running.delete(partition))
        this.#waiting = this.#waiting.filter(({ spec }) => spec.partition !== partition);
      this.#learn(outcome.metrics, at);
      return undefined;
    }
    return this.fail(partition, outcome.attempt, outcome.failure, now);
  }

  /** A task's attempt failed, or was lost with its executor. Late news of an older attempt changes nothing. */
  fail(partition: number, attempt: number, failure: Failure, now: number): TaskSetError | undefined {
    const running = this.#running.get(partition);
    if (this.results.has(partition) || running?.attempt !== attempt) return undefined;
    this.#running.delete(partition);
    const failures = (this.#failures.get(partition) ?? 0) + 1;
    this.#failures.set(partition, failures);
    const again = RECOVERY[failure.kind] === 'retry' && !this.set.gang;
    if (again && failures < this.limits.maxFailures) {
      const spec = this.set.tasks.find((each) => each.partition === partition)!;
      const avoid = { slot: running.at, until: now + AVOID_MS };
      this.#waiting.unshift({ spec, attempt: attempt + 1, alone: true, avoid });
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
    const executor = executorOf(prefer as SlotKey);
    const failure: Failure = { kind: 'executor-lost', executor, message: `slot ${prefer} is gone` };
    return new TaskSetError(failure, this.set, partition, [...this.results.values()]);
  }

  /** Milliseconds that a task takes, as far as is known. */
  get expectedMs(): number | undefined {
    return this.#expectedMs;
  }

  #learn({ computeMs, fetchMs }: TaskMetrics, at: SlotKey): void {
    // What a slot fetches for its first task is mostly the program.
    const ms = this.#ready.has(at) ? computeMs + fetchMs : computeMs;
    const known = this.#ready.size === 0 ? undefined : this.#expectedMs;
    this.#expectedMs = known === undefined ? ms : known + NEWEST * (ms - known);
    this.#ready.add(at);
  }

  /** How many tasks one message should carry: enough to be worth a message, few enough to keep slots equally busy. */
  #pack(slots: number): number {
    if (this.set.gang) return this.set.tasks.length;
    if (this.#expectedMs === undefined) return 1;
    const tasksIn = (ms: number) => Math.ceil(ms / Math.max(this.#expectedMs!, 0.01));
    const share = (tasks: number, messages: number) => Math.ceil(tasks / (messages * Math.max(1, slots)));
    const wanted = Math.max(share(this.#waiting.length, 2), tasksIn(MESSAGE_LEAST_MS));
    return Math.max(1, Math.min(wanted, tasksIn(MESSAGE_TARGET_MS), share(this.set.tasks.length, 1)));
  }
}

function alone(slot: SlotKey, alive: ReadonlySet<SlotKey>): boolean {
  for (const other of alive) if (other !== slot && !other.endsWith(`#${HOST_SEAT}`)) return false;
  return true;
}

/** The first tasks that one message can carry, at least one. */
function fitting(tasks: readonly Waiting[]): readonly Waiting[] {
  if (tasks.length < 2) return tasks;
  let chars = 0;
  const end = tasks.findIndex(({ spec }, index) => {
    chars += JSON.stringify(spec.inputs).length;
    return index > 0 && chars > MESSAGE_TARGET_CHARS;
  });
  return end < 0 ? tasks : tasks.slice(0, end);
}
