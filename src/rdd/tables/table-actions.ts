import { type Data, DataType, type FixedSizeList, type RecordBatch } from 'apache-arrow';
import { decodeValue } from '../../executor/closure/index.js';
import type { Json } from '../../protocol/json.js';
import { requireWhole, shown } from '../arguments.js';
import type { ArrowRDD, Row } from '../arrow-rdd.js';
import { operatorName } from '../call-site.js';
import type { RDD } from '../rdd.js';
import { isTyped, readerOf } from './column-reader.js';
import { concatColumns } from './concat.js';
import { decodeBatches } from './decode-step.js';
import { described, type TableDescription } from './description.js';
import type { PartColumn } from './summarise.js';
import { requireColumns } from './table-base.js';
import { TablePartitions } from './table-partitions.js';
import { cellText, textTable } from './text-table.js';
import type { TableTypes } from './to-table.js';

/** A column in the driver: a typed array where it holds numbers without nulls. */
export type ColumnValues = NodeJS.TypedArray | unknown[];

/** Features for code of one's own. */
export interface Matrix {
  /** Row after row. */
  readonly features: Float32Array;
  readonly rows: number;
  /** Features a row. */
  readonly width: number;
  /** One a row; present when a label was asked for. */
  readonly labels?: ColumnValues;
}

/** Values of a column that stand for all in quartiles, over all partitions. */
const SAMPLE_VALUES = 16_384;
const LEAST_SAMPLE = 256;

/** Actions on tables. */
export abstract class TableActions extends TablePartitions {
  /** This table; with a schema its rows as a table of these columns. */
  override toTable(schema?: TableTypes): ArrowRDD {
    return schema === undefined ? this.tableOf(this.node) : super.toTable(schema);
  }

  /** The same rows as plain objects: an RDD of which no operator takes columns. */
  toRows(): RDD<Row> {
    return this.make<Row>(this.node);
  }

  /**
   * Count, nulls, mean, standard deviation, minimum, quartiles and maximum of each column, in one job. Quartiles are values of the table,
   * exact up to some thousand rows, approximate (about one per cent of the rows off) beyond.
   * @example console.log(await runs.describe()); // a table
   * @example (await runs.describe()).columns.speed.mean
   */
  async describe(): Promise<TableDescription> {
    const name = operatorName('describe');
    const partitions = await this.getNumPartitions();
    const parameters = { sample: Math.max(LEAST_SAMPLE, Math.ceil(SAMPLE_VALUES / Math.max(1, partitions))), name };
    const terminal = { kind: 'module', module: 'rdd/tables/summarise', parameters } as const;
    const parts = await this.context.runJob({ top: this.node, terminal, name }, async (answer: Json) => {
      return decodeValue(Buffer.from(answer as string, 'base64')) as PartColumn[];
    });
    if (parts.some((part) => part.length > 0)) return described(parts);
    const { fields } = await this.schema();
    return described([fields.map(({ name, type }) => ({ name, type: String(type), count: 0, nulls: 0 }))]);
  }

  /**
   * Prints the first rows as a table, to standard output.
   * @param rows default 20 @param options `truncate`: characters of a cell, 0 for all. Default 20
   * @returns the text
   */
  async show(rows = 20, { truncate = 20 }: { readonly truncate?: number } = {}): Promise<string> {
    requireWhole('the number of rows of show', rows, 0);
    requireWhole('truncate of show', truncate, 0);
    const found = await this.take(rows + 1);
    const names = found[0] ? Object.keys(found[0]) : (await this.schema()).fields.map(({ name }) => name);
    const lines = found.slice(0, rows).map((row) => names.map((name) => cellText(row[name], truncate)));
    const more = found.length > rows ? `\nonly the first ${rows} rows` : '';
    return printed(`${textTable(names, lines)}${more}`);
  }

  /** Prints names and types of the columns, to standard output. @returns the text */
  async printSchema(): Promise<string> {
    const { fields } = await this.schema();
    return printed(
      fields.map(({ name, type, nullable }) => `${name}: ${type}${nullable ? '' : ' not null'}`).join('\n'),
    );
  }

  /**
   * All rows, column by column, in the driver's memory: typed arrays for numbers without nulls, else arrays with null for none.
   * @example const { x, y } = await runs.select('x', 'y').collectColumns();
   */
  async collectColumns(): Promise<Record<string, ColumnValues>> {
    const batches = await this.collectBatches(operatorName('collectColumns'));
    const names = batches[0]?.schema.fields.map(({ name }) => name) ?? (await this.schema()).names.map(String);
    return Object.fromEntries(names.map((name, k) => [name, valuesOf(batches.map(({ data }) => data.children[k]!))]));
  }

  /**
   * All rows' features in the driver's memory, as one row-major matrix. Training needs none of it: `assemble` makes the column it takes.
   * @param features number columns, or one column of lists that `assemble` or `libsvm` made @param label a column
   * @param options `badRows`: what to do with a row without a finite number, `error` or `drop`. Default `error`
   * @example const { features, labels, rows, width } = await runs.toMatrix(['x', 'y', 'z'], 'activity');
   */
  async toMatrix(
    features: string | readonly string[],
    label?: string,
    { badRows = 'error' }: { readonly badRows?: 'error' | 'drop' } = {},
  ): Promise<Matrix> {
    const name = operatorName('toMatrix');
    if (label !== undefined && typeof label !== 'string')
      throw new TypeError(`the label of toMatrix must be a column's name, not ${shown(label)}`);
    const labels = label === undefined ? [] : [label];
    if (typeof features !== 'string') requireColumns('toMatrix', features);
    const into = 'sheaf.matrix';
    const table: TableActions =
      typeof features === 'string'
        ? this.select(...new Set([features, ...labels]))
        : this.assembled(features, into, badRows).select(into, ...labels);
    const batches = await table.collectBatches(name);
    const lists = batches.map((batch) => columnNamed(batch, typeof features === 'string' ? features : into));
    const type = lists[0]?.type;
    if (type && !DataType.isFixedSizeList(type))
      throw new TypeError(
        `toMatrix needs a column of lists of one length, and "${features}" holds ${type}; name its columns: ['x', 'y']`,
      );
    return {
      features: joinedLists(lists),
      rows: lists.reduce((sum, { length }) => sum + length, 0),
      width: type ? (type as FixedSizeList).listSize : typeof features === 'string' ? 0 : features.length,
      ...(label === undefined ? {} : { labels: valuesOf(batches.map((batch) => columnNamed(batch, label))) }),
    };
  }

  /** As `assemble`. */
  protected abstract assembled(columns: readonly string[], into: string, badRows: 'error' | 'drop'): ArrowRDD;

  protected async collectBatches(name: string): Promise<RecordBatch[]> {
    const step = { kind: 'module', module: 'rdd/tables/encode-step', parameters: null } as const;
    return (await this.named<Uint8Array>(step, name).collect()).flatMap(decodeBatches);
  }
}

function printed(text: string): string {
  console.log(text);
  return text;
}

function columnNamed(batch: RecordBatch, column: string): Data {
  return batch.data.children[batch.schema.fields.findIndex(({ name }) => name === column)]!;
}

function valuesOf(columns: readonly Data[]): ColumnValues {
  if (columns.length === 0) return [];
  const types = new Set(columns.map(({ type }) => String(type)));
  const [{ type }] = columns as [Data];
  if (
    types.size === 1 &&
    (isTyped(type) || DataType.isInt(type)) &&
    columns.every(({ nullCount }) => nullCount === 0)
  ) {
    const column = concatColumns(columns);
    return (column.values as Float64Array).slice(0, column.length);
  }
  return columns.flatMap((column) => {
    const read = readerOf(column);
    return Array.from({ length: column.length }, (_, row) => read(row));
  });
}

function joinedLists(lists: readonly Data[]): Float32Array {
  const parts = lists.map((list) =>
    (list.children[0]!.values as Float32Array).subarray(0, list.length * (list.type as FixedSizeList).listSize),
  );
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
