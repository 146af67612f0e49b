import type { RecordBatch, Schema } from 'apache-arrow';
import { type Chunks, isBatch } from '../chunks.js';
import { userError } from '../operator-failure.js';

/** A table's chunks: record batches of one schema. @throws FailureError for rows, and for a batch with other columns */
export async function* tableBatches(chunks: Chunks, name: string): AsyncGenerator<RecordBatch> {
  let first: string | undefined;
  for await (const chunk of chunks) {
    if (!isBatch(chunk))
      throw userError(
        `${name} needs Arrow record batches, and part of this RDD holds plain rows (a union with an RDD?)`,
      );
    const columns = describe(chunk.schema);
    first ??= columns;
    if (columns !== first)
      throw userError(`${name}: the table's columns change within a partition, from (${first}) to (${columns})`);
    yield chunk;
  }
}

const describe = ({ fields }: Schema) => fields.map(({ name, type }) => `${name}: ${type}`).join(', ');
