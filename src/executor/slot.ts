import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { entryPoint } from '../protocol/entry.js';
import type { TaskMessage, TaskOutcome } from '../protocol/task.js';
import type { BlockHome } from './block-files.js';
import { describeExit, type GuardedChild, spawnGuarded } from './guardian.js';
import type { FromSlot, SlotInit, ToSlot } from './slot-main.js';

/** Code that ignores its abort signal loses its slot after this long. */
const CANCEL_GRACE_MS = 2_000;

/**
 * The executor's side of one slot: starts its process, hands it one message at a time in order of arrival, and answers
 * `executor-lost` for the message at hand when the process dies. A dead slot is started again with the next message.
 */
export class Slot {
  #child: GuardedChild | undefined;
  #running: { message: TaskMessage; settle(outcomes: TaskOutcome[]): void } | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(
    readonly index: number,
    readonly executor: string,
    readonly home: BlockHome,
    readonly directory: string,
    readonly environment: NodeJS.ProcessEnv,
  ) {}

  run(message: TaskMessage): Promise<TaskOutcome[]> {
    const outcome = this.#queue.then(() => this.#runNow(message));
    this.#queue = outcome.catch(() => {});
    return outcome;
  }

  release(scope: string): void {
    this.#tell({ kind: 'release', scope });
  }

  /** Stops the message at hand if it is `concerns`, politely first. */
  cancel(concerns: (message: TaskMessage) => boolean): void {
    const running = this.#running;
    if (!running || !concerns(running.message)) return;
    this.#tell({ kind: 'cancel', id: running.message.id });
    setTimeout(() => this.#running === running && this.#child?.kill(0), CANCEL_GRACE_MS).unref();
  }

  /** The slot's process id while it has one. */
  async pid(): Promise<number | undefined> {
    return this.#child?.pid;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#child?.kill(0);
  }

  async #runNow(message: TaskMessage): Promise<TaskOutcome[]> {
    if (this.#closed) return this.#lost(message, 'the executor is stopping');
    const child = this.#child ?? this.#start();
    return new Promise((resolve) => {
      this.#running = {
        message,
        settle: (outcomes) => {
          this.#running = undefined;
          resolve(outcomes);
        },
      };
      child.process.send({ kind: 'run', message } satisfies ToSlot, (error) => {
        if (error) this.#running?.settle(this.#lost(message, error.message));
      });
    });
  }

  #start(): GuardedChild {
    const directory = join(this.directory, `slot-${this.index}`);
    mkdirSync(directory, { recursive: true });
    const init: SlotInit = { executor: this.executor, slot: this.index, home: this.home, directory };
    const child = spawnGuarded(process.execPath, [entryPoint('executor/slot-main.js')], {
      name: `slot-${this.index}`,
      directory,
      ipc: 'json',
      env: { ...process.env, ...this.environment, SHEAF_SLOT: JSON.stringify(init) },
    });
    this.#child = child;
    child.process.on('message', (answer: FromSlot) => {
      if (answer.kind === 'done' && this.#running?.message.id === answer.id) this.#running.settle([...answer.outcomes]);
    });
    child.ended.then((code) => {
      if (this.#child === child) this.#child = undefined;
      this.#running?.settle(this.#lost(this.#running.message, describeExit(code)));
    });
    return child;
  }

  #lost(message: TaskMessage, reason: string): TaskOutcome[] {
    const { executor } = this;
    const failure = {
      kind: 'executor-lost',
      executor,
      message: `slot ${this.index} of ${executor} was lost: ${reason}`,
    } as const;
    const metrics = { queueMs: 0, fetchMs: 0, computeMs: 0, writeMs: 0, rows: 0, bytesIn: 0, bytesOut: 0 };
    return message.tasks.map(({ partition, stage, stageAttempt, attempt }) => ({
      ...{ partition, stage, stageAttempt, attempt, metrics },
      ok: false,
      failure,
    }));
  }

  #tell(order: ToSlot): void {
    if (this.#child?.process.connected) this.#child.process.send(order, () => {});
  }
}
