import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { entryPoint } from '../protocol/entry.js';
import type { Failure } from '../protocol/failure.js';
import type { Listening } from '../protocol/program.js';
import type { TaskMessage, TaskOutcome } from '../protocol/task.js';
import type { BlockHome } from './block-files.js';
import { childEnvironment } from './child-environment.js';
import { describeExit, type GuardedChild, spawnGuarded } from './guardian.js';
import type { FromSlot, SlotInit, ToSlot } from './slot-main.js';
import { heapFlags } from './slot-memory.js';

/** Code that ignores its abort signal loses its slot after this long. */
const CANCEL_GRACE_MS = 1_000;

/** Modules that came into use last are remembered: a job or two need no more. */
const REMEMBERED_MODULES = 24;

const LOOPBACK: Listening = { bind: '127.0.0.1', hostname: '127.0.0.1' };

interface Order {
  readonly message: TaskMessage;
  /** The process it was sent to. */
  child?: GuardedChild;
  settle(outcomes: TaskOutcome[]): void;
}

/**
 * The executor's side of one slot: starts its process, hands it one message at a time in order of arrival, and answers
 * `executor-lost` for the message at hand when the process dies. A process that had answered a message is replaced at once,
 * and its successor loads what it had needed. One that had not may never do: the next message starts another, which loads
 * nothing of that in advance where the process died by itself.
 */
export class Slot {
  #child: GuardedChild | undefined;
  #running: Order | undefined;
  readonly #queue: Order[] = [];
  /** Modules of the engine that messages have needed, the newest last. */
  #needed: readonly string[] = [];
  /** Processes that it has ended itself. */
  readonly #killed = new WeakSet<GuardedChild>();
  #closed = false;

  constructor(
    readonly index: number,
    readonly executor: string,
    readonly home: BlockHome,
    readonly directory: string,
    readonly environment: NodeJS.ProcessEnv,
    readonly preload: readonly string[] = [],
    readonly listening: Listening = LOOPBACK,
  ) {}

  /** Starts the process before there is work: starting takes longer than many a first task. @throws Error when it cannot be started */
  warmUp(): void {
    if (!this.#child && !this.#closed) this.#start();
  }

  run(message: TaskMessage): Promise<TaskOutcome[]> {
    return new Promise((resolve) => {
      this.#queue.push({ message, settle: resolve });
      void this.#next();
    });
  }

  release(scope: string): void {
    this.#tell({ kind: 'release', scope });
  }

  /** Stops the messages that it concerns: queued ones never run, the one at hand is asked politely first. */
  cancel(concerns: (message: TaskMessage) => boolean): void {
    const failure = { kind: 'cancelled', message: 'cancelled before it ran' } as const;
    for (const order of this.#queue.filter(({ message }) => concerns(message))) {
      this.#queue.splice(this.#queue.indexOf(order), 1);
      order.settle(failed(order.message, failure));
    }
    const running = this.#running;
    if (!running || !concerns(running.message)) return;
    this.#tell({ kind: 'cancel', id: running.message.id });
    setTimeout(() => this.#running === running && this.#kill(), CANCEL_GRACE_MS).unref();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#kill();
  }

  async #kill(): Promise<void> {
    if (!this.#child) return;
    this.#killed.add(this.#child);
    await this.#child.kill(0);
  }

  async #next(): Promise<void> {
    if (this.#running || this.#queue.length === 0) return;
    const order = this.#queue.shift()!;
    this.#running = order;
    // A process whose channel is closed is dying: what is sent to it now would be lost with it.
    if (this.#child && !this.#child.process.connected) await this.#child.ended;
    if (this.#closed) return this.#settle(this.#lost(order.message, 'the executor is stopping'));
    let child: GuardedChild;
    try {
      child = this.#child ?? this.#start();
    } catch (error) {
      return this.#settle(this.#lost(order.message, (error as Error).message));
    }
    order.child = child;
    child.process.send({ kind: 'run', message: order.message } satisfies ToSlot, (error) => {
      if (error && this.#running === order) this.#settle(this.#lost(order.message, error.message));
    });
  }

  #settle(outcomes: TaskOutcome[]): void {
    const order = this.#running;
    this.#running = undefined;
    order?.settle(outcomes);
    void this.#next();
  }

  #start(): GuardedChild {
    const directory = join(this.directory, `slot-${this.index}`);
    mkdirSync(directory, { recursive: true });
    const { executor, index: slot, home, listening } = this;
    const preload = [...new Set([...this.preload, ...this.#needed])];
    const init: SlotInit = { executor, slot, home, directory, listening, preload };
    const child = spawnGuarded(
      process.execPath,
      [...heapFlags({ ...process.env, ...this.environment }), entryPoint('executor/slot-main.js')],
      {
        name: `slot-${this.index}`,
        directory,
        ipc: 'json',
        env: { ...childEnvironment(), ...this.environment, SHEAF_SLOT: JSON.stringify(init), SHEAF_SCRATCH: directory },
      },
    );
    this.#child = child;
    let answered = false;
    child.process.on('message', ({ id, outcomes, needed = [] }: FromSlot) => {
      answered = true;
      this.#needed = [...new Set([...this.#needed, ...needed])].slice(-REMEMBERED_MODULES);
      if (this.#running?.message.id === id) this.#settle([...outcomes]);
    });
    child.ended.then((code) => {
      if (this.#child === child) this.#child = undefined;
      // What it loaded in advance may be why.
      if (!answered && !this.#killed.has(child)) this.#needed = [];
      if (this.#running?.child === child) this.#settle(this.#lost(this.#running.message, describeExit(code)));
      if (answered) this.#replace();
    });
    return child;
  }

  /** What hinders the start fails the next message. */
  #replace(): void {
    try {
      this.warmUp();
    } catch {}
  }

  #lost(message: TaskMessage, reason: string): TaskOutcome[] {
    const { executor, index } = this;
    return failed(message, {
      kind: 'executor-lost',
      executor,
      message: `slot ${index} of ${executor} was lost: ${reason}`,
    });
  }

  #tell(order: ToSlot): void {
    if (this.#child?.process.connected) this.#child.process.send(order, () => {});
  }
}

/** The same failure for every task of a message. */
export function failed(message: TaskMessage, failure: Failure): TaskOutcome[] {
  return message.tasks.map(({ partition, stage, stageAttempt, attempt }) => ({
    ...{ partition, stage, stageAttempt, attempt },
    metrics: { queueMs: 0, fetchMs: 0, computeMs: 0, writeMs: 0, rows: 0, bytesIn: 0, bytesOut: 0 },
    ok: false,
    failure,
  }));
}
