import { ColumnBuilder, Pairs } from '../columns.js';
import { estimateBytes } from '../memory/estimate.js';

/** Growing pairs in two columns. */
export class PairBuffer {
  #keys = new ColumnBuilder();
  #values = new ColumnBuilder();

  add(key: unknown, value: unknown): void {
    this.#keys.push(key);
    this.#values.push(value);
  }

  get length(): number {
    return this.#keys.length;
  }

  /** By a sample, where they are not numbers. */
  get bytes(): number {
    return estimateBytes(this.#pairs());
  }

  /** What was added since the last time. */
  take(): Pairs {
    const pairs = this.#pairs();
    // As many will come again, mostly.
    this.#keys = new ColumnBuilder(pairs.length);
    this.#values = new ColumnBuilder(pairs.length);
    return pairs;
  }

  #pairs(): Pairs {
    return new Pairs(this.#keys.finish(), this.#values.finish());
  }
}
