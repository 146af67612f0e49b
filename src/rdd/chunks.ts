import { RecordBatch, Vector } from 'apache-arrow';

/** What flows through a partition's pipeline: an array of rows, an Arrow record batch, or numbers not made yet. */
export type Chunk = readonly unknown[] | RecordBatch | NumberRange;
export type Chunks = AsyncIterable<Chunk>;

/** Rows that operators make and hand on together: arrays of this length stay in V8's young generation. */
export const CHUNK_ROWS = 4096;

/**
 * The numbers `from + i * step` for `length` values of i from `first` on: the generated loops count instead of reading an
 * array. A number has the same bits however a range is cut.
 */
export class NumberRange {
  constructor(
    readonly from: number,
    readonly step: number,
    readonly first: number,
    readonly length: number,
  ) {}

  /** Whether all are whole numbers that a double holds exactly. */
  get whole(): boolean {
    const { from, step, first, length } = this;
    return [from, step, from + first * step, from + (first + length) * step].every(Number.isSafeInteger);
  }

  toArray(): number[] {
    return Array.from({ length: this.length }, (_, i) => this.from + (this.first + i) * this.step);
  }
}

export function isBatch(chunk: Chunk): chunk is RecordBatch {
  return chunk instanceof RecordBatch;
}

export function chunkLength(chunk: Chunk): number {
  return isBatch(chunk) ? chunk.numRows : chunk.length;
}

/** A chunk as plain values. */
export function rowsOf(chunk: Chunk): readonly unknown[] {
  if (isBatch(chunk)) return batchRows(chunk);
  return chunk instanceof NumberRange ? chunk.toArray() : chunk;
}

/** A batch as plain objects, column by column: no row proxies. Dictionaries are decoded, lists become arrays. */
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

/** Parts of at most `size` rows, in order. */
export function* slices(rows: readonly unknown[], size: number): Generator<readonly unknown[]> {
  if (rows.length <= size) return yield rows;
  for (let from = 0; from < rows.length; from += size) yield rows.slice(from, from + size);
}
