import { keyedRandom, type Random } from '../random.js';
import type { PairsConsumer } from './write.js';

/**
 * A uniform sample of keys, of a size given, drawn by the partition's number. Reservoir sampling that knows which row it takes next (algorithm L, Li 1994): the others cost a comparison.
 */
export class KeySample implements PairsConsumer {
  readonly #random: Random;
  readonly keys: unknown[] = [];
  rows = 0;
  /** Number of the next row to take. */
  #next = 0;
  /** Li's W: the greatest of `size` uniform numbers that stand for the rows taken so far. */
  #weight = 1;

  constructor(
    readonly size: number,
    partition: number,
  ) {
    this.#random = keyedRandom(0, 'key-sample', partition);
  }

  get into(): this {
    return this;
  }

  afterPiece(): number {
    return 0;
  }

  add(key: unknown, _value: unknown): void {
    if (this.rows++ < this.#next) return;
    if (this.keys.length < this.size) this.keys.push(key);
    else this.keys[this.#random.below(this.size)] = key;
    this.#next = this.keys.length < this.size ? this.rows : this.rows + this.#skipped();
  }

  /** How many rows the next one taken is away. */
  #skipped(): number {
    this.#weight *= Math.exp(Math.log(1 - this.#random.uniform()) / this.size);
    return Math.floor(Math.log(1 - this.#random.uniform()) / Math.log(1 - this.#weight));
  }
}
