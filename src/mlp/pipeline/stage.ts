import type { RecordBatch } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import type { ArrowRDD } from '../../rdd/arrow-rdd.js';

/** The columns a network learns from; stages before it pass them by. */
export interface FitColumns {
  /** A `FixedSizeList<Float32>`. Default `features`. */
  readonly features?: string;
  /** What a classifier learns to tell. Default `label`. */
  readonly label?: string;
  /** What a regressor learns to predict. Default `target`. */
  readonly target?: string | readonly string[];
  /** How much each row counts, a number of at least 0. Default: all alike. */
  readonly weight?: string;
}

/** What looks at a table before it can transform one. */
export interface Estimator<M extends Transformer = Transformer> {
  fit(table: ArrowRDD, columns?: FitColumns): Promise<M>;
  /** Of what tells classes apart: the column of classes that both sides of a split should have in the same shares. */
  strata?(columns: FitColumns): string | undefined;
}

/** What makes another table of a table, lazily: fitted, or with nothing to fit. */
export interface Transformer {
  transform(table: ArrowRDD): ArrowRDD;
  /** Everything it needs to transform again, by its name in `stage`. Weights of networks are not in it: see `weights`. */
  toJSON(): StageJson;
  /** Flat weights of the networks in it, in order; absent: none. */
  readonly weights?: readonly Float32Array[];
}

/** A stage's state: `stageFromJSON` makes the stage again. */
export interface StageJson {
  readonly stage: string;
  readonly [key: string]: unknown;
}

/** A transformer that works on rows in order, without looking at other partitions: in slots as in plain Node. */
export interface BatchTransformer extends Transformer {
  transformBatch(batch: RecordBatch): RecordBatch;
}

/** A plain row: an object of its columns, or the features alone. */
export type PlainRow = Readonly<Record<string, unknown>> | ArrayLike<number>;

/** A fitted network, or a pipeline that ends in one: predicts in plain Node, and is judged on tables. */
export interface Model<Prediction = unknown, Metrics = unknown> extends BatchTransformer {
  /** Of plain rows, in this process. */
  predict(rows: readonly PlainRow[]): Promise<Prediction[]>;
  /** Of each row of the batch. */
  predictBatch(batch: RecordBatch): Prediction[];
  /** Outputs of each row of the batch: probabilities of the classes, or values. */
  outputsOf(batch: RecordBatch): number[][];
  evaluate(table: ArrowRDD, options?: object): Promise<Metrics>;
}

/** A batch transformer whose JSON is all of it: slots make it again from that. */
export abstract class BatchStage implements BatchTransformer {
  abstract transformBatch(batch: RecordBatch): RecordBatch;
  abstract toJSON(): StageJson;

  transform(table: ArrowRDD): ArrowRDD {
    const json = this.toJSON();
    return table.transformBy('mlp/pipeline/stage-step', json as unknown as Json, json.stage);
  }
}

export function isEstimator(stage: unknown): stage is Estimator {
  return typeof (stage as Estimator | null)?.fit === 'function';
}

export function isTransformer(stage: unknown): stage is Transformer {
  return typeof (stage as Transformer | null)?.transform === 'function';
}

export function isModel(stage: unknown): stage is Model {
  return isTransformer(stage) && typeof (stage as Model).predictBatch === 'function';
}

export function isBatchTransformer(stage: unknown): stage is BatchTransformer {
  return isTransformer(stage) && typeof (stage as BatchTransformer).transformBatch === 'function';
}
