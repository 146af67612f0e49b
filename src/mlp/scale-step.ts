import { Field, FixedSizeList, Float32, makeData, RecordBatch, Schema, Struct } from 'apache-arrow';
import type { Json } from '../protocol/json.js';
import { type Chunks, isBatch } from '../rdd/chunks.js';
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
  const type = new FixedSizeList(width, new Field('item', new Float32(), false));
  const items = makeData({ type: new Float32(), length: matrix.length, nullCount: 0, data: matrix });
  const list = makeData({ type, length: batch.numRows, nullCount: 0, child: items });
  const fields = batch.schema.fields.map((field) =>
    field.name === column ? new Field(column, type, false, field.metadata) : field,
  );
  const children = batch.schema.fields.map((field, k) => (field.name === column ? list : batch.data.children[k]!));
  const schema = new Schema(fields, batch.schema.metadata);
  return new RecordBatch(schema, makeData({ type: new Struct(fields), length: batch.numRows, nullCount: 0, children }));
}
