import type { Json } from '../protocol/json.js';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { operatorName } from '../rdd/call-site.js';
import { ColumnMoments, type StandardScalerModel } from './scaler.js';
import { summaries } from './summaries.js';

/**
 * Scales a feature column to mean 0 and deviation 1. The sums are exact, so that the model is the same bits for every
 * partitioning. Fit it on training rows only.
 *
 * ```ts
 * const scaler = await new StandardScaler('features').fit(train);
 * const scaled = scaler.transform(test);
 * ```
 */
export class StandardScaler {
  constructor(readonly column = 'features') {}

  /** @throws Error when there is no row */
  async fit(table: ArrowRDD): Promise<FittedScaler> {
    const parts = await summaries(table, { features: this.column, moments: true }, operatorName('StandardScaler.fit'));
    const moments = parts
      .filter((part) => part.moments !== null)
      .map((part) => ColumnMoments.fromBytes(Buffer.from(part.moments!, 'base64')));
    if (moments.length === 0)
      throw new Error(
        `StandardScaler.fit: the table has no rows to scale "${this.column}" by (all left out, or in the test set?)`,
      );
    return new FittedScaler(this.column, moments.reduce((all, each) => all.merge(each)).finish());
  }
}

export class FittedScaler {
  constructor(
    readonly column: string,
    readonly model: StandardScalerModel,
  ) {}

  transform(table: ArrowRDD): ArrowRDD {
    return table.transformBy('mlp/scale-step', { column: this.column, scaler: this.model.toJSON() } as unknown as Json);
  }
}
