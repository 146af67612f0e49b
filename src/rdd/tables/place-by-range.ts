import type { RecordBatch } from 'apache-arrow';
import { decodeValue } from '../../executor/closure/index.js';
import type { Json } from '../../protocol/json.js';
import { readerOf } from './column-reader.js';
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
  return (batch) => {
    const indices = by.map(({ column }) => indexOf(batch.schema, column, name));
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
