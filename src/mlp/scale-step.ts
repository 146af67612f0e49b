import { makeData, RecordBatch, Schema, Struct } from 'apache-arrow';
import type { Json } from '../protocol/json.js';
import { type Chunks, isBatch } from '../rdd/chunks.js';
import { listColumn } from '../rdd/list-column.js';
import { listValues, listWidth } from './columns.js';
import { StandardScalerModel } from './scaler.js';

export interface ScaleParameters {
  readonly column: string;
  readonly scaler: { readonly mean: number[]; readonly deviation: number[] };
}

/** Step that replaces a feature column by its scaled values. */
export async function* transform(chunks: Chunks, parameters: Json): Chunks {
  const { column, scaler: json } = parameters as unknown as ScaleParameters;
  const scaler = StandardScalerModel.fromJSON(json);
  for await (const chunk of chunks) {
    if (!isBatch(chunk) || chunk.numRows === 0) yield chunk;
    else yield scaled(chunk, column, scaler);
  }
}

function scaled(batch: RecordBatch, column: string, scaler: StandardScalerModel): RecordBatch {
  const width = listWidth(batch, column);
  const matrix = scaler.scaleInPlace(listValues(batch, column, scaler.columns).slice(), batch.numRows);
  const k = batch.schema.fields.findIndex(({ name }) => name === column);
  const list = listColumn(column, matrix, width, batch.schema.fields[k]!.metadata);
  const fields = batch.schema.fields.with(k, list.field);
  const children = batch.data.children.with(k, list.data);
  const schema = new Schema(fields, batch.schema.metadata);
  return new RecordBatch(schema, makeData({ type: new Struct(fields), length: batch.numRows, nullCount: 0, children }));
}
