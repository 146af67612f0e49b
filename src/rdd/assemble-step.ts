import {
  type Data,
  DataType,
  type Decimal,
  type FixedSizeList,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  type Vector,
} from 'apache-arrow';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import { type Chunks, isBatch } from './chunks.js';
import type { StepFunction } from './fused-chain.js';
import { listColumn } from './list-column.js';
import { userError } from './operator-failure.js';
import { fieldOf, isNumeric } from './tables/schema-rules.js';
import { takeRows } from './take-rows.js';

export interface AssembleParameters {
  readonly columns: readonly string[];
  readonly into: string;
  readonly badRows: 'error' | 'drop';
}

/** How a step of the engine is called and what it reports. */
export interface StepContext {
  /** `assemble at job.ts:12` */
  readonly name: string;
  report(counter: string, amount: number): void;
  /** Number of the partition. */
  readonly partition: number;
  /** Of the step, where it has one. */
  readonly fn?: StepFunction;
}

/** Key of a feature column's metadata: the names of its values, as a JSON array. */
export const FEATURE_NAMES = 'sheaf.features';

/** Step that adds a `FixedSizeList<Float32>` column made of number columns. */
export async function* transform(
  chunks: Chunks,
  parameters: Json,
  _task: TaskContext,
  { name, report }: StepContext,
): Chunks {
  const options = parameters as unknown as AssembleParameters;
  let rows = 0;
  for await (const chunk of chunks) {
    if (!isBatch(chunk)) throw userError(`${name} needs Arrow record batches, and part of this RDD holds plain rows`);
    const { batch, bad } = assembleBatch(chunk, options, name, rows);
    rows += chunk.numRows;
    if (bad > 0) report('badRows', bad);
    yield batch;
  }
}

/**
 * The batch with a column of features, without the rows that lack one, where such are dropped: `bad` of them.
 * @param before rows of the partition before this batch, for messages
 * @throws FailureError naming row and column
 */
export function assembleBatch(
  batch: RecordBatch,
  options: AssembleParameters,
  name: string,
  before = 0,
): { batch: RecordBatch; bad: number } {
  const { batch: whole, bad } = assembled(batch, options, name, before);
  if (bad.size === 0) return { batch: whole, bad: 0 };
  const rows = Array.from({ length: whole.numRows }, (_, row) => row).filter((row) => !bad.has(row));
  return { batch: takeRows(whole, rows), bad: bad.size };
}

function assembled(
  batch: RecordBatch,
  { columns, into, badRows }: AssembleParameters,
  name: string,
  before: number,
): { batch: RecordBatch; bad: Set<number> } {
  const names = columns.map((column) => featuresOf(batch.schema, column));
  const width = names.flat().length;
  const matrix = new Float32Array(batch.numRows * width);
  const bad = new Set<number>();
  if (batch.getChild(into)) throw userError(`${name}: there is already a column "${into}"; give another name`);
  let first = 0;
  for (const [k, column] of columns.entries()) {
    const own = names[k]!.length;
    const read = valuesOf(batch, column, own, name);
    for (let row = 0, start = first; row < batch.numRows; row++, start += width)
      for (let j = 0; j < own; j++) {
        const value = read(row, j);
        matrix[start + j] = value ?? Number.NaN;
        if (value !== null && Number.isFinite(matrix[start + j])) continue;
        if (badRows === 'error') throw unusable(name, column, before + row, value);
        bad.add(row);
      }
    first += own;
  }
  return { batch: withFeatures(batch, matrix, names.flat(), into), bad };
}

/** Names of the features a column gives: its own, or, of a vector, those it knows, else its name and a number. */
function featuresOf(schema: Schema, column: string): string[] {
  const field = schema.fields.find(({ name }) => name === column);
  if (!field || !isVector(field.type)) return [column];
  const names = field.metadata.get(FEATURE_NAMES);
  if (names !== undefined) return JSON.parse(names) as string[];
  return Array.from({ length: field.type.listSize }, (_, k) => `${column}[${k}]`);
}

const isVector = (type: DataType): type is FixedSizeList =>
  DataType.isFixedSizeList(type) && DataType.isFloat(type.valueType) && type.valueType.precision === 1;

/** Reads value `j` of a row's number (one) or vector, null where there is none. */
function valuesOf(batch: RecordBatch, column: string, width: number, name: string) {
  const vector = batch.getChild(column);
  if (!vector || !isVector(vector.type)) return numbersOf(batch, column, name);
  const list = vector.data[0]!;
  const items = list.children[0]!;
  const first = items.length === list.length * width ? 0 : list.offset * width;
  return (row: number, j: number) => {
    const at = first + row * width + j;
    return list.getValid(row) && items.getValid(at) ? (items.values as Float32Array)[at]! : null;
  };
}

function unusable(name: string, column: string, row: number, value: number | null): Error {
  const what = value === null ? 'no value' : `the value ${value}`;
  const why = value !== null && Number.isFinite(value) ? ', which is beyond 32-bit floats' : '';
  return userError(
    `${name}: column "${column}" has ${what} in row ${row + 1} of the partition${why}; features must be finite numbers. ` +
      "Fill it in, leave the column out, or leave such rows out with badRows: 'drop'",
  );
}

/** Reads a row's number, null where there is none. @throws FailureError when the column is missing or not of numbers */
function numbersOf(batch: RecordBatch, column: string, name: string): (row: number) => number | null {
  const vector = batch.getChild(column);
  if (!vector) throw userError(`${name}: there is no column "${column}"; there are ${batch.schema.names.join(', ')}`);
  const type = vector.type as DataType;
  const data = vector.data[0];
  if (data && isTyped(type)) return typedNumbers(data);
  if (DataType.isInt(type) || DataType.isFloat(type) || DataType.isBool(type)) return (row) => orNull(vector, row);
  if (DataType.isDecimal(type)) return (row) => decimal(vector, row, type);
  throw noNumbers(name, column, type);
}

function noNumbers(name: string, column: string, type: DataType): Error {
  return userError(
    `${name}: column "${column}" holds ${type}, no numbers; leave it out, or map its values to numbers first`,
  );
}

const isTyped = (type: DataType) =>
  (DataType.isInt(type) && type.bitWidth < 64) || (DataType.isFloat(type) && type.precision > 0);

function typedNumbers(data: Data): (row: number) => number | null {
  const values = data.values as Float64Array; // of a slice: already moved to its first row
  return data.nullCount === 0 ? (row) => values[row]! : (row) => (data.getValid(row) ? values[row]! : null);
}

function orNull(vector: Vector, row: number): number | null {
  const value = vector.get(row) as number | bigint | boolean | null;
  return value === null ? null : Number(value);
}

/** Two's complement in 32-bit words, lowest first, of the value times 10^scale. */
function decimal(vector: Vector, row: number, { scale, bitWidth }: Decimal): number | null {
  const words = vector.get(row) as Uint32Array | null;
  if (words === null) return null;
  const bits = words.reduceRight((all, word) => (all << 32n) | BigInt(word), 0n);
  return Number(BigInt.asIntN(bitWidth, bits)) / 10 ** scale;
}

function withFeatures(batch: RecordBatch, matrix: Float32Array, names: readonly string[], into: string): RecordBatch {
  const list = featureColumn(into, matrix, names);
  const fields = [...batch.schema.fields, list.field];
  const children = [...batch.data.children, list.data];
  const data = makeData({ type: new Struct(fields), length: batch.numRows, nullCount: 0, children });
  return new RecordBatch(new Schema(fields, batch.schema.metadata), data);
}

function featureColumn(into: string, matrix: Float32Array, names: readonly string[]) {
  return listColumn(into, matrix, names.length, new Map([[FEATURE_NAMES, JSON.stringify(names)]]));
}

/** Pure. @throws FailureError for a column that is missing or not of numbers, or a name that is taken */
export function schemaWithFeatures(schema: Schema, columns: readonly string[], into: string, name: string): Schema {
  for (const column of columns) {
    const { type } = fieldOf(schema, column, name);
    if (!isNumeric(type) && !DataType.isBool(type) && !isVector(type)) throw noNumbers(name, column, type);
  }
  if (schema.fields.some((field) => field.name === into))
    throw userError(`${name}: there is already a column "${into}"; give another name`);
  const names = columns.flatMap((column) => featuresOf(schema, column));
  return new Schema([...schema.fields, featureColumn(into, new Float32Array(0), names).field], schema.metadata);
}
