import { Field, Int32, makeData, type RecordBatch } from 'apache-arrow';
import type { ArrowRDD } from '../../rdd/arrow-rdd.js';
import { operatorName } from '../../rdd/call-site.js';
import { userError } from '../../rdd/operator-failure.js';
import { takeRows } from '../../rdd/take-rows.js';
import { shortList } from '../columns.js';
import { COLUMN, checkForms, type Forms, oneOf, requireOption } from '../options.js';
import { scanTable, type ValueCounts } from './fit-scan.js';
import { putColumn } from './put-column.js';
import { BatchStage, type Estimator, type StageJson } from './stage.js';

export const INDEX_ORDERS = ['frequencyDesc', 'frequencyAsc', 'alphabetDesc', 'alphabetAsc'] as const;
export type IndexOrder = (typeof INDEX_ORDERS)[number];

export interface StringIndexerOptions {
  /** Texts, numbers or booleans. */
  readonly column: string;
  /** Name of the new column. Default: that of the column and `Index`. */
  readonly into?: string;
  /** Which value becomes 0: the most frequent (default), the rarest, the last or the first in order of code units. */
  readonly order?: IndexOrder;
  /**
   * What becomes of a value that was not there when it was fitted, and of null: an `error` (default), `skip` its row, or
   * `keep` it under one more index, the last.
   */
  readonly handleInvalid?: 'error' | 'skip' | 'keep';
}

const FORMS: Forms<StringIndexerOptions> = {
  column: COLUMN,
  into: COLUMN,
  order: oneOf(...INDEX_ORDERS),
  handleInvalid: oneOf('error', 'skip', 'keep'),
};

/**
 * Numbers the values of a column, from 0, as Spark's StringIndexer. Equal frequencies are ordered by the alphabet.
 *
 * ```ts
 * const indexer = await new StringIndexer({ column: 'device' }).fit(runs);
 * indexer.transform(runs); // with a column `deviceIndex` of 32-bit integers
 * ```
 */
export class StringIndexer implements Estimator<StringIndexerModel> {
  /** @throws TypeError for an option that is not known, missing or of a bad value */
  constructor(readonly options: StringIndexerOptions) {
    checkForms('StringIndexer', options, FORMS);
    requireOption('StringIndexer', options, 'column');
  }

  /** @throws Error for a column without any value, or, unless told otherwise, with a null */
  async fit(table: ArrowRDD): Promise<StringIndexerModel> {
    const { column, into = `${column}Index`, order = 'frequencyDesc', handleInvalid = 'error' } = this.options;
    const name = operatorName('StringIndexer.fit');
    const parts = await scanTable<ValueCounts>(table, { scan: 'values', column }, name);
    const counts = new Map<string, number>();
    for (const part of parts)
      for (const [value, count] of part.counts) counts.set(value, (counts.get(value) ?? 0) + count);
    const nulls = parts.reduce((sum, part) => sum + part.nulls, 0);
    if (counts.size === 0) throw new Error(`${name}: column "${column}" has no values to number`);
    if (nulls > 0 && handleInvalid === 'error')
      throw new Error(
        `${name}: column "${column}" has no value in ${nulls} rows; handleInvalid: 'keep' or 'skip' allows that`,
      );
    return new StringIndexerModel(column, into, ordered(counts, order), handleInvalid);
  }
}

/** Pure. */
export function ordered(counts: ReadonlyMap<string, number>, order: IndexOrder): string[] {
  const ascending = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  const sign = order.endsWith('Desc') ? -1 : 1;
  const byCount = order.startsWith('frequency');
  return [...counts.keys()].sort((a, b) =>
    byCount ? sign * (counts.get(a)! - counts.get(b)!) || ascending(a, b) : sign * ascending(a, b),
  );
}

/** Adds the index of a column's values. */
export class StringIndexerModel extends BatchStage {
  readonly #indices: ReadonlyMap<string, number>;

  /** @param labels by index */
  constructor(
    readonly column: string,
    readonly into: string,
    readonly labels: readonly string[],
    readonly handleInvalid: 'error' | 'skip' | 'keep',
  ) {
    super();
    this.#indices = new Map(labels.map((label, index) => [label, index]));
  }

  /** @throws FailureError for a value that has no index, unless such rows are skipped or kept; for a column that is missing */
  transformBatch(batch: RecordBatch): RecordBatch {
    const vector = batch.getChild(this.column);
    if (!vector)
      throw userError(`there is no column "${this.column}"; there are ${batch.schema.names.map(String).join(', ')}`);
    const indices = new Int32Array(batch.numRows);
    const skipped = new Set<number>();
    for (let row = 0; row < indices.length; row++) {
      const value = vector.get(row);
      const index = value === null ? undefined : this.#indices.get(String(value));
      if (index === undefined && this.handleInvalid === 'error') throw this.#invalid(value);
      if (index === undefined && this.handleInvalid === 'skip') skipped.add(row);
      indices[row] = index ?? this.labels.length;
    }
    const field = new Field(this.into, new Int32(), false);
    const data = makeData({ type: new Int32(), length: indices.length, nullCount: 0, data: indices });
    const indexed = putColumn(batch, { field, data });
    if (skipped.size === 0) return indexed;
    return takeRows(
      indexed,
      Array.from({ length: batch.numRows }, (_, row) => row).filter((row) => !skipped.has(row)),
    );
  }

  toJSON(): StageJson {
    const { column, into, labels, handleInvalid } = this;
    return { stage: 'StringIndexer', column, into, labels, handleInvalid };
  }

  static fromJSON(json: Pick<StringIndexerModel, 'column' | 'into' | 'labels' | 'handleInvalid'>): StringIndexerModel {
    return new StringIndexerModel(json.column, json.into, json.labels, json.handleInvalid);
  }

  #invalid(value: unknown): Error {
    const what = value === null ? 'a row without a value' : `the value ${JSON.stringify(String(value))}`;
    return userError(
      `column "${this.column}" holds ${what}, which was not there when its index was made (${shortList(this.labels)}); ` +
        "handleInvalid: 'keep' gives such rows an index of their own, 'skip' leaves them out",
    );
  }
}
