import type { RecordBatch } from 'apache-arrow';
import type { ArrowRDD } from '../../rdd/arrow-rdd.js';
import { FEATURE_NAMES } from '../../rdd/assemble-step.js';
import { operatorName } from '../../rdd/call-site.js';
import { listColumn } from '../../rdd/list-column.js';
import { userError } from '../../rdd/operator-failure.js';
import { COLUMN, checkForms, FLAG, type Forms, oneOf, requireOption } from '../options.js';
import { scanTable, type ValueCounts } from './fit-scan.js';
import { putColumn } from './put-column.js';
import { BatchStage, type Estimator, type StageJson } from './stage.js';

export interface OneHotEncoderOptions {
  /** Of category numbers: whole, from 0, as `StringIndexer` makes them. */
  readonly column: string;
  /** Name of the new column. Default: that of the column and `Vector`. */
  readonly into?: string;
  /** The last category is all zeros, so that columns are independent. Default true, as Spark. */
  readonly dropLast?: boolean;
  /** What becomes of a number that was not there when it was fitted: an `error` (default), or `keep` it as a category more, the last. */
  readonly handleInvalid?: 'error' | 'keep';
}

const FORMS: Forms<OneHotEncoderOptions> = {
  column: COLUMN,
  into: COLUMN,
  dropLast: FLAG,
  handleInvalid: oneOf('error', 'keep'),
};

/**
 * Makes a vector of zeros and a one of each category number, as Spark's OneHotEncoder.
 *
 * ```ts
 * const encoder = await new OneHotEncoder({ column: 'deviceIndex' }).fit(indexed);
 * encoder.transform(indexed).assemble(['speed', 'deviceIndexVector']);
 * ```
 */
export class OneHotEncoder implements Estimator<OneHotEncoderModel> {
  /** @throws TypeError for an option that is not known, missing or of a bad value */
  constructor(readonly options: OneHotEncoderOptions) {
    checkForms('OneHotEncoder', options, FORMS);
    requireOption('OneHotEncoder', options, 'column');
  }

  /** @throws Error for a column without values, with nulls or with values that are no category numbers */
  async fit(table: ArrowRDD): Promise<OneHotEncoderModel> {
    const { column, into = `${column}Vector`, dropLast = true, handleInvalid = 'error' } = this.options;
    const name = operatorName('OneHotEncoder.fit');
    const parts = await scanTable<ValueCounts>(table, { scan: 'values', column }, name);
    const values = new Set(parts.flatMap(({ counts }) => [...counts.keys()]));
    if (values.size === 0) throw new Error(`${name}: column "${column}" has no values`);
    if (parts.some(({ nulls }) => nulls > 0)) throw new Error(`${name}: column "${column}" has rows without a value`);
    let categories = 0;
    for (const value of values) {
      if (!isCategory(Number(value)))
        throw new Error(
          `${name}: column "${column}" holds ${value}, no category number (whole, from 0); StringIndexer makes those`,
        );
      categories = Math.max(categories, Number(value) + 1);
    }
    const model = new OneHotEncoderModel(column, into, categories, dropLast, handleInvalid);
    if (model.width === 0)
      throw new Error(
        `${name}: column "${column}" has one category only, and dropLast leaves none: leave the column out`,
      );
    return model;
  }
}

const isCategory = (value: number) => Number.isSafeInteger(value) && value >= 0;

/** Adds a `FixedSizeList<Float32>` column of zeros and ones. */
export class OneHotEncoderModel extends BatchStage {
  /** @param categories seen when it was fitted: 0 … categories - 1 */
  constructor(
    readonly column: string,
    readonly into: string,
    readonly categories: number,
    readonly dropLast: boolean,
    readonly handleInvalid: 'error' | 'keep',
  ) {
    super();
  }

  /** Values of a vector. */
  get width(): number {
    return this.categories + (this.handleInvalid === 'keep' ? 1 : 0) - (this.dropLast ? 1 : 0);
  }

  /** @throws FailureError for a number that is no category, unless such are kept; for null and for what is no number */
  transformBatch(batch: RecordBatch): RecordBatch {
    const { width, categories } = this;
    const vector = batch.getChild(this.column);
    if (!vector)
      throw userError(`there is no column "${this.column}"; there are ${batch.schema.names.map(String).join(', ')}`);
    const matrix = new Float32Array(batch.numRows * width);
    for (let row = 0; row < batch.numRows; row++) {
      const value = vector.get(row);
      const number = typeof value === 'bigint' ? Number(value) : value;
      const known = isCategory(number) && number < categories;
      if (!known && (this.handleInvalid === 'error' || value === null || Number.isNaN(Number(value))))
        throw userError(
          `column "${this.column}" holds ${value}, which is none of the ${categories} category numbers from 0; ` +
            "handleInvalid: 'keep' makes other numbers a category of their own",
        );
      const category = known ? number : categories;
      if (category < width) matrix[row * width + category] = 1;
    }
    const names = Array.from({ length: width }, (_, k) => `${this.column}=${k}`);
    return putColumn(batch, listColumn(this.into, matrix, width, new Map([[FEATURE_NAMES, JSON.stringify(names)]])));
  }

  toJSON(): StageJson {
    const { column, into, categories, dropLast, handleInvalid } = this;
    return { stage: 'OneHotEncoder', column, into, categories, dropLast, handleInvalid };
  }

  static fromJSON(json: Omit<OneHotEncoderModel, 'width' | keyof BatchStage>): OneHotEncoderModel {
    return new OneHotEncoderModel(json.column, json.into, json.categories, json.dropLast, json.handleInvalid);
  }
}
