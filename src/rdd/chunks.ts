import { RecordBatch } from 'apache-arrow';
import { ColumnBuilder, JoinedPairs, Pairs } from './columns.js';
import { refuseRow } from './operator-failure.js';
import { plainValue } from './plain-value.js';

/**
 * What flows through a partition's pipeline: an array of rows, numbers side by side, pairs in two columns, what a join
 * gives in three, an Arrow record batch, or numbers not made yet.
 */
export type Chunk = readonly unknown[] | Float64Array | Pairs | JoinedPairs | RecordBatch | NumberRange;
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

  /** Of whole numbers: whether all, and the one behind the last, are of 32 bits. */
  get small(): boolean {
    const { from, step, first, length } = this;
    return [step, from + first * step, from + (first + length) * step].every((value) => value === (value | 0));
  }

  slice(from: number, to: number): NumberRange {
    return new NumberRange(this.from, this.step, this.first + from, to - from);
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
  if (chunk instanceof NumberRange || chunk instanceof Pairs || chunk instanceof JoinedPairs) return chunk.toArray();
  return chunk instanceof Float64Array ? numbersAsRows(chunk) : chunk;
}

/** `Array.from` goes through an iterator, ten times slower. */
function numbersAsRows(numbers: Float64Array): number[] {
  const rows = new Array<number>(numbers.length);
  for (let i = 0; i < rows.length; i++) rows[i] = numbers[i]!;
  return rows;
}

/** The rows of chunks, one after another, as a user's function takes them; typed columns are read where they are. */
export function rowIterator(chunks: readonly Chunk[]): IterableIterator<unknown> {
  const lists = chunks.map((chunk) => (chunk instanceof Float64Array ? chunk : rowsOf(chunk)));
  return lists.length === 1 ? lists[0]![Symbol.iterator]() : new RowIterator(lists);
}

class RowIterator implements IterableIterator<unknown> {
  #list = 0;
  #at = 0;

  constructor(readonly lists: readonly (Float64Array | readonly unknown[])[]) {}

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<unknown> {
    for (; this.#list < this.lists.length; this.#list++, this.#at = 0) {
      const list = this.lists[this.#list]!;
      if (this.#at < list.length) return { done: false, value: list[this.#at++] };
    }
    return { done: true, value: undefined };
  }
}

/** A chunk in parts of at most `size` rows, in order; ranges and typed columns stay what they are. */
export function* piecesOf(chunk: Chunk, size: number): Generator<Exclude<Chunk, RecordBatch>> {
  const rows = isBatch(chunk) ? batchRows(chunk) : chunk;
  if (rows.length <= size) return yield rows;
  for (let from = 0; from < rows.length; from += size) {
    const to = Math.min(from + size, rows.length);
    yield rows instanceof Float64Array ? rows.subarray(from, to) : rows.slice(from, to);
  }
}

/** A chunk of rows `[key, value]` as two columns. @param name of the operator, for the error that other rows are */
export function pairsOf(chunk: Chunk, name: string): Pairs {
  if (chunk instanceof Pairs) return chunk;
  if (chunk instanceof JoinedPairs) return chunk.toPairs();
  const keys = new ColumnBuilder();
  const values = new ColumnBuilder();
  for (const row of rowsOf(chunk)) {
    if (!Array.isArray(row) || row.length !== 2) refuseRow(name, row);
    keys.push(row[0]);
    values.push(row[1]);
  }
  return new Pairs(keys.finish(), values.finish());
}

/** A batch as plain objects, column by column: no row proxies. Dictionaries are decoded, lists become arrays, structs objects. */
export function batchRows(batch: RecordBatch): Record<string, unknown>[] {
  const rows: Record<string, unknown>[] = Array.from({ length: batch.numRows }, () => ({}));
  for (const [index, field] of batch.schema.fields.entries()) {
    const column = batch.getChildAt(index)!;
    for (let i = 0; i < rows.length; i++) {
      rows[i]![field.name] = plainValue(column.get(i));
    }
  }
  return rows;
}
