import type { RecordBatch } from 'apache-arrow';
import type { ArrowRDD } from '../../rdd/arrow-rdd.js';
import { operatorName } from '../../rdd/call-site.js';
import { listColumn } from '../../rdd/list-column.js';
import { listValues } from '../columns.js';
import { COLUMN, checkForms, type Forms, NUMBER } from '../options.js';
import { type Ranges, scanTable } from './fit-scan.js';
import { putColumn } from './put-column.js';
import { BatchStage, type Estimator, type StageJson } from './stage.js';

export interface MinMaxScalerOptions {
  /** A `FixedSizeList<Float32>`, replaced by its scaled values. Default `features`. */
  readonly column?: string;
  /** What the least value becomes. Default 0. */
  readonly min?: number;
  /** What the greatest value becomes. Default 1. */
  readonly max?: number;
}

const FORMS: Forms<MinMaxScalerOptions> = { column: COLUMN, min: NUMBER, max: NUMBER };

/**
 * Scales each feature from its least and greatest value to [min, max]; a constant one becomes `min`, as with
 * scikit-learn. Later values may lie outside. Fit it on training rows only.
 *
 * ```ts
 * const scaled = (await new MinMaxScaler().fit(train)).transform(test);
 * ```
 */
export class MinMaxScaler implements Estimator<MinMaxScalerModel> {
  /** @throws TypeError for an option that is not known or of a bad value; for a `min` that is not below `max` */
  constructor(readonly options: MinMaxScalerOptions = {}) {
    const { min = 0, max = 1 } = checkForms('MinMaxScaler', options, FORMS);
    if (min >= max) throw new TypeError(`MinMaxScaler: min must be below max, not ${min} and ${max}`);
  }

  /** @throws Error when there is no row; JobError for a feature that is not finite */
  async fit(table: ArrowRDD): Promise<MinMaxScalerModel> {
    const { column = 'features', min = 0, max = 1 } = this.options;
    const name = operatorName('MinMaxScaler.fit');
    const parts = (await scanTable<Ranges>(table, { scan: 'ranges', column }, name)).filter(
      ({ least }) => least.length > 0,
    );
    if (parts.length === 0) throw new Error(`${name}: the table has no rows to scale "${column}" by`);
    const widths = [...new Set(parts.map(({ least }) => least.length))];
    if (widths.length > 1) throw new Error(`${name}: column "${column}" has ${widths.join(' and ')} features a row`);
    const least = parts[0]!.least.map((_, k) => Math.min(...parts.map((part) => part.least[k]!)));
    const greatest = parts[0]!.greatest.map((_, k) => Math.max(...parts.map((part) => part.greatest[k]!)));
    return new MinMaxScalerModel(column, least, greatest, min, max);
  }
}

export class MinMaxScalerModel extends BatchStage {
  constructor(
    readonly column: string,
    readonly least: Float64Array,
    readonly greatest: Float64Array,
    readonly min: number,
    readonly max: number,
  ) {
    super();
  }

  /** @throws FailureError for a column of another type or width */
  transformBatch(batch: RecordBatch): RecordBatch {
    const { column, least, greatest, min, max } = this;
    const width = least.length;
    const values = listValues(batch, column, width);
    const factors = least.map((low, k) => (max - min) / (greatest[k]! - low || 1));
    const scaled = values.map((value, i) => (value - least[i % width]!) * factors[i % width]! + min);
    const metadata = batch.schema.fields.find(({ name }) => name === column)!.metadata;
    return putColumn(batch, listColumn(column, scaled, width, metadata));
  }

  toJSON(): StageJson {
    const { column, least, greatest, min, max } = this;
    return { stage: 'MinMaxScaler', column, least: [...least], greatest: [...greatest], min, max };
  }

  static fromJSON(json: {
    readonly column: string;
    readonly least: readonly number[];
    readonly greatest: readonly number[];
    readonly min: number;
    readonly max: number;
  }): MinMaxScalerModel {
    const [least, greatest] = [Float64Array.from(json.least), Float64Array.from(json.greatest)];
    return new MinMaxScalerModel(json.column, least, greatest, json.min, json.max);
  }
}
