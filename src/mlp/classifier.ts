import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { operatorName } from '../rdd/call-site.js';
import type { BackendPreference } from './backends.js';
import { type ClassifierOptions, checkOptions } from './classifier-options.js';
import { MLPModel } from './model.js';
import type { Network } from './network.js';
import { numericalPlan } from './numerical-plan.js';
import type { OptimizerSpec } from './optimizers.js';
import type { Aggregation } from './rounds.js';
import { summaries } from './summaries.js';
import type { PartitionSummary } from './summarise.js';
import { train } from './trainer.js';

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
  readonly options: ClassifierOptions;

  /** @throws TypeError naming an option that is not known or has a bad value */
  constructor(options: ClassifierOptions = {}) {
    this.options = checkOptions(options);
  }

  /**
   * @param table batches with a `FixedSizeList<Float32>` column of features and a column of labels (text or numbers)
   * @throws Error when the table is empty or holds one class only; JobError naming column, row and partition for a feature
   *   that is no finite number or a missing label; DivergedError when the loss is no number any more
   */
  async fit(table: ArrowRDD, columns: { features?: string; label?: string } = {}): Promise<MLPModel> {
    const { features = 'features', label = 'label' } = columns;
    const { context } = table;
    const parts = await summaries(table, { features, label }, operatorName('MLPClassifier.fit'));
    const rows = parts.reduce((sum, part) => sum + part.rows, 0);
    const classes = classesOf(parts.map((part) => part.labels));
    if (rows === 0) throw new Error('MLPClassifier.fit: the training table has no rows');
    if (classes.length < 2)
      throw new Error(
        `MLPClassifier.fit: column "${label}" holds one class only, "${classes[0]}", in all ${rows} rows; two are needed`,
      );
    const network = this.#network(widthOf(parts, features), classes.length);
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
    const { theta, losses } = result;
    return new MLPModel(context, {
      ...{ network, theta, classes, features, label, plan, losses },
      backend: result.backend,
    });
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

/** Partitions without rows know none. */
function widthOf(parts: readonly PartitionSummary[], features: string): number {
  const widths = [...new Set(parts.filter(({ rows }) => rows > 0).map(({ width }) => width))];
  if (widths.length > 1)
    throw new Error(
      `MLPClassifier.fit: column "${features}" has ${widths.join(' and ')} features a row; all rows need the same`,
    );
  return widths[0]!;
}

const ADAM: OptimizerSpec = { kind: 'adam', learningRate: 1e-3 };

/**
 * Distinct labels in a fixed order: numbers by value, all else, and numbers of equal value (`1`, `1.0`), by code units.
 */
export function classesOf(counts: readonly Readonly<Record<string, number>>[]): string[] {
  const names = [...new Set(counts.flatMap((labels) => Object.keys(labels)))];
  const numeric = names.every((name) => name.trim() !== '' && Number.isFinite(Number(name)));
  return names.sort((a, b) => (numeric && Number(a) - Number(b)) || (a < b ? -1 : a > b ? 1 : 0));
}
