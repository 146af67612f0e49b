import { Templates } from '../../src/executor/templates.js';
import type { Control, ExecutorChannel, ExecutorInfo, TaskQueue } from '../../src/protocol/channel.js';
import { type Clock, every } from '../../src/protocol/clock.js';
import type { TaskMessage, TaskOutcome } from '../../src/protocol/task.js';
import { driverOf, type SentMessage } from '../../src/protocol/template.js';
import { VERSION } from '../../src/protocol/version.js';

export interface Behaviour {
  /** Virtual milliseconds a message takes; undefined: for ever. */
  takes(message: TaskMessage): number | undefined;
  /** What a message's tasks answer. */
  answer(message: TaskMessage, ms: number): TaskOutcome[];
}

export const METRICS = { queueMs: 0, fetchMs: 0, computeMs: 1, writeMs: 0, rows: 0, bytesIn: 0, bytesOut: 0 };

/** Each task answers with its partition. */
export function answers(message: TaskMessage, ms = 1): TaskOutcome[] {
  const metrics = { ...METRICS, computeMs: ms / message.tasks.length };
  return message.tasks.map((task) => ({ ...task, metrics, ok: true, value: task.partition }));
}

/** An executor without processes, in the clock's time: one message a slot at a time, the rest queued. */
export class SimulatedExecutor {
  readonly info: ExecutorInfo;
  readonly ran: TaskMessage[] = [];
  readonly cancelled: string[] = [];
  readonly released: string[] = [];
  readonly #channel: ExecutorChannel;
  readonly #templates = new Templates();
  readonly #holding = new Map<string, () => void>();
  #stopBeats = () => {};

  constructor(
    queue: TaskQueue,
    readonly clock: Clock,
    id: string,
    slots: number,
    readonly behaviour: Behaviour,
    pid = 1,
    version: string | null = VERSION,
  ) {
    this.#channel = queue.executor();
    this.info = {
      ...{ id, host: 'h', hostname: 'h', pid, blockUrl: `http://${id}:${pid}`, fingerprint: 'f' },
      ...(version !== null && { version }),
      slots: Array.from({ length: slots }, (_, index) => ({ index, device: 'cpu' as const })),
    };
  }

  async join(heartbeatMs = 1000): Promise<this> {
    await this.#channel.open(this.info, this.info.slots.length * 2 + 2, {
      message: (message) => this.#onMessage(message),
      control: (control) => this.#onControl(control),
      driverGone: () => {},
    });
    const beat = () =>
      void this.#channel.heartbeat({ executor: this.info, holding: [...this.#holding.keys()], at: this.clock.now() });
    this.#stopBeats = every(this.clock, heartbeatMs, beat);
    beat();
    return this;
  }

  get holding(): string[] {
    return [...this.#holding.keys()];
  }

  /** Falls silent. Its lease must end (`MemoryQueue.loseExecutor`). */
  die(): void {
    this.#stopBeats();
    this.#holding.clear();
  }

  async #onMessage(sent: SentMessage): Promise<void> {
    if (this.#holding.has(sent.id)) return;
    const message = this.#templates.whole(sent);
    if (!message) {
      const result = { id: sent.id, driver: driverOf(sent), executor: this.info.id, slot: 0, outcomes: [] };
      return this.#channel.report(result);
    }
    const ms = this.behaviour.takes(message);
    const ended = new Promise<boolean>((resolve) => {
      this.#holding.set(message.id, () => resolve(false));
      this.ran.push(message);
      if (ms !== undefined) this.clock.after(ms, () => resolve(true));
    });
    const ran = await ended;
    if (!this.#holding.delete(message.id) || !ran) return;
    const { id, driver, executor, slot } = message;
    await this.#channel.report({ id, driver, executor, slot, outcomes: this.behaviour.answer(message, ms ?? 0) });
  }

  #onControl(control: Control): void {
    if (control.kind === 'release') {
      this.#templates.release(control.scope);
      this.released.push(control.scope);
    }
    if (control.kind !== 'cancel') return;
    for (const id of control.messages) {
      this.cancelled.push(id);
      this.#holding.get(id)?.();
    }
  }
}
