import type { RecordBatch } from 'apache-arrow';
import { decodeValue } from '../../executor/closure/index.js';
import type { Json } from '../../protocol/json.js';
import { readerOf, typedOf } from './column-reader.js';
import { columnsAt } from './key-table.js';
import { indexOf } from './schema-rules.js';
import { compareRows, type SortKey } from './sort-order.js';

export interface RangePlaces {
  readonly by: readonly SortKey[];
  /** Keys as arrays of values, ascending in the wanted order; encoded, in base64. */
  readonly bounds: string;
  readonly name: string;
}

/** Places of rows by their keys' order: place p holds what comes before all of place p + 1. */
export function placer(parameters: Json, _partitions: number): (batch: RecordBatch) => Uint32Array {
  const { by, bounds: encoded, name } = parameters as unknown as RangePlaces;
  const bounds = decodeValue(Buffer.from(encoded, 'base64')) as unknown[][];
  const compare = compareRows(by);
  const numbers = by.length === 1 ? numbersOf(bounds.map(([bound]) => bound)) : undefined;
  return (batch) => {
    const indices = by.map(({ column }) => indexOf(batch.schema, column, name));
    const typed = numbers && typedOf(batch.data.children[indices[0]!]!);
    if (numbers && typed) return placesOfNumbers(typed, batch.numRows, numbers, by[0]!.descending);
    const readers = columnsAt(batch, indices).map(readerOf);
    const key: unknown[] = new Array(readers.length);
    const places = new Uint32Array(batch.numRows);
    for (let row = 0; row < places.length; row++) {
      for (let k = 0; k < readers.length; k++) key[k] = readers[k]!(row);
      let low = 0;
      let high = bounds.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (compare(bounds[middle]!, key) < 0) low = middle + 1;
        else high = middle;
      }
      places[row] = low;
    }
    return places;
  };
}

function numbersOf(bounds: readonly unknown[]): Float64Array | undefined {
  const all = bounds.every((bound) => typeof bound === 'number' && !Number.isNaN(bound));
  return all ? Float64Array.from(bounds as number[]) : undefined;
}

/** The number of bounds before each value; NaN is the greatest number. */
function placesOfNumbers(
  values: ArrayLike<number>,
  length: number,
  bounds: Float64Array,
  descending: boolean,
): Uint32Array {
  const places = new Uint32Array(length);
  for (let row = 0; row < length; row++) {
    const value = values[row]!;
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (descending ? bounds[middle]! > value : !(bounds[middle]! >= value)) low = middle + 1;
      else high = middle;
    }
    places[row] = low;
  }
  return places;
}
