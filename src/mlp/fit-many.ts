import { resolve } from 'node:path';
import { inspect, isDeepStrictEqual } from 'node:util';
import { defaultSlotMemory } from '../executor/slot-memory.js';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { operatorName } from '../rdd/call-site.js';
import type { SheafContext } from '../rdd/context.js';
import { DivergedError } from './diverged.js';
import { requireTable } from './evaluate.js';
import { trainMany } from './fit-many-training.js';
import { type FitRequest, fittedOf, lookedAt, type PlannedFit, plannedFit, requireRoom } from './fit-network.js';
import type { FittedNetwork } from './model.js';
import type { Network } from './network.js';
import type { NumericalPlan } from './numerical-plan.js';
import type { FitColumns, Transformer } from './pipeline/stage.js';
import { checkWatches, heldOutBy, watched } from './watching.js';

/** `MLPClassifier`, `MLPRegressor`. */
export interface NetworkEstimator<M extends Transformer = Transformer> {
  fitRequest(columns?: FitColumns): FitRequest;
  modelOf(fitted: FittedNetwork): M;
}

/** Options that need a training of one's own. */
const ALONE = ['onStep', 'localSteps', 'elastic', 'noiseScale'] as const;

/**
 * Fits several networks of one shape on the same rows, one model each, in the order of the estimators: with different learning
 * rates, optimizers, penalties, seeds, initialisers or first weights. Every model has the bits that its estimator's own
 * `fit` gives it.
 *
 * The networks are dealt to the slots, and each slot trains its part alone, all of them in one native call a step: many small
 * networks take a fraction of the time that they take one after another. All training rows are resident in every slot, so
 * they must fit into its memory.
 *
 * With `earlyStopping` each network ends by itself and has its best weights; the others go on. With `checkpoint`, a folder for
 * each, every network goes on from its own newest one: those of `fit` and of `fitMany` are the same. What a lost slot was at is
 * trained again elsewhere, from its last state: of the last epoch where networks are watched, have checkpoints or an `onEpoch`,
 * else from the beginning.
 *
 * `onEpoch` of an estimator is told of its own network, and ends that alone.
 *
 * @param estimators of one kind, equal in layers, loss, `classWeights`, `batchSize`, `epochs`, `shards` and `precision`, and in
 *   the rows they hold out for `earlyStopping`: a table, or one share, `group`, `stratify` and `seed`
 * @throws TypeError for estimators that cannot be trained together, saying which option of which one stands in the way;
 *   DivergedError of the first network whose loss is no number any more; else as `fit`
 * @example
 * const rates = [0.1, 0.03, 0.01, 0.003];
 * const models = await fitMany(rates.map((learningRate) => new MLPClassifier({ hidden: [32], learningRate })), train);
 */
export async function fitMany<M extends Transformer>(
  estimators: readonly NetworkEstimator<M>[],
  table: ArrowRDD,
  columns: FitColumns = {},
): Promise<M[]> {
  const models = await settleMany(estimators, table, columns);
  if (!models)
    throw new Error(
      'fitMany: every slot holds all training rows, and these take more than half of sheaf.slot.memory: fit the estimators one after another, or give slots more',
    );
  return models.map((model, i) => {
    if (model instanceof DivergedError)
      throw new DivergedError(`fitMany: estimator ${i}: ${model.message}`, model.epoch, model.lastGoodTheta);
    return model;
  });
}

/** The same, with the errors of those that diverged in their places. @returns undefined when the rows are too many for a slot */
export async function settleMany<M extends Transformer>(
  estimators: readonly NetworkEstimator<M>[],
  all: ArrowRDD,
  columns: FitColumns,
): Promise<(M | DivergedError)[] | undefined> {
  if (!Array.isArray(estimators))
    throw new TypeError(`fitMany: give an array of estimators, not ${inspect(estimators, { depth: 0 })}`);
  if (estimators.length === 0) throw new TypeError('fitMany: give at least one estimator');
  const odd = estimators.findIndex((estimator) => !isNetworkEstimator(estimator));
  if (odd >= 0)
    throw new TypeError(
      `fitMany: estimator ${odd} must be an MLPClassifier or an MLPRegressor, not ${inspect(estimators[odd], { depth: 0 })}`,
    );
  const requests = estimators.map((estimator) => estimator.fitRequest(columns));
  const other = requests.findIndex(({ owner }) => owner !== requests[0]!.owner);
  if (other > 0)
    throw new TypeError(
      `fitMany: estimators 0 and ${other} are of two kinds, one of classes, one of values: fit each kind by itself`,
    );
  requests.forEach((request, i) => {
    const reason = reasonAgainst(request);
    if (reason) throw new TypeError(`fitMany: estimator ${i} has ${reason}, which needs a fit of its own`);
  });
  checkTogether(requests);
  const [first] = requests as [FitRequest];
  const name = operatorName('fitMany');
  requireTable('fitMany', all);
  requireRoom(all.context, first);
  const { table, watches } = await watched(all, requests, name);
  const parts = await lookedAt(table, first, name);
  const planned = requests.map((request) => plannedFit(request, parts));
  planned.forEach((other, i) => {
    const difference = differenceOf(planned[0]!, other);
    if (difference)
      throw new TypeError(`fitMany: estimators 0 and ${i} differ in ${difference}; networks trained together share it`);
  });
  const [{ plan, lesson }] = planned as [PlannedFit];
  requireRoom(all.context, first, plan);
  await checkWatches(watches, first, lesson, plan.network.inputs, name);
  if (!(await fitsSlots(table.context, plan))) return undefined;
  const { target } = lesson;
  const courses = requests.map((request, i) => ({ request, target, plan: planned[i]!.plan, watch: watches[i] }));
  const results = await trainMany(table, courses, parts);
  return results.map((result, i) =>
    result instanceof Error
      ? result
      : estimators[i]!.modelOf({ ...fittedOf(requests[i]!, parts, planned[i]!, result), ...result }),
  );
}

/** Whether estimators can be fitted together, as far as their options tell. */
export function canFitTogether(estimators: readonly unknown[], columns: FitColumns): estimators is NetworkEstimator[] {
  if (estimators.length < 2 || !estimators.every(isNetworkEstimator)) return false;
  const [first, ...others] = estimators.map((estimator) => estimator.fitRequest(columns));
  if (reasonAgainst(first!)) return false;
  // Combinations that share the folder of their checkpoints are trainings that replace each other's; one function is told of them in turn.
  if (first!.options.checkpoint || first!.options.onEpoch) return false;
  const shared = ({ options, owner }: FitRequest) => ({ ...options, ...VARIED, owner });
  return others.every(
    (other) =>
      !reasonAgainst(other) &&
      isDeepStrictEqual(shared(other), shared(first!)) &&
      isDeepStrictEqual(heldOutBy(other), heldOutBy(first!)),
  );
}

/** Options that may differ, as if they had not been given. */
const VARIED = Object.fromEntries(
  [
    ...['seed', 'optimizer', 'learningRate', 'schedule', 'clipNorm', 'clipValue', 'l1', 'l2', 'weightDecay'],
    ...['kernelInitializer', 'biasInitializer', 'warmStart', 'earlyStopping'],
  ].map((name) => [name, undefined]),
);

function isNetworkEstimator(value: unknown): value is NetworkEstimator {
  return typeof (value as NetworkEstimator | null)?.fitRequest === 'function';
}

function reasonAgainst({ options, loss }: FitRequest): string | undefined {
  if (loss) return "a loss function of one's own";
  if (options.optimizer === 'l-bfgs' || (typeof options.optimizer === 'object' && options.optimizer.kind === 'l-bfgs'))
    return 'the optimizer l-bfgs';
  if (options.batchSize !== undefined && typeof options.batchSize !== 'number') return 'a growing batch';
  if (options.learningRateScaling === 'adascale') return 'learningRateScaling adascale';
  if (options.consistency !== undefined && options.consistency !== 'sync') return 'a consistency other than sync';
  const given = ALONE.find((name) => options[name] !== undefined && options[name] !== false && options[name] !== 1);
  return given && `the option ${given}`;
}

/** @throws TypeError for what lies between two of them */
function checkTogether(requests: readonly FitRequest[]): void {
  const held = requests.map(heldOutBy);
  const other = held.findIndex((each) => !isDeepStrictEqual(each, held[0]));
  if (other > 0)
    throw new TypeError(
      `fitMany: estimators 0 and ${other} hold out different rows for earlyStopping, by their share, group, stratify or seed; give all of them one validation table`,
    );
  const paths = requests.map(({ options }) => options.checkpoint && resolve(options.checkpoint.path));
  paths.forEach((path, i) => {
    const same = paths.indexOf(path);
    if (path !== undefined && same < i)
      throw new TypeError(
        `fitMany: estimators ${same} and ${i} keep checkpoints in one folder, ${path}; give each its own`,
      );
  });
}

function differenceOf(one: PlannedFit, other: PlannedFit): string | undefined {
  const shape = ({ inputs, hidden, outputs, loss, classWeights }: Network) => ({
    ...{ inputs, outputs, loss, classWeights },
    hidden: hidden.map((layer) => ({ ...layer, kernelInitializer: undefined, biasInitializer: undefined })),
  });
  const of = ({ plan, lesson }: PlannedFit) => ({
    ...{ batchSize: plan.batch, epochs: plan.epochs, shards: plan.shards, precision: plan.precision },
    ...{ network: shape(plan.network), target: lesson.target },
  });
  const [left, right] = [of(one), of(other)];
  return (Object.keys(left) as (keyof typeof left)[]).find((key) => !isDeepStrictEqual(left[key], right[key]));
}

async function fitsSlots(context: SheafContext, { rows, network }: NumericalPlan): Promise<boolean> {
  await context.tasks.slotsAvailable();
  const budget = context.conf.bytes('sheaf.slot.memory') ?? defaultSlotMemory(context.tasks.slots().length);
  return 4 * rows * (network.inputs + network.outputs) <= budget / 2;
}
