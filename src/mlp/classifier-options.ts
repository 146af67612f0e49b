import { inspect } from 'node:util';
import { ACTIVATIONS, type Activation } from './network.js';
import type { OptimizerSpec } from './optimizers.js';
import { AGGREGATIONS, type Aggregation } from './rounds.js';
import type { EpochReport } from './trainer.js';

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

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 1;
const isAmount = (value: unknown) => Number.isFinite(value) && (value as number) >= 0;

/** What each option must be. */
const FORMS: { readonly [K in keyof ClassifierOptions]: readonly [(value: unknown) => boolean, string] } = {
  hidden: [
    (value) => Array.isArray(value) && value.every(isCount),
    'an array of layer sizes, whole numbers of at least 1',
  ],
  activation: oneOf(ACTIVATIONS),
  epochs: [isCount, 'a whole number of at least 1'],
  batchSize: [isCount, 'a whole number of at least 1'],
  l2: [isAmount, 'a number of at least 0'],
  seed: [Number.isSafeInteger, 'a whole number'],
  shards: [isCount, 'a whole number of at least 1'],
  aggregation: oneOf(AGGREGATIONS),
  optimizer: [
    (value) => isOptimizer(value as OptimizerSpec),
    "{ kind: 'adam' } or { kind: 'sgd' } with a learningRate above 0",
  ],
  onEpoch: [(value) => typeof value === 'function', 'a function'],
};

/**
 * Before any data is read: a long job must not fail late for a typing error.
 * @throws TypeError naming the option, what it must be and what it is
 */
export function checkOptions(options: ClassifierOptions): ClassifierOptions {
  for (const [name, value] of Object.entries(options)) {
    const form = FORMS[name as keyof ClassifierOptions];
    if (!form)
      throw new TypeError(`MLPClassifier has no option "${name}"; the options are ${Object.keys(FORMS).join(', ')}`);
    const [fits, what] = form;
    if (value !== undefined && !fits(value))
      throw new TypeError(`MLPClassifier: ${name} must be ${what}, not ${inspect(value, { breakLength: 200 })}`);
  }
  return options;
}

function oneOf(values: readonly string[]): [(value: unknown) => boolean, string] {
  return [(value) => values.includes(value as string), values.join(' or ')];
}

function isOptimizer(value: OptimizerSpec | null): boolean {
  return (value?.kind === 'adam' || value?.kind === 'sgd') && isAmount(value.learningRate) && value.learningRate > 0;
}
