import { type Data, DataType } from 'apache-arrow';
import { compareKeys } from '../keys.js';
import { orderOfNumbers } from '../shuffle/radix-sort.js';
import { dictionaryValues, isTyped, readerOf } from './column-reader.js';

export interface SortKey {
  readonly column: string;
  readonly descending: boolean;
}

/** The order of rows by several columns: stable; nulls first where ascending, last where descending; NaN the greatest number. */
export function orderOf(columns: readonly Data[], keys: readonly SortKey[], length: number): Uint32Array {
  const sortable = columns.map(sortableColumn);
  const [first] = sortable;
  if (sortable.length === 1 && first instanceof Float64Array) return orderOfNumbers(first, keys[0]!.descending);
  const order = Uint32Array.from({ length }, (_, row) => row);
  const compares = sortable.map((values, k) => comparing(values, keys[k]!.descending ? -1 : 1));
  const [compare] = compares;
  if (compares.length === 1) return order.sort(compare);
  return order.sort((a, b) => {
    for (const each of compares) {
      const result = each(a, b);
      if (result !== 0) return result;
    }
    return 0;
  });
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

type Sortable = Float64Array | readonly unknown[];

/** Numbers as such, entries of a dictionary by their rank, all else as values. */
function sortableColumn(column: Data): Sortable {
  const { type, length, nullCount } = column;
  if (isTyped(type as DataType) && nullCount === 0)
    return Float64Array.from((column.values as Float64Array).subarray(0, length));
  if (DataType.isDictionary(type)) return ranks(column);
  const read = readerOf(column);
  return Array.from({ length }, (_, row) => read(row));
}

function ranks(column: Data): Float64Array {
  const entries = dictionaryValues(column);
  const order = [...entries.keys()].sort((a, b) => compareKeys(entries[a], entries[b]));
  const rank = new Float64Array(entries.length);
  for (const [k, entry] of order.entries()) {
    const before = order[k - 1];
    rank[entry] = before !== undefined && compareKeys(entries[before], entries[entry]) === 0 ? rank[before]! : k;
  }
  const codes = column.values as Int32Array;
  return Float64Array.from({ length: column.length }, (_, row) =>
    column.nullCount > 0 && !column.getValid(row) ? -1 : rank[codes[row]!]!,
  );
}

function comparing(values: Sortable, sign: number): (a: number, b: number) => number {
  if (values instanceof Float64Array)
    return (a, b) => {
      const [x, y] = [values[a]!, values[b]!];
      return x < y ? -sign : x > y ? sign : x === y ? 0 : sign * compareKeys(x, y);
    };
  return (a, b) => sign * compareKeys(values[a], values[b]);
}
