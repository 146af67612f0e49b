import type { RecordBatch } from 'apache-arrow';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { operatorName } from '../rdd/call-site.js';
import { listColumn } from '../rdd/list-column.js';
import { listValues } from './columns.js';
import { COLUMN, checkForms, FLAG, type Forms } from './options.js';
import { putColumn } from './pipeline/put-column.js';
import { BatchStage, type Estimator, type StageJson } from './pipeline/stage.js';
import { ColumnMoments, StandardScalerModel } from './scaler.js';
import { summaries } from './summaries.js';

export interface StandardScalerOptions {
  /** A `FixedSizeList<Float32>`, replaced by its scaled values. Default `features`. */
  readonly column?: string;
  /** Whether the mean becomes 0. Default true. */
  readonly withMean?: boolean;
  /** Whether the deviation becomes 1. Default true. */
  readonly withStd?: boolean;
}

const FORMS: Forms<StandardScalerOptions> = { column: COLUMN, withMean: FLAG, withStd: FLAG };

/**
 * Scales a feature column to mean 0 and deviation 1 (population deviation, as scikit-learn). The sums are exact, so that the
 * model is the same bits for every partitioning. Fit it on training rows only.
 *
 * ```ts
 * const scaler = await new StandardScaler('features').fit(train);
 * const scaled = scaler.transform(test);
 * ```
 */
export class StandardScaler implements Estimator<FittedScaler> {
  readonly options: StandardScalerOptions;

  /**
   * @param options or the column's name
   * @throws TypeError for an option that is not known or of a bad value
   */
  constructor(options: string | StandardScalerOptions = {}) {
    this.options = checkForms('StandardScaler', typeof options === 'string' ? { column: options } : options, FORMS);
  }

  /** @throws Error when there is no row */
  async fit(table: ArrowRDD): Promise<FittedScaler> {
    const { column = 'features', withMean = true, withStd = true } = this.options;
    const parts = await summaries(table, { features: column, moments: true }, operatorName('StandardScaler.fit'));
    const moments = parts
      .filter((part) => part.moments !== null)
      .map((part) => ColumnMoments.fromBytes(Buffer.from(part.moments!, 'base64')));
    if (moments.length === 0)
      throw new Error(
        `StandardScaler.fit: the table has no rows to scale "${column}" by (all left out, or in the test set?)`,
      );
    const { mean, deviation } = moments.reduce((all, each) => all.merge(each)).finish();
    return new FittedScaler(
      column,
      new StandardScalerModel(withMean ? mean : mean.fill(0), withStd ? deviation : deviation.fill(1)),
    );
  }
}

/** Replaces a feature column by its scaled values. */
export class FittedScaler extends BatchStage {
  constructor(
    readonly column: string,
    readonly model: StandardScalerModel,
  ) {
    super();
  }

  /** @throws FailureError for a column of another type or width */
  transformBatch(batch: RecordBatch): RecordBatch {
    const { column, model } = this;
    const values = listValues(batch, column, model.columns).slice();
    const { metadata } = batch.schema.fields.find(({ name }) => name === column)!;
    return putColumn(batch, listColumn(column, model.scaleInPlace(values, batch.numRows), model.columns, metadata));
  }

  toJSON(): StageJson {
    return { stage: 'StandardScaler', column: this.column, ...this.model.toJSON() };
  }

  static fromJSON(json: {
    readonly column: string;
    readonly mean: readonly number[];
    readonly deviation: readonly number[];
  }): FittedScaler {
    return new FittedScaler(json.column, StandardScalerModel.fromJSON(json));
  }
}
