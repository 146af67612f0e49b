import type { DriverChannel } from '../protocol/channel.js';
import type { Failure } from '../protocol/failure.js';
import type { TaskMessage } from '../protocol/task.js';
import type { EventBus } from './event-bus.js';
import type { Member } from './executor-roster.js';
import { type OpenMessage, OpenMessages } from './open-messages.js';
import type { Placement } from './placement.js';

/**
 * Sees to it that executors have the messages they should, and no others. Failures: what could not be sent, or vanished on
 * the way, is sent again; what an executor still holds that nobody waits for is cancelled, again and again; what can never be
 * sent is refused.
 */
export class Delivery {
  readonly open = new OpenMessages();
  #messages = 0;

  /** @param refuse told of what can never be sent, which is open no more */
  constructor(
    readonly channel: DriverChannel,
    readonly bus: EventBus,
    readonly driver: string,
    readonly refuse: (open: OpenMessage, failure: Failure) => void,
  ) {}

  /** A message each. */
  send(placements: readonly Placement[], sentAt: number): void {
    if (placements.length === 0) return;
    const messages = placements.map((placement) => this.#message(placement, sentAt));
    for (const [k, { state }] of placements.entries()) this.open.add(messages[k]!, state);
    this.#send(messages);
  }

  #message({ seat, state, tasks }: Placement, sentAt: number): TaskMessage {
    const { driver } = this;
    const id = `${this.#prefix}${this.#messages++}`;
    const { program, template } = state.set;
    const { executor, index: slot } = seat;
    return { id, driver, executor: executor.id, slot, program, tasks, sentAt, ...(template && { template }) };
  }

  get #prefix(): string {
    return `${this.driver}-m`;
  }

  /** A send that fails leaves its messages open, to be sent again; one that can never be sent is refused. */
  #send(messages: readonly TaskMessage[]): void {
    this.channel.send(messages).catch((error: Error) => {
      if (error instanceof RangeError && messages.length > 1) for (const message of messages) this.#send([message]);
      else if (error instanceof RangeError) {
        const open = this.open.take(messages[0]!.id);
        if (open) this.refuse(open, { kind: 'user-error', message: error.message });
      } else {
        const message = `tasks could not be sent and will be sent again: ${error.message}`;
        this.bus.emit({ event: 'warning', message });
      }
    });
  }

  /** Forgets messages, and tells their executors. */
  cancelWhere(test: (open: OpenMessage) => boolean): void {
    const messages = new Map<string, string[]>();
    for (const { message } of this.open.takeWhere(test))
      messages.set(message.executor, [...(messages.get(message.executor) ?? []), message.id]);
    for (const [executor, ids] of messages) this.#cancel(executor, ids);
  }

  #cancel(executor: string, messages: readonly string[]): void {
    const { driver } = this;
    this.channel.control(executor, { kind: 'cancel', driver, messages }).catch(() => {}); // said again by reconcile
  }

  /** Compares what executors say they hold with what they should: sends again what vanished, cancels again what strayed. */
  async reconcile(members: Iterable<Member>): Promise<void> {
    for (const member of members) {
      const { id } = member.heartbeat.executor;
      const strays = this.open.strays(member, this.#prefix);
      if (strays.length > 0) this.#cancel(id, strays);
      const suspects = this.open.suspects(member);
      if (suspects.length === 0) continue;
      const ids = suspects.map(({ message }) => message.id);
      const waiting = await this.channel.waiting(id, ids).catch(() => new Set(ids));
      const again = this.open.vanished(suspects, member, waiting, this.bus.clock.now());
      if (again.length > 0) this.#send(again);
    }
  }
}
