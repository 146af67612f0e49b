import type { Column } from '../columns.js';
import { CombineTable, product } from './combine-table.js';

/** The rows of each key, as chains through row numbers. */
export interface RowIndex {
  /** The row behind a row that has its key; -1 behind the last. */
  readonly next: Int32Array;
  /** The first row of each key from `from` to `to`, -1 where there is none, into `firsts` from 0 on. */
  find(keys: Column, from: number, to: number, firsts: Int32Array): void;
}

/** An open-addressing table of the first rows, at most half full: keys are compared where they lie. */
export class NumberIndex implements RowIndex {
  readonly next: Int32Array;
  /** Row + 1 by place, 0 where there is none. */
  readonly #places: Int32Array;
  /** What a key's product is shifted by to be a place. */
  readonly #shift: number;

  constructor(readonly keys: Float64Array) {
    const bits = Math.ceil(Math.log2(2 * keys.length + 2));
    this.#places = new Int32Array(2 ** bits);
    this.#shift = 32 - bits;
    this.next = new Int32Array(keys.length);
    for (let row = keys.length - 1; row >= 0; row--) {
      const place = this.#place(keys[row]!);
      this.next[row] = this.#places[place]! - 1;
      this.#places[place] = row + 1;
    }
  }

  find(keys: Column, from: number, to: number, firsts: Int32Array): void {
    if (keys instanceof Float64Array)
      for (let row = from; row < to; row++) firsts[row - from] = this.#places[this.#place(keys[row]!)]! - 1;
    else
      for (let row = from; row < to; row++) {
        const key = keys[row];
        firsts[row - from] = typeof key === 'number' ? this.#places[this.#place(key)]! - 1 : -1;
      }
  }

  /** Where the key's first row stands, or may. */
  #place(key: number): number {
    const places = this.#places;
    const mask = places.length - 1;
    let place = (product(key) >>> this.#shift) & mask;
    for (let row = places[place]!; row !== 0; row = places[place]!) {
      const found = this.keys[row - 1]!;
      if (found === key || (Number.isNaN(found) && Number.isNaN(key))) break;
      place = (place + 1) & mask;
    }
    return place;
  }
}

/** Of keys of any kind. */
export class KeyIndex implements RowIndex {
  readonly next: Int32Array;
  /** Holds the first row of each key. */
  readonly #first: CombineTable;

  constructor(keys: Column) {
    this.#first = new CombineTable(keys.length);
    this.next = new Int32Array(keys.length).fill(-1);
    const last: number[] = [];
    for (let row = 0; row < keys.length; row++) {
      const entry = this.#first.locate(keys[row]);
      if (entry < 0) {
        this.#first.append(keys[row], row);
        last.push(row);
      } else {
        this.next[last[entry]!] = row;
        last[entry] = row;
      }
    }
  }

  find(keys: Column, from: number, to: number, firsts: Int32Array): void {
    for (let row = from; row < to; row++) {
      const entry = this.#first.locate(keys[row]);
      firsts[row - from] = entry < 0 ? -1 : this.#first.numbers![entry]!;
    }
  }
}
