import { createHash } from 'node:crypto';
import type { Json } from '../protocol/json.js';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import type { SheafContext } from '../rdd/context.js';
import { operatorName } from '../rdd/rdd.js';
import type { BackendPreference } from './backends.js';
import { accuracy, addConfusion, type ConfusionMatrix, formatConfusion, macroF1 } from './metrics.js';
import type { Activation, Network } from './network.js';
import { type NumericalPlan, numericalPlan } from './numerical-plan.js';
import type { OptimizerSpec } from './optimizers.js';
import { summaries } from './standard-scaler.js';
import { bytesOf } from './train-program.js';
import { type Aggregation, type EpochReport, train } from './trainer.js';

export interface ClassifierOptions {
  /** Units of the hidden layers. Default [100], as scikit-learn. */
  readonly hidden?: readonly number[];
  /** Default relu. */
  readonly activation?: Activation;
  /** Passes over the rows. Default 20. */
  readonly epochs?: number;
  /** Rows of a global step, however many slots compute it. Default 256. */
  readonly batchSize?: number;
  /** Default Adam with learning rate 0.001. */
  readonly optimizer?: OptimizerSpec;
  /** L2 penalty on weights. Default 0. */
  readonly l2?: number;
  /** Decides the initial weights and the order of rows. Default 0. */
  readonly seed?: number;
  /** Gradient shards, part of the numerical plan. Default: a function of rows and batch. */
  readonly shards?: number;
  /** How gradients are merged; equal bits either way. Default `tree`. */
  readonly aggregation?: Aggregation;
  readonly onEpoch?: (report: EpochReport) => void;
}

let models = 0;

/**
 * A multilayer perceptron that tells classes apart, trained by a gradient task on every shard of the rows. For given
 * data, options and seed the weights are the same bits on any number of slots and executors, with or without failures.
 *
 * ```ts
 * const model = await new MLPClassifier({ hidden: [128, 64], epochs: 30, seed: 1 }).fit(train, { label: 'activity' });
 * const { accuracy } = await model.evaluate(test);
 * ```
 */
export class MLPClassifier {
  constructor(readonly options: ClassifierOptions = {}) {}

  /**
   * @param table batches with a `FixedSizeList<Float32>` column of features and a column of labels (text or numbers)
   * @throws Error when the table is empty or holds one class only; DivergedError when the loss is no number any more
   */
  async fit(table: ArrowRDD, columns: { features?: string; label?: string } = {}): Promise<MLPModel> {
    const { features = 'features', label = 'label' } = columns;
    const { context } = table;
    const parts = await summaries(table, { features, label }, operatorName('MLPClassifier.fit'));
    const rows = parts.reduce((sum, part) => sum + part.rows, 0);
    const classes = classesOf(parts.map((part) => part.labels));
    if (rows === 0) throw new Error('MLPClassifier.fit: the training table has no rows');
    if (classes.length < 2)
      throw new Error(`MLPClassifier.fit: column "${label}" holds one class only (${classes[0]}); two are needed`);
    const network = this.#network(Math.max(...parts.map((part) => part.width)), classes.length);
    const {
      epochs = 20,
      batchSize = 256,
      optimizer = ADAM,
      seed = 0,
      shards,
      aggregation = 'tree',
      onEpoch,
    } = this.options;
    const plan = numericalPlan({ rows, batchSize, epochs, seed, network, optimizer, shards });
    const backend = context.conf.get('sheaf.backend') as BackendPreference;
    const spec = { model: `${context.app}/fit-${models++}`, plan, backend, features, label, classes };
    const dealt = await table.deal(
      plan.shards,
      parts.map((part) => part.rows),
    );
    const mode = context.conf.get('sheaf.aggregation');
    const result = await train(context, spec, dealt, mode === 'auto' ? aggregation : (mode as Aggregation), onEpoch);
    return new MLPModel(context, network, result.theta, classes, features, label, plan, result.losses, result.backend);
  }

  #network(inputs: number, outputs: number): Network {
    const { hidden = [100], activation = 'relu', l2 } = this.options;
    return {
      inputs,
      hidden: hidden.map((units) => ({ units, activation })),
      outputs,
      loss: 'softmax-cross-entropy',
      l2,
    };
  }
}

const ADAM: OptimizerSpec = { kind: 'adam', learningRate: 1e-3 };

/** Distinct labels in a fixed order: numbers by value, all else by code points. */
function classesOf(counts: readonly Readonly<Record<string, number>>[]): string[] {
  const names = [...new Set(counts.flatMap((labels) => Object.keys(labels)))];
  const numeric = names.every((name) => name.trim() !== '' && Number.isFinite(Number(name)));
  return names.sort(numeric ? (a, b) => Number(a) - Number(b) : (a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

export interface Evaluation {
  readonly rows: number;
  readonly accuracy: number;
  readonly macroF1: number;
  readonly classes: readonly string[];
  /** Counts, true class by row, predicted class by column. */
  readonly confusion: readonly (readonly number[])[];
  /** The counts as text. */
  readonly table: string;
}

/** A fitted network. */
export class MLPModel {
  constructor(
    readonly context: SheafContext,
    readonly network: Network,
    /** All weights in the network's layout. */
    readonly theta: Float32Array,
    readonly classes: readonly string[],
    readonly features: string,
    readonly label: string,
    readonly plan: NumericalPlan,
    /** Mean loss of each epoch. */
    readonly losses: readonly number[],
    /** What it was trained on, for people: `TensorFlow 2.21.0 (CPU, amx_bf16)`. */
    readonly backend: string,
  ) {}

  /** Hex SHA-256 of the weights' bytes: equal hashes, equal bits. */
  get weightsHash(): string {
    return createHash('sha256').update(bytesOf(this.theta)).digest('hex');
  }

  /** Predicts every row of a table on the executors and counts. */
  async evaluate(table: ArrowRDD): Promise<Evaluation> {
    const { context, classes, features, label, network } = this;
    const id = `theta-${this.weightsHash.slice(0, 16)}`;
    const scope = `${context.app}/${id}`;
    const theta = await context.blocks.put(id, scope, bytesOf(this.theta));
    const parameters = {
      network,
      backend: context.conf.get('sheaf.backend'),
      classes,
      features,
      label,
      theta,
    } as unknown as Json;
    const terminal = { kind: 'module', module: 'mlp/evaluate-partition', parameters } as const;
    const request = { top: table.node, terminal, name: operatorName('MLPModel.evaluate') };
    try {
      const width = classes.length;
      const parts = await context.runJob(request, async (answer) => ({
        classes: width,
        counts: Float64Array.from(answer as number[]),
      }));
      const matrix: ConfusionMatrix = parts.reduce<ConfusionMatrix>(addConfusion, {
        classes: width,
        counts: new Float64Array(width ** 2),
      });
      const rows = matrix.counts.reduce((sum, count) => sum + count, 0);
      const confusion = classes.map((_, row) => [...matrix.counts.subarray(row * width, (row + 1) * width)]);
      const table = formatConfusion(matrix, classes);
      return { rows, accuracy: accuracy(matrix), macroF1: macroF1(matrix), classes, confusion, table };
    } finally {
      context.dag.release(scope);
    }
  }
}
