import { keyedRandom, type Random } from '../random.js';
import type { PairsConsumer } from './write.js';

/** A uniform sample of keys, of a size given (reservoir sampling, algorithm R, Vitter 1985); drawn by the partition's number. */
export class KeySample implements PairsConsumer {
  readonly #random: Random;
  readonly keys: unknown[] = [];
  rows = 0;

  constructor(
    readonly size: number,
    partition: number,
  ) {
    this.#random = keyedRandom(0, 'key-sample', partition);
  }

  get into(): this {
    return this;
  }

  afterPiece(): void {}

  add(key: unknown, _value: unknown): void {
    const row = this.rows++;
    if (row < this.size) {
      this.keys.push(key);
      return;
    }
    const place = Math.floor((this.#random.uint32() / 2 ** 32) * this.rows);
    if (place < this.size) this.keys[place] = key;
  }
}
