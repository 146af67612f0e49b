import { createHash } from 'node:crypto';
import type { RecordBatch } from 'apache-arrow';
import type { Json } from '../protocol/json.js';
import { bytesOf } from '../ps/float-bytes.js';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { assembleBatch } from '../rdd/assemble-step.js';
import type { SheafContext } from '../rdd/context.js';
import { backendRequest } from './backends.js';
import type { EpochMeasure } from './checkpoint/checkpoint-header.js';
import { listValues, requireFinite } from './columns.js';
import type { CommittedPart } from './committed.js';
import { putTheta, requireTable } from './evaluate.js';
import { forward } from './formats/forward.js';
import { type InferencePlan, inferencePlan } from './formats/inference.js';
import type { Network } from './network.js';
import type { NumericalPlan } from './numerical-plan.js';
import { COLUMN, checkForms, type Form, type Forms } from './options.js';
import { ofGivenRows, plainBatch } from './pipeline/plain-batch.js';
import type { Model, PlainRow, StageJson } from './pipeline/stage.js';
import { PortableModel } from './portable-model.js';
import type { PredictParameters } from './predict-step.js';
import { addPredictions, classProbabilities, type PredictionColumns, predictionsOf, unscaled } from './predictions.js';
import type { LabelType, TargetSpec } from './targets.js';

/** What a training gives. */
export interface FittedNetwork {
  readonly network: Network;
  /** All weights in the network's layout. */
  readonly theta: Float32Array;
  readonly target: TargetSpec;
  /** What classes are in the user's rows. Default text. */
  readonly labelType?: LabelType;
  /** Name of the column. */
  readonly features: string;
  /** Of the single features, where the column knew them. */
  readonly featureNames?: readonly string[];
  readonly plan: NumericalPlan;
  /** Mean loss of each epoch. */
  readonly losses: readonly number[];
  /** Of each epoch, where the noise of gradients was measured; a noise scale of null is infinite. */
  readonly measured?: readonly EpochMeasure[];
  /** What the validation rows gave after each epoch, where training was watched. */
  readonly validation?: readonly number[];
  /** Whose weights these are, from 1: the last, or the best of a training that was watched. */
  readonly epoch?: number;
  /** What it was trained on, for people: `TensorFlow 2.21.0 (CPU, amx_bf16)`. */
  readonly backend: string;
}

/** A label of many is predicted from this probability on, unless said otherwise. */
export const THRESHOLD = 0.5;

const TRANSFORM: Forms<PredictionColumns> = {
  prediction: COLUMN,
  probability: [(value) => value === null || COLUMN[0](value), "a column's name, or null"] satisfies Form,
};

let models = 0;

/** A fitted network. Needs no context: tables bring theirs, plain rows are predicted in this process. */
export abstract class MLPModel<Prediction = unknown, Metrics = unknown>
  extends PortableModel
  implements Model<Prediction, Metrics>, FittedNetwork
{
  /** Name in JSON. */
  protected abstract readonly stage: string;
  readonly network: Network;
  readonly theta: Float32Array;
  readonly target: TargetSpec;
  readonly labelType: LabelType;
  readonly features: string;
  readonly featureNames: readonly string[] | undefined;
  readonly plan: NumericalPlan;
  readonly losses: readonly number[];
  readonly measured: readonly EpochMeasure[] | undefined;
  readonly validation: readonly number[] | undefined;
  readonly epoch: number | undefined;
  readonly backend: string;
  #inference: InferencePlan | undefined;
  readonly #resident = new WeakMap<SheafContext, Resident>();

  constructor(fitted: FittedNetwork) {
    super();
    ({ network: this.network, theta: this.theta, target: this.target, plan: this.plan } = fitted);
    ({ features: this.features, featureNames: this.featureNames, losses: this.losses } = fitted);
    ({ measured: this.measured, validation: this.validation, epoch: this.epoch, backend: this.backend } = fitted);
    this.labelType = fitted.labelType ?? 'text';
  }

  /** Hex SHA-256 of the weights' bytes: equal hashes, equal bits. */
  get weightsHash(): string {
    return createHash('sha256').update(bytesOf(this.theta)).digest('hex');
  }

  get weights(): readonly Float32Array[] {
    return [this.theta];
  }

  /** Judges predictions of every row of a table, made on the executors. */
  abstract evaluate(table: ArrowRDD, options?: object): Promise<Metrics>;

  /**
   * Adds columns of predictions, lazily, on the executors: `prediction`, and of classifiers `probability`, a vector of the
   * classes' probabilities. The weights lie on the driver for the executors to fetch until the application ends, or `unpersist`.
   * @throws TypeError for a column that is not known
   * @example model.transform(test).select('id', 'prediction').saveAsCsv('predictions')
   */
  transform(table: ArrowRDD, columns: PredictionColumns = {}): ArrowRDD {
    requireTable(`${this.constructor.name}.transform`, table);
    checkForms(`${this.constructor.name}.transform`, columns, TRANSFORM);
    const { network, target, labelType, features } = this;
    const { context } = table;
    let resident = this.#resident.get(context);
    if (!resident) {
      const id = `model-${models++}`;
      const scope = `${context.app}/${id}`;
      resident = { id, scope, theta: putTheta(context, this.theta, id, scope) };
      resident.theta.catch(() => this.#resident.delete(context)); // the next one tries again
      this.#resident.set(context, resident);
    }
    const { id, scope, theta } = resident;
    const backend = backendRequest(context.conf);
    const parameters = { network, target, labelType, features, columns, backend, id, scope, threshold: THRESHOLD };
    return table.transformBy(
      'mlp/predict-step',
      async () => ({ ...parameters, theta: [await theta] }) satisfies PredictParameters as unknown as Json,
      'predict',
      backend.device,
    );
  }

  /** Drops the weights that `transform` has put where executors fetch them; tables made by it cannot be computed any more. */
  unpersist(context: SheafContext): void {
    const resident = this.#resident.get(context);
    if (resident) context.dag.release(resident.scope);
    this.#resident.delete(context);
  }

  /**
   * Predicts plain rows in this process, without executors: arrays of features, or objects with a column of them, or with the
   * columns they were assembled of.
   * @throws TypeError for rows without features, or with one that is not a finite number
   * @example await model.predict([[5.1, 3.5, 1.4, 0.2]])
   */
  async predict(rows: readonly PlainRow[]): Promise<Prediction[]> {
    return ofGivenRows(() => this.predictBatch(plainBatch(rows, this.features)));
  }

  predictBatch(batch: RecordBatch): Prediction[] {
    return predictionsOf(this.#outputs(batch), this.#outputSpec, batch.numRows) as Prediction[];
  }

  outputsOf(batch: RecordBatch): number[][] {
    const { target } = this;
    const outputs = this.#outputs(batch);
    const values =
      target.kind === 'values' ? unscaled(outputs, target) : classProbabilities(outputs, this, batch.numRows);
    const width = values.length / batch.numRows;
    return Array.from({ length: batch.numRows }, (_, row) => [...values.subarray(row * width, (row + 1) * width)]);
  }

  transformBatch(batch: RecordBatch): RecordBatch {
    return addPredictions(batch, this.#outputs(batch), this.#outputSpec, {});
  }

  toJSON(): StageJson {
    const { stage, network, target, labelType, features, featureNames, plan, losses, measured } = this;
    const { validation, epoch, backend } = this;
    const about = { stage, network, target, labelType, features, featureNames, plan };
    return { ...about, losses, measured, validation, epoch, backend };
  }

  get #outputSpec() {
    return { target: this.target, labelType: this.labelType, threshold: THRESHOLD };
  }

  /** In plain JavaScript: agrees with the executors' to some units of float32's last place. */
  #outputs(batch: RecordBatch): Float32Array {
    const { features, featureNames, network, target } = this;
    if (batch.numRows === 0) return new Float32Array(0);
    const known = batch.getChild(features) !== null;
    if (!known && !featureNames?.every((name) => batch.getChild(name)))
      throw new TypeError(
        `rows need "${features}", an array of ${network.inputs} numbers${featureNames ? `, or ${featureNames.join(', ')}` : ''}; ` +
          `there are ${batch.schema.names.map(String).join(', ') || 'none'}`,
      );
    const whole = known
      ? batch
      : assembleBatch(batch, { columns: featureNames!, into: features, badRows: 'error' }, 'predict').batch;
    requireFinite(whole, features, 0);
    this.#inference ??= inferencePlan({
      network,
      theta: this.theta,
      ...(target.kind !== 'values' && { classes: target.classes }),
    });
    return forward(this.#inference, listValues(whole, features, network.inputs), batch.numRows);
  }
}

/** Where a context's executors fetch the weights. */
interface Resident {
  readonly id: string;
  readonly scope: string;
  readonly theta: Promise<CommittedPart>;
}
