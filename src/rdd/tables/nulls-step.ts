import { type Data, DataType, Field, type RecordBatch, type Schema } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../assemble-step.js';
import type { Chunks } from '../chunks.js';
import { userError } from '../operator-failure.js';
import { columnOf } from '../sources/arrow-values.js';
import { takeRows } from '../take-rows.js';
import { batches, batchFrom } from './batches.js';
import { readerOf } from './column-reader.js';
import { indexOf, schemaWith } from './schema-rules.js';

export type FillValue = number | string | boolean;

export type NullsParameters =
  /** Of no columns: of all. */
  | { readonly drop: readonly string[] | null; readonly how: 'any' | 'all' }
  /** By column, or one value for every column of its kind. */
  | { readonly fill: Readonly<Record<string, FillValue>> | FillValue };

/** Pure. @throws FailureError for a column that is missing, or of another kind than its value */
export function schemaWithoutNulls(schema: Schema, parameters: NullsParameters, name: string): Schema {
  if ('drop' in parameters) {
    for (const column of parameters.drop ?? []) indexOf(schema, column, name);
    return schema;
  }
  const values = fills(schema, parameters.fill, name);
  return schemaWith(
    schema,
    schema.fields.map((field, k) =>
      values[k] === undefined ? field : new Field(field.name, valueType(field.type), field.nullable, field.metadata),
    ),
  );
}

export async function* transform(chunks: Chunks, parameters: Json, _task: TaskContext, { name }: StepContext): Chunks {
  const options = parameters as unknown as NullsParameters;
  for await (const batch of batches(chunks, name))
    if ('drop' in options) yield* dropped(batch, options.drop, options.how, name);
    else yield filled(batch, options.fill, name);
}

/** Null, or NaN in a column of floats. @returns undefined where every row has a value */
function missingOf(column: Data): ((row: number) => boolean) | undefined {
  const isFloat = DataType.isFloat(column.type);
  if (!isFloat) return column.nullCount === 0 ? undefined : (row) => !column.getValid(row);
  const values = column.values as Float64Array;
  if (column.nullCount === 0) return (row) => Number.isNaN(values[row]);
  return (row) => !column.getValid(row) || Number.isNaN(values[row]);
}

function* dropped(
  batch: RecordBatch,
  columns: readonly string[] | null,
  how: 'any' | 'all',
  name: string,
): Generator<RecordBatch> {
  const indices = columns?.map((column) => indexOf(batch.schema, column, name)) ?? batch.schema.fields.map((_, k) => k);
  const missing = indices.map((k) => missingOf(batch.data.children[k]!));
  if (how === 'any' ? missing.every((each) => !each) : missing.some((each) => !each)) return yield batch;
  const rows: number[] = [];
  for (let row = 0; row < batch.numRows; row++) {
    let gone = 0;
    for (const isMissing of missing) if (isMissing?.(row)) gone++;
    if (how === 'any' ? gone === 0 : gone < missing.length) rows.push(row);
  }
  if (rows.length > 0) yield rows.length === batch.numRows ? batch : takeRows(batch, rows);
}

function filled(batch: RecordBatch, fill: Readonly<Record<string, FillValue>> | FillValue, name: string): RecordBatch {
  const values = fills(batch.schema, fill, name);
  const children = batch.data.children.map((column, k) =>
    values[k] === undefined ? column : withoutNulls(column, values[k]),
  );
  return batchFrom(schemaWithoutNulls(batch.schema, { fill }, name), batch.numRows, children);
}

function withoutNulls(column: Data, value: FillValue): Data {
  const type = valueType(column.type);
  const missing = missingOf(column);
  if (!missing && type === column.type) return column;
  const read = readerOf(column);
  const values = Array.from({ length: column.length }, (_, row) => (missing?.(row) ? value : read(row)));
  return columnOf(type, values);
}

/** A dictionary may lack the new value: its column becomes plain. */
const valueType = (type: DataType): DataType => (DataType.isDictionary(type) ? type.dictionary : type);

/** The value of each column, undefined where it stays as it is. */
function fills(schema: Schema, fill: Readonly<Record<string, FillValue>> | FillValue, name: string) {
  if (typeof fill !== 'object') return schema.fields.map(({ type }) => (takes(type, fill) ? fill : undefined));
  for (const [column, value] of Object.entries(fill)) {
    const { type } = schema.fields[indexOf(schema, column, name)]!;
    if (!takes(type, value))
      throw userError(`${name}: column "${column}" holds ${type}, which ${JSON.stringify(value)} is not`);
  }
  return schema.fields.map((field) => (Object.hasOwn(fill, field.name) ? fill[field.name] : undefined));
}

function takes(type: DataType, value: FillValue): boolean {
  const plain = valueType(type);
  if (typeof value === 'string') return DataType.isUtf8(plain);
  if (typeof value === 'boolean') return DataType.isBool(plain);
  return DataType.isFloat(plain) || (DataType.isInt(plain) && Number.isInteger(value));
}
