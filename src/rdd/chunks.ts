import { RecordBatch, Vector } from 'apache-arrow';

/** What flows through a partition's pipeline: an array of rows, or an Arrow record batch. */
export type Chunk = readonly unknown[] | RecordBatch;
export type Chunks = AsyncIterable<Chunk>;

export function isBatch(chunk: Chunk): chunk is RecordBatch {
  return chunk instanceof RecordBatch;
}

export function chunkLength(chunk: Chunk): number {
  return isBatch(chunk) ? chunk.numRows : chunk.length;
}

/** A batch as plain objects, column by column: no row proxies. Dictionaries are decoded. */
export function batchRows(batch: RecordBatch): Record<string, unknown>[] {
  const rows: Record<string, unknown>[] = Array.from({ length: batch.numRows }, () => ({}));
  for (const [index, field] of batch.schema.fields.entries()) {
    const column = batch.getChildAt(index)!;
    for (let i = 0; i < rows.length; i++) {
      const value = column.get(i);
      rows[i]![field.name] = value instanceof Vector ? Array.from(value) : value;
    }
  }
  return rows;
}

/** Runs `work` over items, at most `width` at a time, answers in order. */
export async function mapOrdered<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index]!);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  return results;
}
