import type { RecordBatch } from 'apache-arrow';
import { together } from '../../protocol/together.js';
import { shown } from '../../rdd/arguments.js';
import type { ArrowRDD } from '../../rdd/arrow-rdd.js';
import { DivergedError } from '../diverged.js';
import { canFitTogether, type NetworkEstimator, settleMany } from '../fit-many.js';
import { COLUMN, COUNT, type Form, type Forms, FUNCTION, WHOLE } from '../options.js';
import {
  type Estimator,
  type FitColumns,
  isEstimator,
  isModel,
  type Model,
  type PlainRow,
  type StageJson,
  type Transformer,
} from '../pipeline/stage.js';
import { bestOf, directionOf, isMetric, METRICS, type Metric, measure, nameOf } from './metric.js';
import type { Split, SplitOptions } from './splits.js';

/** What both ways of choosing among parameters have in common. */
export interface SelectionOptions<P extends object, M extends Transformer> {
  /** Makes the estimator, or pipeline, of one combination. */
  readonly estimator: (params: P) => Estimator<M>;
  /** Combinations to try: `paramGrid({ … })`. Default: one, of no parameters. */
  readonly grid?: readonly P[];
  /** What the best model is best by: a measure of `evaluate`, or one of one's own. */
  readonly metric: Metric;
  /** Column whose equal values stay on one side: the rows of one person never stand on both. */
  readonly group?: string;
  /** Decides which rows, or groups, are held out. Default 0. */
  readonly seed?: number;
  /** Models that are fitted at a time. Default 1. */
  readonly parallelism?: number;
}

const METRIC: Form = [
  isMetric,
  `one of ${METRICS.join(', ')}, or { name, direction: 'max' or 'min', measure(model, table) }`,
];
const GRID: Form = [
  (value) => Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'object' && each),
  'an array of objects of parameters, at least one (paramGrid makes one)',
];

export const SELECTION_FORMS: Forms<SelectionOptions<object, Transformer>> = {
  estimator: FUNCTION,
  grid: GRID,
  metric: METRIC,
  group: COLUMN,
  seed: WHOLE,
  parallelism: COUNT,
};

/** What was tried, and what came of it. */
export interface Trials<P> {
  readonly params: readonly P[];
  /** By combination, then by split; NaN where the training diverged. */
  readonly metrics: readonly (readonly number[])[];
}

/**
 * Fits every combination on every split's training part (networks of one shape all at once, see `fitMany`) and measures it
 * on its validation part. A training whose loss is no number any more counts as NaN, never the best.
 */
export async function runTrials<P extends object, M extends Transformer>(
  options: SelectionOptions<P, M>,
  splits: readonly Split[],
  columns: FitColumns,
): Promise<Trials<P>> {
  const { estimator, grid = [{} as P], metric, parallelism = 1 } = options;
  const metrics = grid.map(() => new Array<number>(splits.length).fill(Number.NaN));
  const estimators = estimatorsOf(options);
  if (canFitTogether(estimators, columns) && (await trialsTogether(estimators))) return { params: grid, metrics };
  const trials = grid.flatMap((params, k) => splits.map((split, s) => ({ params, split, k, s })));
  const work = async () => {
    for (let trial = trials.shift(); trial; trial = trials.shift()) {
      const { params, split, k, s } = trial;
      try {
        const model = await estimator(params).fit(split.train, columns);
        metrics[k]![s] = await measure(metric, model, split.validation, columns.weight);
      } catch (error) {
        if (error instanceof DivergedError) continue;
        trials.length = 0; // the other workers end with what they are at
        throw error;
      }
    }
  };
  /** All combinations of a split in one training. @returns whether slots have room for that */
  async function trialsTogether(together: readonly NetworkEstimator[]): Promise<boolean> {
    for (const [s, { train, validation }] of splits.entries()) {
      const models = await settleMany(together, train, columns);
      if (!models) return false;
      for (const [k, model] of models.entries())
        if (!(model instanceof DivergedError))
          metrics[k]![s] = await measure(metric, model as unknown as M, validation, columns.weight);
    }
    return true;
  }
  await together(Array.from({ length: parallelism }, work));
  return { params: grid, metrics };
}

/** One of each combination. @throws TypeError for what is no estimator, saying of which */
export function estimatorsOf<P extends object, M extends Transformer>({
  estimator,
  grid = [{} as P],
}: SelectionOptions<P, M>): Estimator<M>[] {
  return grid.map((params) => {
    const made: unknown = estimator(params);
    if (isEstimator(made)) return made as Estimator<M>;
    throw new TypeError(
      `estimator(${shown(params)}) must return what has fit(table), as new MLPClassifier(params), not ${shown(made)}`,
    );
  });
}

/**
 * What splits keep in the same shares on both sides.
 * @throws TypeError for `stratify: true` where no estimator tells classes apart
 */
export function stratification<P extends object, M extends Transformer>(
  owner: string,
  options: SelectionOptions<P, M> & { readonly stratify?: boolean },
  columns: FitColumns,
): Pick<SplitOptions, 'strata' | 'insists'> {
  const strata = options.stratify !== false ? estimatorsOf(options)[0]!.strata?.(columns) : undefined;
  const insists = options.stratify === true;
  if (insists && strata === undefined)
    throw new TypeError(`${owner}: stratify: true needs an estimator of classes, as MLPClassifier; leave it out`);
  return { insists, ...(strata !== undefined && { strata }) };
}

/** The best combination's place. @throws Error when no training went well */
export function chosen(values: readonly number[], metric: Metric): number {
  const best = bestOf(values, directionOf(metric));
  if (best < 0)
    throw new Error(
      `no combination of parameters has a "${nameOf(metric)}": every training diverged, or it is NaN for each`,
    );
  return best;
}

/** The model that was chosen, refitted on all rows, and how it was chosen. */
export class SelectedModel<P extends object, M extends Transformer> implements Model {
  constructor(
    readonly bestModel: M,
    /** Combinations in the order of the grid. */
    readonly params: readonly P[],
    /** Of `params`. */
    readonly bestIndex: number,
  ) {}

  get bestParams(): P {
    return this.params[this.bestIndex]!;
  }

  get weights(): readonly Float32Array[] {
    return this.bestModel.weights ?? [];
  }

  transform(table: ArrowRDD): ArrowRDD {
    return this.bestModel.transform(table);
  }

  transformBatch(batch: RecordBatch): RecordBatch {
    return this.#model.transformBatch(batch);
  }

  predictBatch(batch: RecordBatch): unknown[] {
    return this.#model.predictBatch(batch);
  }

  outputsOf(batch: RecordBatch): number[][] {
    return this.#model.outputsOf(batch);
  }

  async evaluate(table: ArrowRDD, options?: object): Promise<any> {
    return this.#model.evaluate(table, options);
  }

  /** As the best model's. */
  async predict(rows: readonly PlainRow[]): Promise<unknown[]> {
    return this.#model.predict(rows);
  }

  /** The best model's: what was tried is not kept. */
  toJSON(): StageJson {
    return this.bestModel.toJSON();
  }

  get #model(): Model {
    if (isModel(this.bestModel)) return this.bestModel;
    throw new TypeError('the best model is no network, nor a pipeline that ends in one');
  }
}
