import type { Data, DataType, RecordBatch, Schema } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../assemble-step.js';
import type { Chunks } from '../chunks.js';
import { estimateBytes } from '../memory/estimate.js';
import { Reservation } from '../shuffle/reservation.js';
import { columnOf } from '../sources/arrow-values.js';
import { decodeSchema } from '../sources/schema.js';
import { takeColumn, takeRows } from '../take-rows.js';
import { alike, batchFrom } from './batches.js';
import { BucketFile, MAX_LEVEL } from './bucket-file.js';
import { readerOf } from './column-reader.js';
import { concatBatches, emptyColumn } from './concat.js';
import { type JoinedColumns, type JoinParameters, joinedColumns } from './join-schema.js';
import { columnsAt, KeyTable } from './key-table.js';
import { indexOf } from './schema-rules.js';

/** Index, chain and table: bytes a row beside its columns. */
const INDEX_BYTES = 48;

/** With the schemas of both sides, where a side without rows must be filled with nulls. */
export interface JoinStepParameters extends JoinParameters {
  readonly schemas?: readonly [left: string, right: string];
}

interface Side {
  /** Known from the plan, or from the first batch. */
  schema: Schema | undefined;
}

/**
 * Hash join of one partition: the right side is held in memory, the left one streams past it; a right side too large for the slot's
 * memory is cut into buckets on disk, the left side too, and these are joined one by one. Left rows keep their order; unmatched right
 * rows come last.
 */
export async function* transform(
  inputs: readonly Chunks[],
  parameters: Json,
  task: TaskContext,
  { name }: StepContext,
): Chunks {
  const { schemas, ...options } = parameters as unknown as JoinStepParameters;
  const [left, right] = schemas?.map((schema) => ({ schema: decodeSchema(schema) })) ?? [];
  const sides = [left ?? { schema: undefined }, right ?? { schema: undefined }] as const;
  yield* new JoinTask(options, sides, task, name).join(inputs[0]!, inputs[1]!, 0);
}

class JoinTask {
  #columns: JoinedColumns | undefined;

  constructor(
    readonly options: JoinParameters,
    readonly sides: readonly [Side, Side],
    readonly task: TaskContext,
    readonly name: string,
  ) {}

  async *join(left: Chunks, right: Chunks, level: number): Chunks {
    using memory = new Reservation();
    const held: RecordBatch[] = [];
    let rights: BucketFile | undefined;
    let lefts: BucketFile | undefined;
    try {
      for await (const batch of alike(right, this.name)) {
        this.sides[1].schema ??= batch.schema;
        if (rights) rights.add(batch);
        else {
          held.push(batch);
          if (memory.grows(estimateBytes(batch) * 2 + batch.numRows * INDEX_BYTES) || level === MAX_LEVEL) continue;
          rights = new BucketFile(this.#keys(1), level, this.task);
          for (const each of held.splice(0)) rights.add(each);
          memory.reset();
        }
      }
      if (!rights) return yield* this.#inMemory(left, held);
      for await (const batch of alike(left, this.name)) {
        this.sides[0].schema ??= batch.schema;
        lefts ??= new BucketFile(this.#keys(0), level, this.task);
        lefts.add(batch);
      }
      for (const bucket of rights) yield* this.join(lefts?.read(bucket) ?? nothing(), rights.read(bucket), level + 1);
    } finally {
      rights?.[Symbol.dispose]();
      lefts?.[Symbol.dispose]();
    }
  }

  #keys(side: 0 | 1): number[] {
    const { left, right } = this.options;
    return (side === 0 ? left : right).map((key) => indexOf(this.sides[side].schema!, key, this.name));
  }

  /** Once both schemas are known. */
  get #joined(): JoinedColumns {
    const [left, right] = this.sides;
    this.#columns ??= joinedColumns(left.schema!, right.schema!, this.options, this.name);
    return this.#columns;
  }

  async *#inMemory(left: Chunks, held: readonly RecordBatch[]): Chunks {
    const { how } = this.options;
    const index = held.length > 0 ? new RightIndex(concatBatches(held), this.#keys(1)) : undefined;
    for await (const batch of alike(left, this.name)) {
      this.sides[0].schema ??= batch.schema;
      const ids = index?.find(columnsAt(batch, this.#keys(0)), batch.numRows);
      if (how === 'semi' || how === 'anti') {
        const rows: number[] = [];
        for (let row = 0; row < batch.numRows; row++)
          if ((ids !== undefined && ids[row]! >= 0) === (how === 'semi')) rows.push(row);
        if (rows.length > 0) yield rows.length === batch.numRows ? batch : takeRows(batch, rows);
        continue;
      }
      const { mine, theirs } = pairs(ids, index, batch.numRows, how === 'left' || how === 'outer');
      if (mine.length > 0) yield this.#output(batch, mine, index?.batch, theirs);
    }
    if (index && (how === 'right' || how === 'outer')) {
      const rows = index.unmatched();
      if (rows.length > 0) yield this.#output(undefined, new Array(rows.length).fill(-1), index.batch, rows);
    }
  }

  /** Rows of both sides side by side; -1 for a side without. */
  #output(
    left: RecordBatch | undefined,
    mine: number[],
    right: RecordBatch | undefined,
    theirs: number[],
  ): RecordBatch {
    const { schema, added } = this.#joined;
    const leftSchema = this.sides[0].schema!;
    const rightSchema = this.sides[1].schema!;
    const { left: leftKeys, right: rightKeys } = this.options;
    const columns = leftSchema.fields.map((field, k) => {
      const { type } = schema.fields[k]!;
      const own = left?.data.children[k];
      const key = leftKeys.indexOf(field.name);
      if (own) return typed(taken(own, mine), type);
      if (key < 0) return nulls(type, mine.length);
      return typed(taken(right!.data.children[indexOf(rightSchema, rightKeys[key]!, this.name)]!, theirs), type);
    });
    const others = added.map((column, k) => {
      const { type } = schema.fields[leftSchema.fields.length + k]!;
      const own = right?.data.children[indexOf(rightSchema, column, this.name)];
      return own ? typed(taken(own, theirs), type) : nulls(type, theirs.length);
    });
    return batchFrom(schema, mine.length, [...columns, ...others]);
  }
}

async function* nothing(): Chunks {}

function taken(column: Data, rows: number[]): Data {
  return takeColumn(column, rows, true);
}

/** A column with the type that the result has: another dictionary's id, a plain type for a dictionary, a common type of keys. */
function typed(column: Data, type: DataType): Data {
  if (String(column.type) === String(type)) return column.clone(type as never) as Data;
  const read = readerOf(column);
  const values = Array.from({ length: column.length }, (_, row) => read(row));
  return columnOf(
    type,
    values.map((value) => (typeof value === 'bigint' ? Number(value) : value)),
  );
}

function nulls(type: DataType, length: number): Data {
  return takeColumn(emptyColumn(type), new Int32Array(length).fill(-1), true);
}

/** Each left row with each right row of its key. @param keeps left rows without one */
function pairs(ids: Int32Array | undefined, index: RightIndex | undefined, length: number, keeps: boolean) {
  const mine: number[] = [];
  const theirs: number[] = [];
  for (let row = 0; row < length; row++) {
    const id = ids === undefined ? -1 : ids[row]!;
    if (id < 0) {
      if (!keeps) continue;
      mine.push(row);
      theirs.push(-1);
      continue;
    }
    index!.matched[id] = 1;
    for (let other = index!.first[id]!; other >= 0; other = index!.next[other]!) {
      mine.push(row);
      theirs.push(other);
    }
  }
  return { mine, theirs };
}

/** The right side's rows of each key, as chains through row numbers. Null keys match nothing. */
class RightIndex {
  readonly #table: KeyTable;
  readonly #ids: Int32Array;
  readonly first: Int32Array;
  readonly next: Int32Array;
  /** By key. */
  readonly matched: Uint8Array;

  constructor(
    readonly batch: RecordBatch,
    keys: readonly number[],
  ) {
    const columns = columnsAt(batch, keys);
    this.#table = new KeyTable(keys.length);
    this.#ids = this.#table.add(columns, batch.numRows);
    for (const column of columns)
      if (column.nullCount > 0)
        for (let row = 0; row < batch.numRows; row++) if (!column.getValid(row)) this.#ids[row] = -1;
    this.first = new Int32Array(this.#table.size).fill(-1);
    this.next = new Int32Array(batch.numRows).fill(-1);
    this.matched = new Uint8Array(this.#table.size);
    for (let row = batch.numRows - 1; row >= 0; row--) {
      const id = this.#ids[row]!;
      if (id < 0) continue;
      this.next[row] = this.first[id]!;
      this.first[id] = row;
    }
  }

  /** The key's number for each row of the left side, -1 where there is none. */
  find(columns: readonly Data[], length: number): Int32Array {
    return this.#table.find(columns, length, false);
  }

  unmatched(): number[] {
    const rows: number[] = [];
    for (let row = 0; row < this.#ids.length; row++)
      if (this.#ids[row]! < 0 || this.matched[this.#ids[row]!] === 0) rows.push(row);
    return rows;
  }
}
