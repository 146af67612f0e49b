import type { ExecutorInfo, Heartbeat } from '../protocol/channel.js';
import type { Clock } from '../protocol/clock.js';
import { HOST_SEAT } from '../protocol/task.js';
import { VERSION } from '../protocol/version.js';
import { missingText } from './missing-slots.js';
import type { SlotDevice } from './slot-device.js';
import { type SlotKey, slotKey } from './task-set.js';

export interface Member {
  readonly heartbeat: Heartbeat;
  /** By this process's clock: hosts' clocks differ. */
  readonly heardAt: number;
}

/** A slot, or the seat for work of the executor's own process. */
export interface Seat {
  readonly key: SlotKey;
  readonly executor: ExecutorInfo;
  readonly index: number;
  readonly device: SlotDevice;
}

/** Longer than any word of an executor is on its way. */
const ENDED_MS = 600_000;

/** Who there is to run tasks, by their heartbeats; and who waits for somebody to come. */
export class ExecutorRoster {
  readonly #members = new Map<string, Member>();
  /** Executors whose process is known to have ended: what they said before is still on its way, for a moment. */
  readonly #ended = new Set<string>();
  /** Executors of other versions of Sheaf: their messages may mean something else. */
  readonly #foreign = new Map<string, ExecutorInfo>();
  readonly #arrivals = new Set<{ arrived(): void; closed(error: Error): void }>();
  #closed: Error | undefined;
  #cancelLonely: (() => void) | undefined;

  constructor(
    readonly clock: Clock,
    readonly waitMs: number,
  ) {}

  /**
   * @returns `replaced` when another process has taken the place of the one of this name: that one is to be given up first;
   *   `foreign` when one of another version is heard for the first time: it is no member
   */
  heard(heartbeat: Heartbeat): 'new' | 'known' | 'replaced' | 'ended' | 'foreign' {
    const { executor } = heartbeat;
    if (this.#ended.has(executor.id)) return 'ended';
    const known = this.#members.get(executor.id)?.heartbeat.executor;
    if (known && (known.blockUrl !== executor.blockUrl || known.pid !== executor.pid)) return 'replaced';
    if (executor.version !== VERSION) {
      const before = this.#foreign.get(executor.id);
      this.#foreign.set(executor.id, executor);
      return before?.pid === executor.pid ? 'known' : 'foreign';
    }
    this.#foreign.delete(executor.id);
    this.#members.set(executor.id, { heartbeat, heardAt: this.clock.now() });
    if (known) return 'known';
    this.forgetLoneliness();
    for (const waiter of [...this.#arrivals]) waiter.arrived();
    return 'new';
  }

  /** @param ended its process has ended, so that it can never be heard of again. @returns whether it was there */
  remove(executor: string, ended: boolean): boolean {
    if (ended) this.#ended.add(executor);
    this.#foreign.delete(executor);
    if (ended) this.clock.after(ENDED_MS, () => this.#ended.delete(executor));
    return this.#members.delete(executor);
  }

  members(): Member[] {
    return [...this.#members.values()];
  }

  /** In a stable order. */
  executors(): ExecutorInfo[] {
    return this.members()
      .map(({ heartbeat }) => heartbeat.executor)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  slots(): Seat[] {
    return this.executors().flatMap((executor) =>
      executor.slots.map(({ index, device }) => seat(executor, index, device)),
    );
  }

  hostSeats(): Seat[] {
    return this.executors().map((executor) => seat(executor, HOST_SEAT, 'cpu'));
  }

  /**
   * Waits until at least `count` slots are there.
   * @param device of what kind; absent: of any
   * @throws Error after `waitMs`, or when the roster is closed
   */
  async slotsAvailable(count: number, device?: SlotDevice): Promise<void> {
    const there = () => this.slots().filter((slot) => !device || slot.device === device).length;
    if (this.#closed) throw this.#closed;
    if (there() >= count) return;
    await new Promise<void>((resolve, reject) => {
      const end = (settle: () => void) => {
        this.#arrivals.delete(waiter);
        cancel();
        settle();
      };
      const waiter = {
        arrived: () => there() >= count && end(resolve),
        closed: (error: Error) => end(() => reject(error)),
      };
      const cancel = this.clock.after(this.waitMs, () => {
        const { waitMs } = this;
        const missing = { count, device, slots: this.slots(), foreign: [...this.#foreign.values()], waitMs };
        end(() => reject(new Error(missingText(missing))));
      });
      this.#arrivals.add(waiter);
    });
  }

  /** Nobody is waited for any more. */
  close(reason: Error): void {
    this.#closed = reason;
    this.forgetLoneliness();
    for (const waiter of [...this.#arrivals]) waiter.closed(reason);
  }

  /** Calls back when nobody is left and nobody has come for `waitMs`. */
  whenLonely(act: () => void): void {
    if (this.#members.size > 0 || this.#cancelLonely) return;
    this.#cancelLonely = this.clock.after(this.waitMs, () => {
      this.#cancelLonely = undefined;
      act();
    });
  }

  forgetLoneliness(): void {
    this.#cancelLonely?.();
    this.#cancelLonely = undefined;
  }
}

function seat(executor: ExecutorInfo, index: number, device: SlotDevice): Seat {
  return { key: slotKey(executor.id, index), executor, index, device };
}
