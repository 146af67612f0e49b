import type { Pairs } from '../columns.js';
import { Combination, type MergePairs } from './combination.js';
import { Reservation } from './reservation.js';
import type { PairsConsumer } from './write.js';

/** Takes pairs and combines them by key, as far as memory allows; where the rest goes is its subclass's to say. */
export abstract class Combining implements PairsConsumer, Disposable {
  merge!: MergePairs;
  protected readonly memory = new Reservation();
  #combination = new Combination();

  get into(): unknown {
    return this.#combination.into;
  }

  get buffers(): boolean {
    return this.#combination.buffers;
  }

  afterPiece(): number {
    this.#combination.afterPiece(this.merge);
    const { bytes } = this.#combination;
    if (this.memory.holds(bytes) || !this.canSpill) return bytes;
    this.spill();
    this.memory.reset();
    return 0;
  }

  protected get canSpill(): boolean {
    return true;
  }

  /** Takes what was combined to disk. */
  protected abstract spill(): void;

  /** What was combined so far; the rows that come begin anew. */
  protected taken(): Generator<Pairs> {
    const combination = this.#combination;
    this.#combination = new Combination();
    return combination.pairs(this.merge);
  }

  [Symbol.dispose](): void {
    this.memory[Symbol.dispose]();
  }
}
