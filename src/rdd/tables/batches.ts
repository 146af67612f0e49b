import { type Data, makeData, RecordBatch, type Schema, Struct } from 'apache-arrow';
import { type Chunks, isBatch } from '../chunks.js';
import { userError } from '../operator-failure.js';

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

export function batchFrom(schema: Schema, length: number, children: readonly Data[]): RecordBatch {
  const type = new Struct(schema.fields);
  return new RecordBatch(schema, makeData({ type, length, nullCount: 0, children: [...children] }));
}

/** Rows of a batch that an operator makes: small enough to be sent, large enough for columns to pay. */
export const BATCH_ROWS = 1 << 16;
