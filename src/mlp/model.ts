import { createHash } from 'node:crypto';
import type { Json } from '../protocol/json.js';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { operatorName } from '../rdd/call-site.js';
import type { SheafContext } from '../rdd/context.js';
import { type Payload, unpackPayload } from '../rdd/payload.js';
import type { EvaluateParameters, PartitionEvaluation } from './evaluate-partition.js';
import { bytesOf } from './float-bytes.js';
import { accuracy, formatConfusion, macroF1 } from './metrics/confusion.js';
import type { Network } from './network.js';
import type { NumericalPlan } from './numerical-plan.js';

export interface EvaluateOptions {
  /**
   * What to do with rows whose label was not seen in training. Default `error`; `wrong` counts them as wrong answers, in
   * a class of their own, the last.
   */
  readonly unseenLabels?: 'error' | 'wrong';
}

export interface Evaluation {
  readonly rows: number;
  readonly accuracy: number;
  readonly macroF1: number;
  readonly classes: readonly string[];
  /** Labels that were not seen in training. */
  readonly unseenLabels: readonly string[];
  /** Counts, true class by row, predicted class by column. */
  readonly confusion: readonly (readonly number[])[];
  /** The counts as text. */
  readonly table: string;
}

/** Name of the class that stands for all labels that were not seen in training. */
const UNSEEN = '(unseen)';

let evaluations = 0;

/** What a training gives. */
export interface FittedNetwork {
  readonly network: Network;
  /** All weights in the network's layout. */
  readonly theta: Float32Array;
  readonly classes: readonly string[];
  /** Names of the columns. */
  readonly features: string;
  readonly label: string;
  readonly plan: NumericalPlan;
  /** Mean loss of each epoch. */
  readonly losses: readonly number[];
  /** What it was trained on, for people: `TensorFlow 2.21.0 (CPU, amx_bf16)`. */
  readonly backend: string;
}

/** A fitted network. */
export class MLPModel implements FittedNetwork {
  readonly network: Network;
  readonly theta: Float32Array;
  readonly classes: readonly string[];
  readonly features: string;
  readonly label: string;
  readonly plan: NumericalPlan;
  readonly losses: readonly number[];
  readonly backend: string;

  constructor(
    readonly context: SheafContext,
    fitted: FittedNetwork,
  ) {
    ({ network: this.network, theta: this.theta, classes: this.classes, plan: this.plan } = fitted);
    ({ features: this.features, label: this.label, losses: this.losses, backend: this.backend } = fitted);
  }

  /** Hex SHA-256 of the weights' bytes: equal hashes, equal bits. */
  get weightsHash(): string {
    return createHash('sha256').update(bytesOf(this.theta)).digest('hex');
  }

  /**
   * Predicts every row of a table on the executors and counts.
   * @throws Error when the table has no rows; JobError for a row without a label, with a label not seen in training, or
   *   with a feature that is not a finite number
   */
  async evaluate(table: ArrowRDD, { unseenLabels = 'error' }: EvaluateOptions = {}): Promise<Evaluation> {
    const parts = await this.#evaluateParts(table, unseenLabels);
    const size = this.classes.length + 1;
    const counts = new Float64Array(size ** 2);
    for (const { cells } of parts) for (const [cell, count] of cells) counts[cell]! += count;
    const rows = counts.reduce((sum, count) => sum + count, 0);
    if (rows === 0) throw new Error('MLPModel.evaluate: the table has no rows');
    const unseen = [...new Set(parts.flatMap((part) => part.unseen))].sort();
    const classes = unseen.length > 0 ? [...this.classes, UNSEEN] : this.classes;
    const confusion = classes.map((_, row) => [...counts.subarray(row * size, row * size + classes.length)]);
    const matrix = { classes: classes.length, counts: Float64Array.from(confusion.flat()) };
    return {
      ...{ rows, accuracy: accuracy(matrix), macroF1: macroF1(matrix), classes, unseenLabels: unseen, confusion },
      get table() {
        return formatConfusion(matrix, classes);
      },
    };
  }

  async #evaluateParts(table: ArrowRDD, unseenLabels: 'error' | 'wrong'): Promise<PartitionEvaluation[]> {
    const { context, classes, features, label, network } = this;
    // Several evaluations of a model may run at once: each has a scope, and so a copy in the slots, of its own.
    const id = `theta-${evaluations++}`;
    const scope = `${context.app}/${id}`;
    const theta = await context.blocks.put(id, scope, bytesOf(this.theta));
    const backend = context.conf.get('sheaf.backend') as EvaluateParameters['backend'];
    const parameters: EvaluateParameters = { network, backend, classes, features, label, theta, unseenLabels };
    const terminal = {
      kind: 'module',
      module: 'mlp/evaluate-partition',
      parameters: parameters as unknown as Json,
    } as const;
    try {
      const request = { top: table.node, terminal, name: operatorName('MLPModel.evaluate') };
      return await context.runJob(request, async (answer) => {
        const bytes = await unpackPayload(answer as unknown as Payload, context.blocks);
        return JSON.parse(bytes.toString('utf8')) as PartitionEvaluation;
      });
    } finally {
      context.dag.release(scope);
    }
  }
}
