import type { TaskMessage } from '../protocol/task.js';
import type { Member } from './executor-roster.js';
import { type SlotKey, slotKey, type TaskSetState } from './task-set.js';

export interface OpenMessage {
  readonly message: TaskMessage;
  readonly state: TaskSetState;
  /** When it was sent last. */
  sentAt: number;
  /** Heartbeats in a row that did not know of it. */
  missing: number;
  /** The last heartbeat that was asked. */
  judgedBy: number;
}

/** A message neither held by its executor, by this many heartbeats in a row, nor waiting in the queue has vanished. */
const MISSING_HEARTBEATS = 2;

/** Messages sent and not yet answered. */
export class OpenMessages {
  readonly #open = new Map<string, OpenMessage>();

  add(message: TaskMessage, state: TaskSetState): void {
    this.#open.set(message.id, { message, state, sentAt: message.sentAt, missing: 0, judgedBy: 0 });
  }

  /** Whoever takes a message answers for it: a second taker finds nothing. */
  take(id: string): OpenMessage | undefined {
    const open = this.#open.get(id);
    this.#open.delete(id);
    return open;
  }

  takeWhere(test: (open: OpenMessage) => boolean): OpenMessage[] {
    const taken = [...this.#open.values()].filter(test);
    for (const { message } of taken) this.#open.delete(message.id);
    return taken;
  }

  /** Messages a slot. */
  load(): Map<SlotKey, number> {
    const load = new Map<SlotKey, number>();
    for (const { message } of this.#open.values()) {
      const key = slotKey(message.executor, message.slot);
      load.set(key, (load.get(key) ?? 0) + 1);
    }
    return load;
  }

  /** What an executor holds of ours though nobody waits for it. @param prefix how our messages' ids begin */
  strays({ heartbeat }: Member, prefix: string): string[] {
    return heartbeat.holding.filter((id) => id.startsWith(prefix) && !this.#open.has(id));
  }

  /** What an executor's latest heartbeat can be asked about: each heartbeat is asked once. */
  suspects({ heartbeat, heardAt }: Member): OpenMessage[] {
    return [...this.#open.values()].filter(
      ({ message, sentAt, judgedBy }) =>
        message.executor === heartbeat.executor.id && sentAt < heardAt && judgedBy < heardAt,
    );
  }

  /** Judges suspects by that heartbeat, and by which of them wait in the queue. @returns those to be sent again */
  vanished(
    suspects: readonly OpenMessage[],
    { heartbeat, heardAt }: Member,
    waiting: ReadonlySet<string>,
    now: number,
  ): TaskMessage[] {
    const again: TaskMessage[] = [];
    for (const open of suspects) {
      const { id } = open.message;
      open.judgedBy = heardAt;
      open.missing = heartbeat.holding.includes(id) || waiting.has(id) ? 0 : open.missing + 1;
      if (open.missing < MISSING_HEARTBEATS || !this.#open.has(id)) continue;
      open.missing = 0;
      open.sentAt = now;
      again.push(open.message);
    }
    return again;
  }
}
