import type { RecordBatch } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../assemble-step.js';
import type { Chunks } from '../chunks.js';
import { userError } from '../operator-failure.js';
import { connect } from '../sources/duckdb.js';
import { decodeSchema } from '../sources/schema.js';
import { alike, BATCH_ROWS } from './batches.js';
import { appendAll, createTable, queryBatches } from './duck-table.js';

export interface SqlParameters {
  readonly query: string;
  /** Of the table, encoded: for partitions without rows. */
  readonly schema: string;
}

/** Step of `sql`: DuckDB runs the query over each partition, which is its table `t`. */
export async function* transform(chunks: Chunks, parameters: Json, _task: TaskContext, { name }: StepContext): Chunks {
  const { query, schema: encoded } = parameters as unknown as SqlParameters;
  const connection = await connect();
  try {
    const rows = alike(chunks, name);
    const first = await rows.next();
    await createTable(connection, first.done ? decodeSchema(encoded) : first.value.schema, name);
    if (!first.done) await appendAll(connection, starting(first.value, rows));
    yield* answers(queryBatches(connection, query, BATCH_ROWS), name);
  } finally {
    connection.closeSync();
  }
}

async function* starting(first: RecordBatch, rest: AsyncIterable<RecordBatch>) {
  yield first;
  yield* rest;
}

async function* answers(batches: AsyncIterable<RecordBatch>, name: string): Chunks {
  const iterator = batches[Symbol.asyncIterator]();
  for (;;) {
    let next: IteratorResult<RecordBatch>;
    try {
      next = await iterator.next();
    } catch (error) {
      throw userError(`${name}: ${(error as Error).message}`);
    }
    if (next.done) return;
    yield next.value;
  }
}
