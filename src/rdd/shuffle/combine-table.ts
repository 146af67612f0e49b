import { type Column, Pairs } from '../columns.js';
import { hashNumber, identityOf, isPrimitive } from '../keys.js';
import { estimateBytes } from '../memory/estimate.js';

const FIRST_CAPACITY = 256;
/** A JavaScript Map's entry with its share of empty buckets. */
const MAP_ENTRY_BYTES = 48;

/**
 * A hash table from keys to combined values, entries in order of their first row. While all keys are numbers they stand
 * in an open-addressing table of typed arrays; while all values are numbers so do these: no object an entry.
 */
export class CombineTable {
  size = 0;
  /** The values by entry, while all are numbers; a caller that writes them directly reads this again after `append`. */
  numbers: Float64Array | undefined;
  #values: unknown[] = [];
  #keys: Float64Array;
  /** Entry + 1 by place, 0 where there is none; at most half full. */
  #places: Int32Array;
  /** What a key's product is shifted by to be a place. */
  #shift: number;
  #free = 0;
  #general: GeneralKeys | undefined;

  /** @param capacity expected entries */
  constructor(capacity = FIRST_CAPACITY) {
    this.numbers = new Float64Array(capacity);
    this.#keys = new Float64Array(capacity);
    const bits = Math.ceil(Math.log2(2 * capacity + 2));
    this.#places = new Int32Array(2 ** bits);
    this.#shift = 32 - bits;
  }

  /** A table of pairs whose keys differ. */
  static of({ keys, values }: Pairs): CombineTable {
    const table = new CombineTable(2 * keys.length);
    for (let i = 0; i < keys.length; i++) {
      table.locate(keys[i]);
      table.append(keys[i], values[i]);
    }
    return table;
  }

  get hasNumberKeys(): boolean {
    return this.#general === undefined;
  }

  /** The key's entry, negative when it has none yet. */
  locate(key: unknown): number {
    if (this.#general !== undefined) return this.#general.locate(key);
    if (typeof key !== 'number') return -1;
    const places = this.#places;
    const keys = this.#keys;
    const mask = places.length - 1;
    let place = (product(key) >>> this.#shift) & mask;
    for (let entry = places[place]!; entry !== 0; entry = places[place]!) {
      const found = keys[entry - 1]!;
      if (found === key || (Number.isNaN(found) && Number.isNaN(key))) return entry - 1;
      place = (place + 1) & mask;
    }
    this.#free = place;
    return -1;
  }

  /** A new entry, for the key that `locate` was last asked for and did not find. */
  append(key: unknown, value: unknown): void {
    if (this.#general === undefined && typeof key !== 'number') this.#generaliseKeys();
    if (this.#general !== undefined) this.#general.append(key, this.size);
    else this.#appendNumber(key as number);
    this.set(this.size, value);
    this.size++;
  }

  get(entry: number): unknown {
    return this.numbers === undefined ? this.#values[entry] : this.numbers[entry];
  }

  set(entry: number, value: unknown): void {
    if (this.numbers === undefined) this.#values[entry] = value;
    else if (typeof value === 'number') {
      if (entry === this.numbers.length) this.numbers = doubled(this.numbers);
      this.numbers[entry] = value;
    } else {
      this.#values = Array.from(this.numbers.subarray(0, this.size));
      this.numbers = undefined;
      this.#values[entry] = value;
    }
  }

  /** Of keys, values and the table; of what is no number by a sample. */
  get bytes(): number {
    return estimateBytes(this.pairs()) + (this.#general ? this.size * MAP_ENTRY_BYTES : this.#places.byteLength);
  }

  /** Keys and values by entry, shared with the table. */
  pairs(): Pairs {
    const keys: Column = this.#general ? this.#general.keys : this.#keys.subarray(0, this.size);
    const values: Column = this.numbers ? this.numbers.subarray(0, this.size) : this.#values;
    return new Pairs(keys, values);
  }

  #appendNumber(key: number): void {
    if (this.size === this.#keys.length) this.#keys = doubled(this.#keys);
    this.#keys[this.size] = key;
    this.#places[this.#free] = this.size + 1;
    if (2 * (this.size + 1) > this.#places.length) this.#rehash();
  }

  #rehash(): void {
    const places = new Int32Array(2 * this.#places.length);
    const mask = places.length - 1;
    this.#shift--;
    for (let entry = 0; entry <= this.size; entry++) {
      let place = (product(this.#keys[entry]!) >>> this.#shift) & mask;
      while (places[place] !== 0) place = (place + 1) & mask;
      places[place] = entry + 1;
    }
    this.#places = places;
  }

  #generaliseKeys(): void {
    this.#general = new GeneralKeys();
    for (let entry = 0; entry < this.size; entry++) this.#general.append(this.#keys[entry], entry);
    this.#keys = new Float64Array(0);
    this.#places = new Int32Array(1);
  }
}

/**
 * Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4): the upper bits are the place. One product for a small integer, and
 * nothing in common with the hash that chose the partition, which is alike in all keys of a task.
 */
export function product(key: number): number {
  return Math.imul((key | 0) === key ? key | 0 : hashNumber(key), 0x9e3779b1);
}

/** Keys of any kind: those that a Map compares by value, and others by their identity. */
class GeneralKeys {
  readonly keys: unknown[] = [];
  readonly #primitive = new Map<unknown, number>();
  readonly #composite = new Map<string, number>();

  locate(key: unknown): number {
    if (isPrimitive(key)) return this.#primitive.get(key) ?? -1;
    return this.#composite.get(identityOf(key)) ?? -1;
  }

  append(key: unknown, entry: number): void {
    if (isPrimitive(key)) this.#primitive.set(key, entry);
    else this.#composite.set(identityOf(key), entry);
    this.keys.push(key);
  }
}

function doubled(numbers: Float64Array): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(Math.max(2 * numbers.length, FIRST_CAPACITY));
  grown.set(numbers);
  return grown;
}
