import { type Data, makeData, RecordBatch, type Schema, Struct } from 'apache-arrow';
import { type Chunks, isBatch } from '../chunks.js';
import { userError } from '../operator-failure.js';
import { differenceOf } from './schema-rules.js';

/** A table's chunks. @throws FailureError when there are others */
export async function* batches(chunks: Chunks, name: string): AsyncGenerator<RecordBatch> {
  for await (const chunk of chunks) {
    if (!isBatch(chunk))
      throw userError(
        `${name} needs Arrow record batches, and part of this RDD holds plain rows (toTable makes a table of them)`,
      );
    if (chunk.numRows > 0) yield chunk;
  }
}

/** As `batches`, for steps that put batches together. @throws FailureError also when their columns differ */
export async function* alike(chunks: Chunks, name: string): AsyncGenerator<RecordBatch> {
  let schema: Schema | undefined;
  for await (const batch of batches(chunks, name)) {
    const difference = schema && differenceOf(schema, batch.schema);
    if (difference !== undefined) throw userError(`${name}: record batches of one partition differ: ${difference}`);
    schema = batch.schema;
    yield batch;
  }
}

export function batchFrom(schema: Schema, length: number, children: readonly Data[]): RecordBatch {
  const type = new Struct(schema.fields);
  return new RecordBatch(schema, makeData({ type, length, nullCount: 0, children: [...children] }));
}

/** Rows of a batch that an operator makes: small enough to be sent, large enough for columns to pay. */
export const BATCH_ROWS = 1 << 16;
