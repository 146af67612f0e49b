import { type SlotMemory, slotMemory } from '../memory/slot-memory.js';

/** What one operator of a task holds of its slot's memory; given back when it is disposed of. */
export class Reservation implements Disposable {
  #held = 0;

  constructor(readonly memory: SlotMemory = slotMemory()) {}

  /** @returns whether the operator may hold so many bytes in all; if not it has to spill */
  holds(bytes: number): boolean {
    const more = Math.ceil(bytes) - this.#held; // whole, so that sums are exact
    if (more <= 0) return true;
    if (!this.memory.acquire(more)) return false;
    this.#held += more;
    return true;
  }

  /** @returns whether the operator may hold so many bytes more */
  grows(bytes: number): boolean {
    return this.holds(this.#held + bytes);
  }

  /** After a spill. */
  reset(): void {
    this.memory.release(this.#held);
    this.#held = 0;
  }

  [Symbol.dispose](): void {
    this.reset();
  }
}
