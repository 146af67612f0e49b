import { type Data, DataType } from 'apache-arrow';
import { compareKeys, identityOf, isPrimitive } from '../keys.js';
import { orderOfNumbers } from '../shuffle/radix-sort.js';
import { dictionaryValues, isTyped, readerOf } from './column-reader.js';

export interface SortKey {
  readonly column: string;
  readonly descending: boolean;
}

/** The order of rows by several columns: stable; nulls first where ascending, last where descending; NaN the greatest number. */
export function orderOf(columns: readonly Data[], keys: readonly SortKey[], length: number): Uint32Array {
  const passes = columns.flatMap((column, k) =>
    numbersInOrder(column).map((numbers) => ({ numbers, descending: keys[k]!.descending })),
  );
  let order: Uint32Array | undefined;
  // Each pass is stable: the last one, by the first key, decides.
  for (const { numbers, descending } of passes.reverse()) {
    const before = order;
    order = orderOfNumbers(before ? permuted(numbers, before) : numbers, descending);
    if (before) for (let row = 0; row < length; row++) order[row] = before[order[row]!]!;
  }
  return order!;
}

function permuted(numbers: Float64Array, order: Uint32Array): Float64Array {
  const out = new Float64Array(numbers.length);
  for (let row = 0; row < out.length; row++) out[row] = numbers[order[row]!]!;
  return out;
}

/** Compares keys that are arrays of values, one a column. */
export function compareRows(keys: readonly SortKey[]): (a: readonly unknown[], b: readonly unknown[]) => number {
  return (a, b) => {
    for (let k = 0; k < keys.length; k++) {
      const result = compareKeys(a[k], b[k]);
      if (result !== 0) return keys[k]!.descending ? -result : result;
    }
    return 0;
  };
}

/** Numbers that have the order of a column's values; of numbers with nulls first whether there is a value, then the values. */
function numbersInOrder(column: Data): Float64Array[] {
  const { length, nullCount } = column;
  const out = new Float64Array(length);
  if (isTyped(column.type as DataType)) {
    out.set((column.values as Float64Array).subarray(0, length));
    if (nullCount === 0) return [out];
    const valid = new Float64Array(length);
    for (let row = 0; row < length; row++) {
      if (column.getValid(row)) valid[row] = 1;
      else out[row] = 0;
    }
    return [valid, out];
  }
  const codes = new Int32Array(length);
  const ranks = ranksOf(DataType.isDictionary(column.type) ? entriesOf(column, codes) : distinctOf(column, codes));
  for (let row = 0; row < length; row++) out[row] = nullCount > 0 && !column.getValid(row) ? -1 : ranks[codes[row]!]!;
  return [out];
}

function entriesOf(column: Data, codes: Int32Array): readonly unknown[] {
  codes.set((column.values as Int32Array).subarray(0, codes.length));
  return dictionaryValues(column);
}

/** A column's different values. @param codes filled with each row's place among them */
function distinctOf(column: Data, codes: Int32Array): readonly unknown[] {
  const read = readerOf(column);
  const places = new Map<unknown, number>();
  const values: unknown[] = [];
  for (let row = 0; row < codes.length; row++) {
    const value = read(row);
    const key = isPrimitive(value) ? value : identityOf(value);
    let place = places.get(key);
    if (place === undefined) {
      place = values.length;
      places.set(key, place);
      values.push(value);
    }
    codes[row] = place;
  }
  return values;
}

/** Equal values have equal ranks. */
function ranksOf(values: readonly unknown[]): Float64Array {
  const order = [...values.keys()].sort((a, b) => compareKeys(values[a], values[b]));
  const ranks = new Float64Array(values.length);
  for (let k = 0; k < order.length; k++) {
    const equal = k > 0 && compareKeys(values[order[k - 1]!], values[order[k]!]) === 0;
    ranks[order[k]!] = equal ? ranks[order[k - 1]!]! : k;
  }
  return ranks;
}
