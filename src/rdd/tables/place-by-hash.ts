import type { RecordBatch } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import { hashRows } from './key-columns.js';
import { columnsAt } from './key-table.js';
import { indexOf } from './schema-rules.js';

export type HashPlaces = { readonly name: string } & (
  | { readonly columns: readonly string[] }
  /** All columns but the last ones. */
  | { readonly butLast: number }
);

/** Places of rows by a hash of their keys: equal keys come together. */
export function placer(parameters: Json, partitions: number): (batch: RecordBatch) => Uint32Array {
  const options = parameters as unknown as HashPlaces;
  const share = partitions / 2 ** 32;
  return (batch) => {
    const { schema } = batch;
    const indices =
      'columns' in options
        ? options.columns.map((column) => indexOf(schema, column, options.name))
        : [...Array(schema.fields.length - options.butLast).keys()];
    const hashes = hashRows(columnsAt(batch, indices), batch.numRows);
    // By the high bits, as the engine's other shuffles.
    const places = new Uint32Array(hashes.length);
    for (let row = 0; row < hashes.length; row++) places[row] = Math.floor((hashes[row]! >>> 0) * share);
    return places;
  };
}
