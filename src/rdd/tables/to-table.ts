import { type Data, Field, makeVector, type RecordBatch, RecordBatchStreamWriter, Schema } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import { shown } from '../arguments.js';
import type { ArrowRDD, Row } from '../arrow-rdd.js';
import { operatorName } from '../call-site.js';
import type { SheafContext } from '../context.js';
import type { RDD } from '../rdd.js';
import { own } from '../sources/arrow-values.js';
import { batchFrom } from './batches.js';
import { giveSchema } from './schema-rules.js';
import { columnFrom, inferType, isMisfit, requireTableType, type TableType, toArrowType } from './types.js';

/** Columns by name, all of one length. */
export type TableValues = Readonly<Record<string, readonly unknown[] | Exclude<NodeJS.TypedArray, Uint8ClampedArray>>>;

/** Types by column. */
export type TableTypes = Readonly<Record<string, TableType>>;

export interface TableOptions {
  readonly schema?: TableTypes;
  readonly partitions?: number;
}

/** Rows whose types tell those of a table. */
const SAMPLE_ROWS = 1000;

/** @throws TypeError for what is no schema */
function requireSchema(operator: string, schema: unknown): void {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema) || Object.keys(schema).length === 0)
    throw new TypeError(`the schema of ${operator} must be an object of types by column, not ${shown(schema)}`);
  for (const [column, type] of Object.entries(schema)) requireTableType(column, type);
}

export function schemaOfTypes(types: TableTypes): Schema {
  return new Schema(Object.entries(types).map(([name, type]) => new Field(name, toArrowType(type), true)));
}

/** Of every property that a row has; columns without any value are of numbers. */
function inferTypes(rows: readonly Row[]): TableTypes {
  const names = new Set(rows.flatMap((row) => (typeof row === 'object' && row !== null ? Object.keys(row) : [])));
  return Object.fromEntries(
    [...names].map((name) => [name, inferType(rows.map((row) => own(row, name))) ?? 'float64']),
  );
}

/** As `rdd.toTable`. */
export function tableOfRows(rdd: RDD<any>, given: TableTypes | undefined): ArrowRDD {
  if (given !== undefined) requireSchema('toTable', given);
  const { context } = rdd;
  let inferred: Promise<TableTypes> | undefined;
  const types = async () => {
    inferred ??= given ? Promise.resolve(given) : rdd.take(SAMPLE_ROWS).then(inferTypes);
    inferred.catch(() => {
      inferred = undefined; // the next job tries again
    });
    return inferred;
  };
  const step = { kind: 'module', module: 'rdd/tables/rows-step' } as const;
  const plan = async () => {
    const parameters = { types: await types(), given: given !== undefined } as unknown as Json;
    return { planner: undefined, step: { ...step, parameters } };
  };
  const node = {
    ...context.newNode(operatorName('toTable'), { ...step, parameters: null }, [rdd.node]),
    planner: { plan },
  };
  giveSchema(node, async () => schemaOfTypes(await types()));
  return context.tableOf(node);
}

/** As `sc.table`. */
export function tableOfValues(
  context: SheafContext,
  values: readonly Row[] | TableValues,
  given: TableTypes | undefined,
  partitions: number,
): ArrowRDD {
  if (typeof values !== 'object' || values === null)
    throw new TypeError(`table needs an array of objects, or an object of arrays, not ${shown(values)}`);
  if (given !== undefined) requireSchema('table', given);
  const batch = batchOfValues(values, given);
  const parts = Array.from({ length: partitions }, (_, p) => {
    const from = Math.floor((p * batch.numRows) / partitions);
    const to = Math.floor(((p + 1) * batch.numRows) / partitions);
    return RecordBatchStreamWriter.writeAll([batch.slice(from, to)]).toUint8Array(true);
  });
  const bytes = context.parallelize(parts, partitions);
  const step = { kind: 'module', module: 'rdd/tables/decode-step', parameters: null } as const;
  const node = context.newNode(operatorName('table'), step, [bytes.node]);
  giveSchema(node, async () => batch.schema);
  return context.tableOf(node);
}

/** Rows, or columns, of plain values as one record batch. @throws TypeError naming column and row of a value that does not fit */
export function batchOfValues(values: readonly Row[] | TableValues, given?: TableTypes): RecordBatch {
  const columns = Array.isArray(values) ? columnsOfRows(values, given) : columnsOf(values as TableValues, given ?? {});
  return batchOfColumns(columns);
}

function columnsOfRows(rows: readonly Row[], given: TableTypes | undefined): [string, Data][] {
  const wrong = rows.findIndex((row) => typeof row !== 'object' || row === null || Array.isArray(row));
  if (wrong >= 0)
    throw new TypeError(`table needs rows that are objects, and row ${wrong + 1} is ${shown(rows[wrong])}`);
  const types = given ?? inferTypes(rows);
  return Object.entries(types).map(([name, type]) => {
    const values = rows.map((row) => own(row, name));
    return [name, checked(name, values, type)];
  });
}

function columnsOf(values: TableValues, given: TableTypes): [string, Data][] {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(values, name));
  if (unknown !== undefined) throw new TypeError(`the schema of table has a column "${unknown}", which is not there`);
  return Object.entries(values).map(([name, column]) => {
    if (ArrayBuffer.isView(column) && given[name] === undefined)
      return [name, makeVector(column as Float64Array).data[0]!];
    if (!Array.isArray(column) && !ArrayBuffer.isView(column))
      throw new TypeError(`the column "${name}" of table must be an array, not ${shown(column)}`);
    const list = Array.from(column as readonly unknown[]);
    return [name, checked(name, list, given[name] ?? inferType(list) ?? 'float64')];
  });
}

function checked(name: string, values: readonly unknown[], type: TableType): Data {
  const data = columnFrom(type, values);
  if (!isMisfit(data)) return data;
  throw new TypeError(`table: column "${name}", row ${data.row + 1}: ${data.what}`);
}

function batchOfColumns(columns: readonly [string, Data][]): RecordBatch {
  const length = columns[0]?.[1].length ?? 0;
  for (const [name, data] of columns)
    if (data.length !== length)
      throw new TypeError(`table: the column "${name}" has ${data.length} values, "${columns[0]![0]}" has ${length}`);
  const schema = new Schema(columns.map(([name, { type }]) => new Field(name, type, true)));
  return batchFrom(
    schema,
    length,
    columns.map(([, data]) => data),
  );
}
