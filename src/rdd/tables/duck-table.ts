import type { DuckDBConnection, DuckDBDataChunk, DuckDBVector } from '@duckdb/node-api';
import { type Data, DataType, Field, type RecordBatch, Schema, TimeUnit } from 'apache-arrow';
import { userError } from '../operator-failure.js';
import { arrowTypeOfDuck, DuckColumn } from '../sources/duck-arrow.js';
import { fetchChunks } from '../sources/duckdb.js';
import { batchFrom } from './batches.js';
import { isTyped, readerOf } from './column-reader.js';
import { plainType } from './join-schema.js';

/** Rows of one of DuckDB's vectors. */
const VECTOR_ROWS = 2048;

/** Makes the table `t` of a connection, without rows. @throws FailureError for a column that DuckDB cannot take over */
export async function createTable(connection: DuckDBConnection, schema: Schema, name: string): Promise<void> {
  const columns = schema.fields.map((field) => `${quoted(field.name)} ${duckTypeOf(field, name)}`);
  await connection.run(`CREATE TEMP TABLE t (${columns.join(', ')})`);
}

/** Columns that a query over `t` gives. @throws Error of DuckDB's for a query that is wrong */
export async function queryFields(connection: DuckDBConnection, query: string): Promise<Field[]> {
  const statement = await connection.prepare(query);
  try {
    return Array.from(
      { length: statement.columnCount },
      (_, k) => new Field(statement.columnName(k), arrowTypeOfDuck(statement.columnType(k)), true),
    );
  } finally {
    statement.destroySync();
  }
}

/** Appends batches to `t`: typed columns are copied as they are. */
export async function appendAll(connection: DuckDBConnection, batches: AsyncIterable<RecordBatch>): Promise<void> {
  const { DuckDBDataChunk: Chunk } = await import('@duckdb/node-api');
  const appender = await connection.createAppender('t');
  const types = (await connection.run('FROM t LIMIT 0')).columnTypes();
  const chunk = Chunk.create(types, VECTOR_ROWS);
  for await (const batch of batches)
    for (let from = 0; from < batch.numRows; from += VECTOR_ROWS) {
      fill(chunk, batch.slice(from, from + VECTOR_ROWS));
      appender.appendDataChunk(chunk);
    }
  appender.closeSync();
}

/** What a query gives, chunks gathered to batches of about so many rows. */
export async function* queryBatches(connection: DuckDBConnection, query: string, rows: number) {
  const schema = new Schema(await queryFields(connection, query));
  const columns = schema.fields.map(({ type }) => new DuckColumn(type));
  let held = 0;
  const flush = () => {
    const batch = batchFrom(
      schema,
      held,
      columns.map((column) => column.finish()),
    );
    held = 0;
    return batch;
  };
  for await (const chunk of fetchChunks(connection, query)) {
    for (const [k, column] of columns.entries()) column.append(chunk.getColumnVector(k));
    held += chunk.rowCount;
    if (held >= rows) yield flush();
  }
  if (held > 0) yield flush();
}

function fill(chunk: DuckDBDataChunk, batch: RecordBatch): void {
  chunk.reset();
  chunk.rowCount = batch.numRows;
  for (const [k, column] of batch.data.children.entries()) {
    const vector = chunk.getColumnVector(k);
    if (isTyped(column.type) || DataType.isInt(column.type)) copyTyped(column, vector);
    else if (DataType.isTimestamp(column.type) || DataType.isDate(column.type)) copyTyped(column, vector);
    else {
      const read = readerOf(column);
      chunk.setColumnValues(
        k,
        Array.from({ length: column.length }, (_, row) => read(row)),
      );
    }
  }
}

/** DuckDB's vectors of numbers are typed arrays with a bit a row, as Arrow's columns are. */
function copyTyped(column: Data, vector: DuckDBVector): void {
  const { items, validity } = vector as unknown as {
    items: Float64Array;
    validity: { setItemValid(row: number, valid: boolean): void };
  };
  items.set((column.values as Float64Array).subarray(0, column.length));
  if (column.nullCount > 0)
    for (let row = 0; row < column.length; row++) validity.setItemValid(row, column.getValid(row));
  vector.flush();
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

const TIMES = {
  [TimeUnit.SECOND]: 'TIMESTAMP_S',
  [TimeUnit.MILLISECOND]: 'TIMESTAMP_MS',
  [TimeUnit.MICROSECOND]: 'TIMESTAMP',
  [TimeUnit.NANOSECOND]: 'TIMESTAMP_NS',
};
const INTEGERS: Readonly<Record<number, string>> = { 8: 'TINYINT', 16: 'SMALLINT', 32: 'INTEGER', 64: 'BIGINT' };

function duckTypeOf(field: Field, name: string): string {
  const type = plainType(field.type) as DataType;
  if (DataType.isInt(type)) return `${type.isSigned ? '' : 'U'}${INTEGERS[type.bitWidth]!}`;
  if (DataType.isFloat(type) && type.precision > 0) return type.precision === 1 ? 'FLOAT' : 'DOUBLE';
  if (DataType.isUtf8(type)) return 'VARCHAR';
  if (DataType.isBool(type)) return 'BOOLEAN';
  if (DataType.isTimestamp(type)) return TIMES[type.unit as TimeUnit];
  if (DataType.isDate(type) && type.unit === 0) return 'DATE';
  throw userError(
    `${name}: column "${field.name}" holds ${field.type}, which SQL cannot take over; leave it out: drop("${field.name}")`,
  );
}
