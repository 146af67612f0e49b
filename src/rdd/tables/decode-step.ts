import { type RecordBatch, RecordBatchReader } from 'apache-arrow';
import type { Chunks } from '../chunks.js';
import { rowsOf } from '../chunks.js';

/** Step that makes record batches of Arrow streams, one a row. */
export async function* transform(chunks: Chunks): Chunks {
  for await (const chunk of chunks)
    for (const bytes of rowsOf(chunk))
      for (const batch of decodeBatches(bytes as Uint8Array)) if (batch.numRows > 0) yield batch;
}

/** The batches of an Arrow stream; columns are views of bytes that are 8-byte aligned. */
export function decodeBatches(bytes: Uint8Array): RecordBatch[] {
  return [...RecordBatchReader.from(bytes.byteOffset % 8 === 0 ? bytes : bytes.slice())];
}
