import { type Data, DataType, type RecordBatch } from 'apache-arrow';
import { identityOf, isPrimitive } from '../keys.js';
import { CombineTable } from '../shuffle/combine-table.js';
import { dictionaryValues, isTyped, readerOf } from './column-reader.js';
import { normal } from './key-columns.js';

/** Codes of two columns side by side in a double. */
const CODES = 2 ** 26;

/**
 * Numbers rows by their keys: 0 for the first key, 1 for the next other one, … Each key column becomes small codes first, typed
 * array to typed array; several columns are joined code by code.
 */
export class KeyTable {
  readonly #columns: ColumnCodes[];
  /** Of all columns up to the second, third, … */
  readonly #joined: NumberTable[];
  size = 0;

  constructor(readonly width: number) {
    this.#columns = Array.from({ length: width }, () => new ColumnCodes());
    this.#joined = Array.from({ length: Math.max(0, width - 1) }, () => new NumberTable());
  }

  /** The number of each row's key; keys that are new get the next ones. */
  add(columns: readonly Data[], length: number): Int32Array {
    return this.#numbers(columns, length, true);
  }

  /** As `add`, with -1 for keys that are not there. @param nulls whether null is a key like others; else it is -1 */
  find(columns: readonly Data[], length: number, nulls: boolean): Int32Array {
    return withoutNulls(this.#numbers(columns, length, false), nulls ? [] : columns);
  }

  #numbers(columns: readonly Data[], length: number, adds: boolean): Int32Array {
    let ids: Int32Array = new Int32Array(length);
    columns.forEach((column, k) => {
      const codes = this.#columns[k]!.codes(column, length, adds);
      ids = k === 0 ? codes : this.#joined[k - 1]!.join(ids, codes, adds);
    });
    if (adds) {
      if (this.width === 0) this.size = Math.max(this.size, Math.min(length, 1));
      else this.size = this.width === 1 ? this.#columns[0]!.size : this.#joined.at(-1)!.size;
    }
    return ids;
  }
}

function withoutNulls(ids: Int32Array, columns: readonly Data[]): Int32Array {
  for (const column of columns)
    if (column.nullCount > 0) for (let row = 0; row < ids.length; row++) if (!column.getValid(row)) ids[row] = -1;
  return ids;
}

/** Codes of one column's values. Null has a code when it has come. */
class ColumnCodes {
  readonly #numbers = new CombineTable();
  readonly #texts = new Map<unknown, number>();
  /** By dictionary: the codes of its entries, -1 as long as they are not known. */
  readonly #entries = new WeakMap<object, Int32Array>();
  #null = -1;
  size = 0;

  codes(column: Data, length: number, adds: boolean): Int32Array {
    const out = new Int32Array(length);
    const type = column.type as DataType;
    if (isTyped(type)) this.#ofNumbers(column, out, adds);
    else if (DataType.isDictionary(type)) this.#ofDictionary(column, out, adds);
    else {
      const read = readerOf(column);
      for (let row = 0; row < length; row++) out[row] = this.#ofValue(read(row), adds);
    }
    return out;
  }

  #ofNumbers(column: Data, out: Int32Array, adds: boolean): void {
    const values = column.values as Float64Array;
    const { nullCount } = column;
    for (let row = 0; row < out.length; row++)
      out[row] = nullCount > 0 && !column.getValid(row) ? this.#ofNull(adds) : this.#ofNumber(values[row]!, adds);
  }

  #ofDictionary(column: Data, out: Int32Array, adds: boolean): void {
    const key = column.dictionary!.data[0]!;
    const entries = dictionaryValues(column);
    let codes = this.#entries.get(key);
    if (!codes || codes.length !== entries.length) {
      codes = new Int32Array(entries.length).fill(-1);
      this.#entries.set(key, codes);
    }
    const values = column.values as Int32Array;
    for (let row = 0; row < out.length; row++) {
      if (column.nullCount > 0 && !column.getValid(row)) out[row] = this.#ofNull(adds);
      else {
        const entry = values[row]!;
        if (codes[entry]! < 0) codes[entry] = this.#ofValue(entries[entry], adds);
        out[row] = codes[entry]!;
      }
    }
  }

  #ofValue(value: unknown, adds: boolean): number {
    if (value === null || value === undefined) return this.#ofNull(adds);
    const plain = normal(value);
    if (typeof plain === 'number') return this.#ofNumber(plain, adds);
    const key = isPrimitive(plain) ? plain : `\u0000${identityOf(plain)}`;
    const known = this.#texts.get(key);
    if (known !== undefined || !adds) return known ?? -1;
    this.#texts.set(key, this.size);
    return this.size++;
  }

  #ofNumber(value: number, adds: boolean): number {
    const table = this.#numbers;
    const entry = table.locate(value);
    if (entry >= 0) return table.numbers![entry]!;
    if (!adds) return -1;
    table.append(value, this.size);
    return this.size++;
  }

  #ofNull(adds: boolean): number {
    if (this.#null < 0 && adds) this.#null = this.size++;
    return this.#null;
  }
}

/** Numbers pairs of codes. */
class NumberTable {
  readonly #table = new CombineTable();

  get size(): number {
    return this.#table.size;
  }

  join(left: Int32Array, right: Int32Array, adds: boolean): Int32Array {
    const out = new Int32Array(left.length);
    const table = this.#table;
    for (let row = 0; row < out.length; row++) {
      if (left[row]! < 0 || right[row]! < 0) {
        out[row] = -1;
        continue;
      }
      const key = left[row]! * CODES + right[row]!;
      let entry = table.locate(key);
      if (entry < 0 && adds) {
        entry = table.size;
        table.append(key, 0);
      }
      out[row] = entry;
    }
    return out;
  }
}

/** The columns of these names. */
export function columnsAt(batch: RecordBatch, indices: readonly number[]): Data[] {
  return indices.map((index) => batch.data.children[index]!);
}
