import type { DriverChannel, ExecutorInfo, Heartbeat } from '../protocol/channel.js';
import { every } from '../protocol/clock.js';
import type { Failure } from '../protocol/failure.js';
import { Lru } from '../protocol/lru.js';
import type { StorageUpdate } from '../protocol/storage.js';
import type { ResultMessage } from '../protocol/task.js';
import { Delivery } from './delivery.js';
import type { EventBus } from './event-bus.js';
import { ExecutorRoster, type Seat } from './executor-roster.js';
import { foreignText } from './missing-slots.js';
import type { OpenMessage, OpenMessages } from './open-messages.js';
import { placed } from './placement.js';
import type { SlotDevice } from './slot-device.js';
import {
  type SlotKey,
  slotKey,
  type TaskResult,
  type TaskSet,
  TaskSetError,
  type TaskSetLimits,
  TaskSetState,
} from './task-set.js';

export interface SchedulerOptions extends TaskSetLimits {
  readonly driver: string;
  /** Messages a slot may hold: 1 where sending is free, 2 where the next message should wait at the slot. */
  readonly depth: number;
  /** How long a job waits for an executor while there is none. */
  readonly executorWaitMs: number;
}

const CHECK_MS = 2_000;
const STAGES_REMEMBERED = 256;
const APPLICATION_ENDED = 'the application ended';

/**
 * Runs task sets on whatever executors there are: the one authority for retries.
 *
 * All state is touched from the driver's event loop only. Failures: an executor that is gone fails its open messages
 * (`executor-lost`); a result that comes twice or too late is ignored; sets fail when no executor is left for long. What
 * becomes of messages on their way is `Delivery`'s.
 */
export class TaskScheduler {
  readonly #roster: ExecutorRoster;
  readonly #delivery: Delivery;
  readonly #open: OpenMessages;
  /** Milliseconds a task took, by kind of stage. */
  readonly #costs = new Lru<string, number>(STAGES_REMEMBERED);
  readonly #active = new Map<TaskSetState, { resolve(r: TaskResult[]): void; reject(e: TaskSetError): void }>();
  readonly #lossListeners = new Set<(executor: string) => void>();
  readonly #storageListeners = new Set<(at: SlotKey, updates: readonly StorageUpdate[]) => void>();
  readonly #stopChecks: () => void;
  #dispatchQueued = false;
  #closed = false;
  #nextChance: { at: number; cancel(): void } | undefined;

  constructor(
    readonly channel: DriverChannel,
    readonly bus: EventBus,
    readonly options: SchedulerOptions,
  ) {
    this.#roster = new ExecutorRoster(bus.clock, options.executorWaitMs);
    this.#delivery = new Delivery(channel, bus, options.driver, (open, failure) => {
      this.#fail(open, failure);
      this.#dispatch();
    });
    this.#open = this.#delivery.open;
    this.#stopChecks = every(bus.clock, CHECK_MS, () => void this.#delivery.reconcile(this.#roster.members()));
  }

  async open(): Promise<void> {
    await this.channel.open({
      result: (message) => this.#onResult(message),
      heartbeat: (heartbeat) => this.#onHeartbeat(heartbeat),
      gone: (executor, reason) => this.executorGone(executor, reason, false),
    });
  }

  /** Resolves with one result a task, in partition order; rejects with a TaskSetError. */
  async run(set: TaskSet): Promise<TaskResult[]> {
    if (set.tasks.length === 0) return [];
    await this.slotsAvailable(1, set.device === 'auto' ? undefined : set.device).catch((error: Error) => {
      if (!this.#closed) throw error;
      throw new TaskSetError({ kind: 'cancelled', message: APPLICATION_ENDED }, set, -1, []);
    });
    const { clock } = this.bus;
    const { job, stage, stageAttempt, name, sources } = set;
    const tasks = set.tasks.length;
    const begun = clock.now();
    if (!set.quiet) this.bus.emit({ event: 'stage-start', job, stage, stageAttempt, name, tasks, sources });
    let ok = false;
    try {
      const results = await new Promise<TaskResult[]>((resolve, reject) => {
        this.#active.set(new TaskSetState(set, begun, this.options, this.#costs.get(similar(set))), {
          resolve,
          reject,
        });
        this.#dispatch();
      });
      ok = true;
      return results.sort((a, b) => a.partition - b.partition);
    } finally {
      if (!set.quiet) this.bus.emit({ event: 'stage-end', job, stage, stageAttempt, ok, ms: clock.now() - begun });
    }
  }

  /** Slots of all live executors, in a stable order. */
  slots(): Seat[] {
    return this.#roster.slots();
  }

  /** Live executors, in a stable order. */
  executors(): ExecutorInfo[] {
    return this.#roster.executors();
  }

  isAlive(executor: string): boolean {
    return this.executors().some(({ id }) => id === executor);
  }

  /** Waits until at least `count` slots (default: one), of a kind (default: any), are there. @throws Error after `executorWaitMs` */
  slotsAvailable(count = 1, device?: SlotDevice): Promise<void> {
    return this.#roster.slotsAvailable(count, device);
  }

  /** Calls back whenever an executor is lost, before its tasks are sent elsewhere. */
  onExecutorLost(listener: (executor: string) => void): () => void {
    this.#lossListeners.add(listener);
    return () => this.#lossListeners.delete(listener);
  }

  /** Calls back with what a slot says of its persisted partitions, before the result of the task it came with. */
  onStorage(listener: (at: SlotKey, updates: readonly StorageUpdate[]) => void): () => void {
    this.#storageListeners.add(listener);
    return () => this.#storageListeners.delete(listener);
  }

  /** @param ended its process is known to have ended, so that it can never be heard of again */
  executorGone(executor: string, reason: string, ended = true): void {
    if (!this.#roster.remove(executor, ended)) return;
    this.bus.emit({ event: 'executor-lost', executor, reason });
    for (const listener of this.#lossListeners) listener(executor);
    const failure: Failure = { kind: 'executor-lost', executor, message: `executor ${executor} was lost: ${reason}` };
    for (const open of this.#open.takeWhere(({ message }) => message.executor === executor)) this.#fail(open, failure);
    this.#roster.whenLonely(() => this.#giveUp(reason));
    this.#dispatch();
  }

  #fail({ message, state }: OpenMessage, failure: Failure): void {
    for (const { partition, attempt } of message.tasks)
      this.#settle(state, state.fail(partition, attempt, failure, this.bus.clock.now()));
  }

  #giveUp(reason: string): void {
    const seconds = this.options.executorWaitMs / 1000;
    const message = `no executor is left, and none joined within ${seconds} s; the last was lost: ${reason}`;
    for (const state of [...this.#active.keys()]) this.#end(state, { kind: 'resource', message });
  }

  /** Ends every task set of a job; its tasks are told to stop. */
  cancel(job: string, message: string): void {
    for (const state of [...this.#active.keys()])
      if (state.set.job === job) this.#end(state, { kind: 'cancelled', message });
  }

  #end(state: TaskSetState, failure: Failure): void {
    this.#settle(state, new TaskSetError(failure, state.set, -1, [...state.results.values()]));
  }

  /** Drops blocks and residents of a scope everywhere. */
  release(scope: string): void {
    for (const { id } of this.executors()) this.channel.control(id, { kind: 'release', scope }).catch(() => {}); // its lease's end releases it too
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopChecks();
    this.#roster.close(new Error(APPLICATION_ENDED));
    this.#nextChance?.cancel();
    for (const [state] of this.#active) this.cancel(state.set.job, APPLICATION_ENDED);
    await this.channel.close();
  }

  #onHeartbeat(heartbeat: Heartbeat): void {
    const { id, slots, fingerprint } = heartbeat.executor;
    let standing = this.#roster.heard(heartbeat);
    if (standing === 'replaced') {
      this.executorGone(id, 'another executor of this name took its place', false);
      standing = this.#roster.heard(heartbeat);
    }
    if (standing === 'foreign') this.bus.emit({ event: 'warning', message: foreignText(heartbeat.executor) });
    if (standing !== 'new') return;
    const gpus = slots.flatMap(({ gpu }) => gpu?.name ?? []);
    const some = gpus.length > 0 ? { gpus } : {};
    this.bus.emit({ event: 'executor-joined', executor: id, slots: slots.length, ...some, fingerprint });
    this.#dispatch();
  }

  #onResult(result: ResultMessage): void {
    const open = this.#open.take(result.id);
    if (!open) return;
    const at = slotKey(result.executor, result.slot);
    for (const outcome of result.outcomes) {
      const { storage } = outcome.metrics;
      if (storage) for (const listener of this.#storageListeners) listener(at, storage);
      this.#logTask(open, result, outcome);
      this.#settle(open.state, open.state.finish(outcome, at, this.bus.clock.now()));
    }
    if (result.outcomes.length === 0) this.#fail(open, templateLost(result.executor));
    this.#dispatch();
  }

  #settle(state: TaskSetState, error: TaskSetError | undefined): void {
    const waiter = this.#active.get(state);
    if (!waiter || (!error && !state.complete)) return;
    this.#active.delete(state);
    if (!error) {
      if (state.expectedMs !== undefined) this.#costs.set(similar(state.set), state.expectedMs);
      waiter.resolve([...state.results.values()]);
    } else {
      this.#delivery.cancelWhere((open) => open.state === state);
      waiter.reject(error);
    }
  }

  /** Once a turn of the event loop, however many results came in it. */
  #dispatch(): void {
    if (this.#dispatchQueued) return;
    this.#dispatchQueued = true;
    queueMicrotask(() => {
      this.#dispatchQueued = false;
      this.#assign();
    });
  }

  #assign(): void {
    const now = this.bus.clock.now();
    const [slots, hosts] = [this.slots(), this.#roster.hostSeats()];
    const alive = new Set([...slots, ...hosts].map(({ key }) => key));
    for (const state of [...this.#active.keys()]) this.#settle(state, state.orphaned(alive));
    const { depth } = this.options;
    const placements = placed([...this.#active.keys()], { slots, hosts, load: this.#open.load(), depth }, now);
    this.#delivery.send(placements, now);
    this.#dispatchAtNextChance(now);
  }

  #dispatchAtNextChance(now: number): void {
    const { clock } = this.bus;
    const at = Math.min(...[...this.#active.keys()].map((state) => state.nextChance(now) ?? Number.POSITIVE_INFINITY));
    if (at === (this.#nextChance?.at ?? Number.POSITIVE_INFINITY)) return;
    this.#nextChance?.cancel();
    this.#nextChance = undefined;
    if (at === Number.POSITIVE_INFINITY) return;
    const cancel = clock.after(at - now, () => {
      this.#nextChance = undefined;
      this.#dispatch();
    });
    this.#nextChance = { at, cancel };
  }

  #logTask({ state }: OpenMessage, result: ResultMessage, outcome: ResultMessage['outcomes'][number]): void {
    if (state.set.quiet && outcome.ok) return;
    const { stage, stageAttempt, partition, attempt } = outcome;
    const { storage, ...metrics } = outcome.metrics; // has events of its own
    const { executor, slot } = result;
    const failed = outcome.ok ? {} : { failure: outcome.failure.kind, message: outcome.failure.message };
    const key = { job: state.set.job, stage, stageAttempt, partition, attempt, executor, slot };
    this.bus.emit({ event: 'task-end', ...key, ...failed, metrics });
  }
}

/** The answer to a message that its executor could not make whole. */
function templateLost(executor: string): Failure {
  return { kind: 'executor-lost', executor, message: `executor ${executor} has begun anew: it knows no template` };
}

/** Stages that look the same from here probably take as long: one line of a job, run again on as many partitions. */
function similar({ name, tasks }: TaskSet): string {
  return `${tasks.length} × ${name}`;
}
