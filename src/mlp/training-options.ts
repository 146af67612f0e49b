import { inspect } from 'node:util';
import type { OptimizerSpec } from '../ps/optimizer/optimizer.js';
import type { Schedule } from '../ps/optimizer/schedule.js';
import type { BatchScaling, UpdateSpec } from '../ps/optimizer/update-spec.js';
import { checkServerOptions, SERVER_OPTION_FORMS, type ServerOptions } from '../ps/server/options.js';
import { type AllReduceOptions, isAllReduce } from './allreduce-rounds.js';
import { PRECISIONS, type Precision } from './backend.js';
import { type CheckpointOptions, isCheckpoint } from './checkpoint/checkpoints.js';
import { checkEarlyStopping, type EarlyStoppingOptions } from './early-stopping-options.js';
import { asksForServers, checkExchange } from './exchange-options.js';
import { baseBatchOf, checkLearning, LEARNING_FORMS, type LearningOptions } from './learning-options.js';
import { MLPModel } from './model.js';
import { AMOUNT, COUNT, type Form, type Forms, FUNCTION, oneOf, POSITIVE, WHOLE } from './options.js';
import { AGGREGATIONS, type Aggregation } from './rounds.js';
import type { MetricName } from './selection/metric.js';
import type { EpochReport, StepReport, TrainingControl, Verdict } from './training-reports.js';
import { RESIDENCIES, type Residency } from './training-spec.js';
import { checkUpdate } from './update-options.js';

/** Optimizers by name take the learning rate that is usual for them. */
const LEARNING_RATES = { sgd: 0.01, adagrad: 0.01, rmsprop: 0.001, adam: 0.001, adamw: 0.001 } as const;
type NamedOptimizer = keyof typeof LEARNING_RATES | 'l-bfgs';

/** Options of an estimator that say how weights are updated. */
export interface UpdateOptions {
  /** By name, or with all its settings. Default Adam. */
  readonly optimizer?: NamedOptimizer | OptimizerSpec;
  /** Of an optimizer given by name. Default 0.001; of SGD and Adagrad 0.01. */
  readonly learningRate?: number;
  /** How the learning rate changes. Default: it does not. */
  readonly schedule?: Schedule;
  /** Largest norm of a step's mean gradient. Default: none. */
  readonly clipNorm?: number;
  /** Largest magnitude of an element of it. Default: none. */
  readonly clipValue?: number;
  /** L1 penalty on kernels. Default 0. */
  readonly l1?: number;
  /** L2 penalty on kernels, 0.5 l2 |W|². Default 0. */
  readonly l2?: number;
  /** Kernels shrink by this times the learning rate every step, apart from the gradient. Default 0. */
  readonly weightDecay?: number;
}

/** Options of an estimator that say how it is trained. */
export interface TrainingOptions extends UpdateOptions, LearningOptions, ServerOptions {
  /** Passes over the rows. Default 20. With l-bfgs: iterations, default 100. */
  readonly epochs?: number;
  /** Decides the initial weights, the order of rows and what is held out. Default 0. */
  readonly seed?: number;
  /** Gradient shards, part of the numerical plan, at most 65,536; each costs milliseconds of set-up. Default: a function of rows and batch. */
  readonly shards?: number;
  /** Of products in training, whose sums and weights stay float32: `bf16` has 8 bits of a factor, and is faster where the processor multiplies bfloat16. Default `float32`. */
  readonly precision?: Precision;
  /** Whether slots keep features in memory or read them from their disks in each step: equal bits. Default `auto`, by `sheaf.slot.memory`. */
  readonly residency?: Residency;
  /** How gradients are merged; equal bits in each synchronous way. Default `auto`: servers where an option of theirs is given, else all-reduce. */
  readonly aggregation?: Aggregation | 'auto';
  /** Of `allreduce`: which one, and how sums travel. */
  readonly allReduce?: AllReduceOptions;
  /** Keeps states on the driver's disk, from which the same training goes on after the driver's end. Default: none. */
  readonly checkpoint?: CheckpointOptions;
  /** Ends the training when rows that it does not learn from are predicted no better for a while. Default: all epochs. */
  readonly earlyStopping?: boolean | EarlyStoppingOptions;
  /** A model of the same network, whose weights are the first. Default: drawn by the seed. */
  readonly warmStart?: MLPModel<any, any>;
  /** Told of every step; 'stop' or false ends the training there (losses are of whole epochs). Where slots exchange gradients among themselves, told after it. */
  readonly onStep?: (report: StepReport, training: TrainingControl) => Verdict;
  /** Told after every epoch; 'stop' or false ends the training. May be async. */
  readonly onEpoch?: (report: EpochReport & { readonly validation?: number }, training: TrainingControl) => Verdict;
}

const OPTIMIZER: Form = [
  (value) => (typeof value === 'string' ? value === 'l-bfgs' || Object.hasOwn(LEARNING_RATES, value) : value?.kind),
  `${Object.keys(LEARNING_RATES).join(', ')}, l-bfgs, or { kind, learningRate, … }`,
];
const anything: Form = [() => true, ''];

/** Each is dealt, loaded and summed by itself: a million of them would seem to hang. */
const MAX_SHARDS = 65_536;

export const TRAINING_FORMS: Forms<TrainingOptions> = {
  optimizer: OPTIMIZER,
  learningRate: POSITIVE,
  schedule: anything,
  clipNorm: POSITIVE,
  clipValue: POSITIVE,
  l1: AMOUNT,
  l2: AMOUNT,
  weightDecay: AMOUNT,
  epochs: COUNT,
  ...LEARNING_FORMS,
  seed: WHOLE,
  shards: [(value) => COUNT[0](value) && value <= MAX_SHARDS, `a whole number from 1 to ${MAX_SHARDS}`],
  precision: oneOf(...PRECISIONS),
  residency: oneOf(...RESIDENCIES),
  aggregation: oneOf('auto', ...AGGREGATIONS),
  allReduce: [
    isAllReduce,
    "{ algorithm: 'sliced', 'halving-doubling' or 'ring', wire: 'float32', 'bf16', { kind: 'top-k', share } or { kind: 'threshold', threshold } }",
  ],
  checkpoint: [isCheckpoint, "{ path, everySteps, keep, resume: 'auto', 'always' or 'never' }"],
  ...SERVER_OPTION_FORMS,
  earlyStopping: [
    (value) => typeof value === 'boolean' || (typeof value === 'object' && value !== null && !Array.isArray(value)),
    'true, or { validation, patience, minDelta, monitor, restoreBest }',
  ],
  warmStart: [(value) => value instanceof MLPModel, 'a fitted model'],
  onStep: FUNCTION,
  onEpoch: FUNCTION,
};

/** What an update is made by. Pure. @throws TypeError naming what is not known, missing or excludes another */
export function updateOf(owner: string, options: UpdateOptions & LearningOptions): UpdateSpec {
  const { optimizer = 'adam', learningRate, schedule, clipNorm, clipValue, l1, l2, weightDecay } = options;
  const others = { schedule, batchScaling: batchScaling(options), clipNorm, clipValue, l1, l2, weightDecay };
  const given = Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined));
  return checkUpdate(owner, { optimizer: optimizerOf(owner, optimizer, learningRate), ...given });
}

function batchScaling(options: LearningOptions): BatchScaling | undefined {
  const { learningRateScaling: rule, batchSize = 256 } = options;
  if ((rule !== 'linear' && rule !== 'sqrt') || typeof batchSize !== 'number') return undefined;
  return { rule, batchSize, baseBatchSize: baseBatchOf(options) };
}

function optimizerOf(
  owner: string,
  optimizer: NamedOptimizer | OptimizerSpec,
  learningRate: number | undefined,
): OptimizerSpec {
  if (typeof optimizer !== 'string') {
    if (learningRate !== undefined)
      throw new TypeError(
        `${owner}: learningRate belongs into the optimizer: ${inspect({ ...optimizer, learningRate })}`,
      );
    return optimizer;
  }
  if (optimizer === 'l-bfgs') {
    if (learningRate !== undefined) throw new TypeError(`${owner}: l-bfgs has no learningRate`);
    return { kind: optimizer };
  }
  return { kind: optimizer, learningRate: learningRate ?? LEARNING_RATES[optimizer] };
}

/** What the forms of single options do not show. @param measures that such an estimator's models have @throws TypeError */
export function checkTraining(owner: string, options: TrainingOptions, measures: readonly MetricName[]): void {
  const { optimizer } = updateOf(owner, options);
  const searches = optimizer.kind === 'l-bfgs';
  checkLearning(owner, options, searches);
  checkExchange(owner, options);
  if (searches && aggregationOf({ ...options, optimizer: undefined }, 'auto') === 'ps')
    throw new TypeError(`${owner}: ${NO_SEARCH}`);
  checkServerOptions(options);
  checkEarlyStopping(owner, options.earlyStopping, measures);
}

const NO_SEARCH =
  "l-bfgs searches on the slots and has no use for parameter servers: take aggregation 'allreduce' or 'tree'";

/**
 * The mode that options ask for.
 * @param forced by the configuration, or `auto`
 * @throws TypeError when it cannot train with the optimizer
 */
export function aggregationOf(options: TrainingOptions, forced: string): Aggregation {
  const { aggregation = 'auto', optimizer } = options;
  const searches = optimizer === 'l-bfgs' || (typeof optimizer === 'object' && optimizer.kind === 'l-bfgs');
  if (searches && forced === 'ps') throw new TypeError(`sheaf.aggregation=ps: ${NO_SEARCH}`);
  if (forced !== 'auto') return forced as Aggregation;
  if (aggregation !== 'auto') return aggregation;
  return asksForServers(options) ? 'ps' : 'allreduce';
}
