import { type Data, Field, type RecordBatch, type Schema } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../assemble-step.js';
import { batchRows, type Chunks } from '../chunks.js';
import type { StepFunction } from '../fused-chain.js';
import { isPromise, operatorFailure, refusePromise, userError } from '../operator-failure.js';
import { batches, batchFrom } from './batches.js';
import { callByColumns } from './column-loop.js';
import { indexOf, schemaWith } from './schema-rules.js';
import { columnFrom, inferType, isMisfit, type TableType, toArrowType } from './types.js';

export interface WithColumnParameters {
  readonly column: string;
  /** The function's arguments; null: the whole row as an object. */
  readonly of: readonly string[] | null;
  /** Null: that of the first value in each partition. */
  readonly type: TableType | null;
}

/** Pure. */
export function schemaWithColumn(schema: Schema, { column, of, type }: WithColumnParameters, name: string) {
  for (const each of of ?? []) indexOf(schema, each, name);
  return type === null ? undefined : withField(schema, new Field(column, toArrowType(type), true));
}

/** In the place of a column of that name, else last. */
function withField(schema: Schema, field: Field): Schema {
  const at = placeOf(schema, field.name);
  return schemaWith(schema, [...schema.fields.slice(0, at), field, ...schema.fields.slice(at + 1)]);
}

function placeOf({ fields }: Schema, column: string): number {
  const at = fields.findIndex(({ name }) => name === column);
  return at < 0 ? fields.length : at;
}

export async function* transform(
  chunks: Chunks,
  parameters: Json,
  _task: TaskContext,
  { name, fn }: StepContext,
): Chunks {
  const { column, of, type: given } = parameters as unknown as WithColumnParameters;
  let type = given;
  let rows = 0;
  // Until a value tells the type, batches wait.
  const waiting: { batch: RecordBatch; values: unknown[] }[] = [];
  for await (const batch of batches(chunks, name)) {
    const values = valuesOf(batch, of, fn!, name);
    for (const value of values) if (isPromise(value)) refusePromise(name);
    type ??= inferType(values) ?? null;
    waiting.push({ batch, values });
    if (type === null) continue;
    for (const each of waiting.splice(0)) {
      yield withColumn(each.batch, column, made(each.values, type, rows));
      rows += each.batch.numRows;
    }
  }
  for (const each of waiting) yield withColumn(each.batch, column, made(each.values, 'float64', rows));

  function made(values: readonly unknown[], as: TableType, before: number): Data {
    const data = columnFrom(as, values);
    if (!isMisfit(data)) return data;
    const advice = given === null ? '; the type was taken from the first value, give another as the last argument' : '';
    throw userError(
      `${name}: column "${column}", row ${before + data.row + 1} of the partition: ${data.what}${advice}`,
    );
  }
}

function valuesOf(batch: RecordBatch, of: readonly string[] | null, fn: StepFunction, name: string): unknown[] {
  if (of) {
    const columns = of.map((each) => batch.data.children[indexOf(batch.schema, each, name)]!);
    return callByColumns(fn, columns, batch.numRows, name);
  }
  try {
    return batchRows(batch).map((row) => fn.call(row));
  } catch (error) {
    throw operatorFailure(error, name);
  }
}

/** A batch with one column more, or another in the place of one. */
export function withColumn(batch: RecordBatch, column: string, data: Data): RecordBatch {
  const at = placeOf(batch.schema, column);
  const { children } = batch.data;
  const schema = withField(batch.schema, new Field(column, data.type, true));
  return batchFrom(schema, batch.numRows, [...children.slice(0, at), data, ...children.slice(at + 1)]);
}
