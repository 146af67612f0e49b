import type { DriverChannel, ExecutorInfo, Heartbeat } from '../protocol/channel.js';
import { every } from '../protocol/clock.js';
import type { Failure } from '../protocol/failure.js';
import { HOST_SEAT, type ResultMessage, type TaskMessage } from '../protocol/task.js';
import type { EventBus } from './event-bus.js';
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

interface Open {
  readonly message: TaskMessage;
  readonly state: TaskSetState;
  /** When it was sent last. */
  sentAt: number;
  /** Heartbeats in a row that did not know of it. */
  missing: number;
  /** The last heartbeat that was asked. */
  judgedBy: number;
}

interface Member {
  readonly heartbeat: Heartbeat;
  /** By this process's clock: hosts' clocks differ. */
  readonly heardAt: number;
}

/** A message neither held by its executor, by this many heartbeats in a row, nor waiting in the queue is sent again. */
const MISSING_HEARTBEATS = 2;
const CHECK_MS = 2_000;
const APPLICATION_ENDED = 'the application ended';

/**
 * Runs task sets on whatever executors there are: the one authority for retries.
 *
 * All state is touched from the driver's event loop only. Failures: an executor that is gone fails its open messages
 * (`executor-lost`); a message that vanished is sent again; a result that comes twice or too late is ignored; what an
 * executor still holds for a task set that has ended is cancelled again; sets fail when no executor is left for long.
 */
export class TaskScheduler {
  readonly #executors = new Map<string, Member>();
  /** Executors whose process is known to have ended: what they said before is still on its way. */
  readonly #ended = new Set<string>();
  readonly #open = new Map<string, Open>();
  readonly #active = new Map<TaskSetState, { resolve(r: TaskResult[]): void; reject(e: TaskSetError): void }>();
  readonly #lossListeners = new Set<(executor: string) => void>();
  readonly #arrivals = new Set<() => void>();
  readonly #stopChecks: () => void;
  #messages = 0;
  #dispatchQueued = false;
  #closed = false;
  #nextChance: { at: number; cancel(): void } | undefined;
  #lonely: (() => void) | undefined;

  constructor(
    readonly channel: DriverChannel,
    readonly bus: EventBus,
    readonly options: SchedulerOptions,
  ) {
    this.#stopChecks = every(bus.clock, CHECK_MS, () => void this.#reconcile());
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
    await this.slotsAvailable();
    if (this.#closed) throw new TaskSetError({ kind: 'cancelled', message: APPLICATION_ENDED }, set, -1, []);
    const { clock } = this.bus;
    const { job, stage, stageAttempt, name, sources } = set;
    const tasks = set.tasks.length;
    const begun = clock.now();
    if (!set.quiet) this.bus.emit({ event: 'stage-start', job, stage, stageAttempt, name, tasks, sources });
    let ok = false;
    try {
      const results = await new Promise<TaskResult[]>((resolve, reject) => {
        this.#active.set(new TaskSetState(set, begun, this.options), { resolve, reject });
        this.#dispatch();
      });
      ok = true;
      return results.sort((a, b) => a.partition - b.partition);
    } finally {
      if (!set.quiet) this.bus.emit({ event: 'stage-end', job, stage, stageAttempt, ok, ms: clock.now() - begun });
    }
  }

  /** Slots of all live executors, in a stable order. */
  slots(): { key: SlotKey; executor: ExecutorInfo; index: number }[] {
    return this.executors().flatMap((executor) =>
      executor.slots.map(({ index }) => ({ key: slotKey(executor.id, index), executor, index })),
    );
  }

  #hostSeats(): { key: SlotKey; executor: ExecutorInfo; index: number }[] {
    return this.executors().map((executor) => ({
      key: slotKey(executor.id, HOST_SEAT),
      executor,
      index: HOST_SEAT,
    }));
  }

  /** Live executors, in a stable order. */
  executors(): ExecutorInfo[] {
    return [...this.#executors.values()]
      .map(({ heartbeat }) => heartbeat.executor)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Waits until at least `count` slots are there (default: any). @throws Error after `executorWaitMs` */
  async slotsAvailable(count = 1): Promise<void> {
    if (this.slots().length >= count) return;
    const { executorWaitMs } = this.options;
    await new Promise<void>((resolve, reject) => {
      const cancel = this.bus.clock.after(executorWaitMs, () => {
        this.#arrivals.delete(arrived);
        const found = this.slots().length;
        const which = found > 0 ? `only ${found} of ${count} slots` : 'no executor';
        reject(
          new Error(`${which} joined within ${executorWaitMs / 1000} s: start one with "sheaf executor --master URL"`),
        );
      });
      const arrived = () => {
        if (this.slots().length < count) return;
        this.#arrivals.delete(arrived);
        cancel();
        resolve();
      };
      this.#arrivals.add(arrived);
    });
  }

  /** Calls back whenever an executor is lost, before its tasks are sent elsewhere. */
  onExecutorLost(listener: (executor: string) => void): () => void {
    this.#lossListeners.add(listener);
    return () => this.#lossListeners.delete(listener);
  }

  /** @param ended its process is known to have ended, so that it can never be heard of again */
  executorGone(executor: string, reason: string, ended = true): void {
    if (ended) this.#ended.add(executor);
    if (!this.#executors.delete(executor)) return;
    this.bus.emit({ event: 'executor-lost', executor, reason });
    for (const listener of this.#lossListeners) listener(executor);
    const failure: Failure = { kind: 'executor-lost', executor, message: `executor ${executor} was lost: ${reason}` };
    for (const { message, state } of [...this.#open.values()]) {
      if (message.executor !== executor) continue;
      this.#open.delete(message.id);
      for (const { partition, attempt } of message.tasks)
        this.#settle(state, state.fail(partition, attempt, failure, this.bus.clock.now()));
    }
    this.#watchLoneliness(reason);
    this.#dispatch();
  }

  /** Nobody is left: whatever waits is given up when nobody comes. */
  #watchLoneliness(reason: string): void {
    const { executorWaitMs } = this.options;
    if (this.#executors.size > 0 || this.#lonely) return;
    const message = `no executor is left, and none joined within ${executorWaitMs / 1000} s; the last was lost: ${reason}`;
    this.#lonely = this.bus.clock.after(executorWaitMs, () => {
      this.#lonely = undefined;
      for (const state of [...this.#active.keys()])
        this.#settle(
          state,
          new TaskSetError({ kind: 'resource', message }, state.set, -1, [...state.results.values()]),
        );
    });
  }

  /** Ends every task set of a job; its tasks are told to stop. */
  cancel(job: string, message: string): void {
    for (const [state] of this.#active)
      if (state.set.job === job)
        this.#settle(
          state,
          new TaskSetError({ kind: 'cancelled', message }, state.set, -1, [...state.results.values()]),
        );
  }

  /** Drops blocks and residents of a scope everywhere. */
  release(scope: string): void {
    for (const executor of this.#executors.keys())
      this.channel.control(executor, { kind: 'release', scope }).catch(() => {}); // its lease's end releases it too
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopChecks();
    this.#lonely?.();
    this.#nextChance?.cancel();
    for (const [state] of this.#active) this.cancel(state.set.job, APPLICATION_ENDED);
    await this.channel.close();
  }

  #onHeartbeat(heartbeat: Heartbeat): void {
    const { executor } = heartbeat;
    const { id, slots, fingerprint } = executor;
    if (this.#ended.has(id)) return;
    const known = this.#executors.get(id)?.heartbeat.executor;
    const same = known?.blockUrl === executor.blockUrl && known.pid === executor.pid;
    if (known && !same) this.executorGone(id, 'another executor of this name took its place', false);
    this.#executors.set(id, { heartbeat, heardAt: this.bus.clock.now() });
    if (known && same) return;
    this.#lonely?.();
    this.#lonely = undefined;
    this.bus.emit({ event: 'executor-joined', executor: id, slots: slots.length, fingerprint });
    for (const arrived of [...this.#arrivals]) arrived();
    this.#dispatch();
  }

  #onResult(result: ResultMessage): void {
    const open = this.#open.get(result.id);
    if (!open) return;
    this.#open.delete(result.id);
    const at = slotKey(result.executor, result.slot);
    for (const outcome of result.outcomes) {
      this.#logTask(open, result, outcome);
      this.#settle(open.state, open.state.finish(outcome, at, this.bus.clock.now()));
    }
    this.#dispatch();
  }

  #settle(state: TaskSetState, error: TaskSetError | undefined): void {
    const waiter = this.#active.get(state);
    if (!waiter || (!error && !state.complete)) return;
    this.#active.delete(state);
    if (!error) waiter.resolve([...state.results.values()]);
    else {
      this.#abandon(state);
      waiter.reject(error);
    }
  }

  /** Forgets what is still running for a set that has ended, and tells the executors. */
  #abandon(state: TaskSetState): void {
    const messages = new Map<string, string[]>();
    for (const [id, open] of this.#open) {
      if (open.state !== state) continue;
      this.#open.delete(id);
      const { executor } = open.message;
      messages.set(executor, [...(messages.get(executor) ?? []), id]);
    }
    for (const [executor, ids] of messages) this.#cancelMessages(executor, ids);
  }

  #cancelMessages(executor: string, messages: readonly string[]): void {
    const { driver } = this.options;
    this.channel.control(executor, { kind: 'cancel', driver, messages }).catch(() => {}); // said again by #reconcile
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
    const slots = this.slots();
    const alive = new Set([...slots, ...this.#hostSeats()].map(({ key }) => key));
    for (const state of [...this.#active.keys()]) this.#settle(state, state.orphaned(alive));
    const load = new Map<SlotKey, number>();
    for (const { message } of this.#open.values()) {
      const key = slotKey(message.executor, message.slot);
      load.set(key, (load.get(key) ?? 0) + 1);
    }
    const messages: TaskMessage[] = [];
    const seats = [...slots, ...this.#hostSeats()];
    for (let depth = 0; depth < this.options.depth; depth++) {
      for (const slot of seats) {
        if ((load.get(slot.key) ?? 0) > depth) continue;
        for (const state of this.#active.keys()) {
          if ((slot.index === HOST_SEAT) !== (state.set.host ?? false)) continue;
          if (depth > 0 && state.waiting < slots.length && !state.set.gang) continue;
          const tasks = state.next(slot.key, alive, now);
          if (tasks.length === 0) continue;
          const message = this.#message(slot.executor.id, slot.index, state, tasks);
          this.#open.set(message.id, { message, state, sentAt: message.sentAt, missing: 0, judgedBy: 0 });
          load.set(slot.key, (load.get(slot.key) ?? 0) + 1);
          messages.push(message);
          break;
        }
      }
    }
    if (messages.length > 0) this.#send(messages);
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

  #message(executor: string, slot: number, state: TaskSetState, tasks: TaskMessage['tasks']): TaskMessage {
    const { driver } = this.options;
    const id = `${driver}-m${this.#messages++}`;
    return { id, driver, executor, slot, program: state.set.program, tasks, sentAt: this.bus.clock.now() };
  }

  /** A send that fails leaves its messages open, to be sent again; one that can never be sent fails its tasks. */
  #send(messages: readonly TaskMessage[]): void {
    this.channel.send(messages).catch((error: Error) => {
      if (error instanceof RangeError && messages.length > 1) for (const message of messages) this.#send([message]);
      else if (error instanceof RangeError) this.#refuse(messages[0]!, error);
      else {
        const message = `tasks could not be sent and will be sent again: ${error.message}`;
        this.bus.emit({ event: 'warning', message });
      }
    });
  }

  #refuse({ id, tasks }: TaskMessage, { message }: RangeError): void {
    const open = this.#open.get(id);
    this.#open.delete(id);
    for (const { partition, attempt } of open ? tasks : []) {
      const failure: Failure = { kind: 'user-error', message };
      this.#settle(open!.state, open!.state.fail(partition, attempt, failure, this.bus.clock.now()));
    }
    this.#dispatch();
  }

  /** Compares what executors say they hold with what they should: sends again what vanished, cancels again what strayed. */
  async #reconcile(): Promise<void> {
    const again: Open[] = [];
    for (const [executor, { heartbeat, heardAt }] of this.#executors) {
      const { holding } = heartbeat;
      const strays = holding.filter((id) => id.startsWith(`${this.options.driver}-m`) && !this.#open.has(id));
      if (strays.length > 0) this.#cancelMessages(executor, strays);
      const suspects = [...this.#open.values()].filter(
        (open) => open.message.executor === executor && open.sentAt < heardAt && open.judgedBy < heardAt,
      );
      if (suspects.length === 0) continue;
      const ids = suspects.map(({ message }) => message.id);
      const waiting = await this.channel.waiting(executor, ids).catch(() => new Set(ids));
      for (const open of suspects) {
        const { id } = open.message;
        open.judgedBy = heardAt;
        open.missing = holding.includes(id) || waiting.has(id) ? 0 : open.missing + 1;
        if (open.missing < MISSING_HEARTBEATS || !this.#open.has(id)) continue;
        open.missing = 0;
        open.sentAt = this.bus.clock.now();
        again.push(open);
      }
    }
    if (again.length > 0) this.#send(again.map(({ message }) => message));
  }

  #logTask({ state }: Open, result: ResultMessage, outcome: ResultMessage['outcomes'][number]): void {
    if (state.set.quiet && outcome.ok) return;
    const { stage, stageAttempt, partition, attempt, metrics } = outcome;
    const { executor, slot } = result;
    const failed = outcome.ok ? {} : { failure: outcome.failure.kind, message: outcome.failure.message };
    const key = { job: state.set.job, stage, stageAttempt, partition, attempt, executor, slot };
    this.bus.emit({ event: 'task-end', ...key, ...failed, metrics });
  }
}
