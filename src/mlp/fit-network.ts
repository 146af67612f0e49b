import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { type ShippedFunction, shipFunction } from '../executor/closure/index.js';
import { machineMemory } from '../executor/slot-memory.js';
import { bytesOf } from '../ps/float-bytes.js';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { operatorName } from '../rdd/call-site.js';
import type { SheafContext } from '../rdd/context.js';
import { executorOf } from '../scheduler/task-set.js';
import { backendRequest } from './backends.js';
import { putTheta, requireTable } from './evaluate.js';
import { learningOf } from './learning-options.js';
import type { FittedNetwork, MLPModel } from './model.js';
import type { Loss, Network } from './network.js';
import { type NetworkOptions, networkOf } from './network-options.js';
import { elasticRate, type NumericalPlan, numericalPlan } from './numerical-plan.js';
import type { MetricName } from './selection/metric.js';
import { rowsOf, summaries } from './summaries.js';
import type { PartitionSummary, SummariseParameters } from './summarise.js';
import type { LabelType, TargetSpec } from './targets.js';
import type { CustomLoss } from './tfjs/custom-loss.js';
import type { TrainingResult } from './train-settings.js';
import { train } from './trainer.js';
import { requireAddressable, requireMemory } from './training-memory.js';
import { aggregationOf, type TrainingOptions, updateOf } from './training-options.js';
import { checkVerdict, type TrainingHooks } from './training-reports.js';
import { checkWatches, type Watching, watched, watchingOf } from './watching.js';

/** What is learnt, as the summary of the training rows tells it. */
export interface Lesson {
  readonly target: TargetSpec;
  readonly labelType?: LabelType;
  readonly outputs: number;
  readonly loss: Loss;
  readonly classWeights?: readonly number[];
}

export interface FitRequest {
  /** `MLPClassifier.fit`, for errors. */
  readonly owner: string;
  readonly options: NetworkOptions & TrainingOptions;
  /** In the place of the lesson's. */
  readonly loss?: CustomLoss;
  /** What to look at before the training. */
  readonly columns: SummariseParameters;
  /** Default measure of a training that is watched. */
  readonly monitor: MetricName;
  learn(parts: readonly PartitionSummary[]): Lesson;
}

let fits = 0;

/** From a table to a trained network: looks at the rows once, makes the plan, deals the rows to shards and trains. */
export async function fitNetwork(all: ArrowRDD, request: FitRequest): Promise<FittedNetwork> {
  const { owner, options, columns } = request;
  requireTable(owner, all);
  const { context } = all;
  const name = operatorName(owner);
  requireRoom(context, request);
  const shipped = request.loss && shippedLoss(request.loss, context, name);
  const { table, watches } = await watched(all, [request], name);
  const parts = await lookedAt(table, request, name);
  const planned = plannedFit(request, parts, shipped);
  const { plan, measure, lesson } = planned;
  requireRoom(context, request, plan);
  await checkWatches(watches, request, lesson, plan.network.inputs, name);
  const { target } = lesson;
  const model = `${context.app}/fit-${fits++}`;
  const { features, weight } = columns;
  const { warmStart, residency } = options;
  const spec = {
    ...{ model, plan, measure, features, target, weight },
    backend: backendRequest(context.conf),
    ...(residency && { residency }),
    ...(shipped && { loss: shipped }),
    ...(warmStart && { warmStart: [await putTheta(context, warmStart.theta, 'warm-start', model)] }),
  };
  const dealt = await table.deal(
    plan.shards,
    parts.map((part) => part.rows),
  );
  const aggregation = aggregationOf(options, context.conf.get('sheaf.aggregation'));
  const scratch = `${model}-watched`; // longer than the training's own scope
  const watching = watches[0] && watchingOf(watches[0], { plan, target, features }, options.checkpoint, scratch);
  try {
    const result = await train(context, spec, dealt, {
      ...{ aggregation, servers: options, allReduce: options.allReduce, checkpoint: options.checkpoint },
      hooks: hooksOf(owner, options, watching),
    });
    return { ...fittedOf(request, parts, planned, result), ...(await watching?.outcome()) };
  } finally {
    context.dag.release(scratch);
  }
}

/**
 * Whether the slots beside the driver can hold what the training takes at least; of other machines nothing is known here.
 * @param plan absent: of the rows nothing is known yet, a feature and a row are the least @throws RangeError
 */
export function requireRoom(context: SheafContext, { owner, options }: FitRequest, plan?: NumericalPlan): void {
  const { host } = context.blocks.home;
  const near = new Set(context.tasks.executors().flatMap((each) => (each.host === host ? [each.id] : [])));
  const slots = context.tasks.slots().filter(({ key }) => near.has(executorOf(key))).length;
  const network = plan?.network ?? networkOf(options, 1, 1, 'mean-squared-error');
  if (plan) requireAddressable(network);
  const { update = updateOf(owner, options), shards = 1, batch: rows = 1, local } = plan ?? {};
  requireMemory(owner, { network, update, shards, rows, local }, slots, machineMemory());
}

/** A look at all training rows. @throws Error for no rows, and none of any weight */
export async function lookedAt(
  table: ArrowRDD,
  { owner, columns }: FitRequest,
  name: string,
): Promise<PartitionSummary[]> {
  const parts = await summaries(table, columns, name);
  if (rowsOf(parts) === 0) throw new Error(`${owner}: the training table has no rows`);
  if (parts.every(({ weighty }) => weighty === 0))
    throw new Error(`${owner}: every row's weight in column "${columns.weight}" is 0`);
  return parts;
}

/** What a training follows from. */
export interface PlannedFit {
  readonly lesson: Lesson;
  readonly plan: NumericalPlan;
  /** Whether the noise of gradients is measured. */
  readonly measure: boolean;
}

/** Pure. @param shipped a loss of the user's own */
export function plannedFit(
  request: FitRequest,
  parts: readonly PartitionSummary[],
  shipped?: ShippedFunction,
): PlannedFit {
  const lesson = request.learn(parts);
  const { target, outputs, loss, classWeights } = lesson;
  const network = networkOf(request.options, widthOf(parts, request), outputs, loss, classWeights);
  return { lesson, ...planOf(request, rowsOf(parts), network, target, shipped) };
}

/** What a model is made of. */
export function fittedOf(
  { columns: { features } }: FitRequest,
  parts: readonly PartitionSummary[],
  { plan, lesson: { target, labelType } }: PlannedFit,
  { theta, losses, measured, backend }: Pick<TrainingResult, 'theta' | 'losses' | 'backend'> & Partial<TrainingResult>,
): FittedNetwork {
  const featureNames = parts.find((part) => part.featureNames)?.featureNames ?? undefined;
  return {
    ...{ network: plan.network, theta, target, labelType, features, featureNames, plan },
    ...{ losses, measured, epoch: losses.length, backend },
  };
}

/** Contexts that have been told how slowly a loss of one's own computes. */
const told = new WeakSet<SheafContext>();

/** @throws ClosureError for a function that captures what cannot be sent */
function shippedLoss(loss: CustomLoss, context: SheafContext, name: string): ShippedFunction {
  const shipped = shipFunction(loss, { operator: name });
  const message =
    "a loss function of one's own computes on TensorFlow.js, operation by operation: several times slower than the losses by name";
  if (!told.has(context)) context.bus.emit({ event: 'warning', message });
  told.add(context);
  return shipped;
}

function planOf(
  { owner, options }: FitRequest,
  rows: number,
  network: Network,
  target: TargetSpec,
  shipped: ShippedFunction | undefined,
): { plan: NumericalPlan; measure: boolean } {
  const { optimizer, ...update } = updateOf(owner, options);
  const searches = optimizer.kind === 'l-bfgs';
  const { epochs = searches ? 100 : 20, seed = 0, shards, precision, warmStart } = options;
  const { measure, ...learning } = learningOf(options, rows, searches);
  if (warmStart) checkWarmStart(owner, warmStart, network, target);
  const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  const first = warmStart && digest(bytesOf(warmStart.theta));
  const lossFunction = shipped && digest(shipped.bytes);
  const given = { rows, epochs, seed, network, optimizer, update, shards, precision };
  const plan = numericalPlan({ ...given, ...learning, warmStart: first, lossFunction });
  checkShards(owner, plan, measure);
  return { plan, measure };
}

/** @throws TypeError */
function checkShards(owner: string, plan: NumericalPlan, measure: boolean): void {
  const { shards, local } = plan;
  if (measure && shards < 2)
    throw new TypeError(`${owner}: the noise of gradients shows between shards: give at least 2 shards, not ${shards}`);
  if (local?.kind === 'elastic' && shards * elasticRate(plan) > 1)
    throw new TypeError(
      `${owner}: elastic's rate ${local.rate} times ${shards} shards is above 1: the centre would leave their mean behind`,
    );
}

/** Weights fit a network of the same layers that gives the same things. */
function checkWarmStart(
  owner: string,
  { network, target }: MLPModel<any, any>,
  own: Network,
  learnt: TargetSpec,
): void {
  const shape = ({ inputs, outputs, hidden }: Network) => ({ inputs, outputs, hidden });
  if (!isDeepStrictEqual(shape(network), shape(own)))
    throw new TypeError(
      `${owner}: the model of warmStart is a network of other layers, ${JSON.stringify(shape(network))}; this one is ${JSON.stringify(shape(own))}`,
    );
  const names = (spec: TargetSpec) => (spec.kind === 'values' ? spec.columns : spec.classes);
  if (!isDeepStrictEqual([...names(target)], [...names(learnt)]))
    throw new TypeError(
      `${owner}: the model of warmStart tells ${names(target).join(', ')}; these rows hold ${names(learnt).join(', ')}`,
    );
}

/** Partitions without rows know no width. */
function widthOf(parts: readonly PartitionSummary[], { owner, columns }: FitRequest): number {
  const widths = [...new Set(parts.filter(({ rows }) => rows > 0).map(({ width }) => width))];
  if (widths.length > 1)
    throw new Error(
      `${owner}: column "${columns.features}" has ${widths.join(' and ')} features a row; all rows need the same`,
    );
  return widths[0]!;
}

function hooksOf(owner: string, { onStep, onEpoch }: TrainingOptions, watching: Watching | undefined): TrainingHooks {
  return {
    onStep: onStep && ((...told) => checkVerdict(owner, 'onStep', onStep(...told))),
    async onResume(epochs, state) {
      return (await watching?.resume(epochs, state)) ? 'stop' : undefined;
    },
    async onEpoch(report, state, training) {
      const observed = watching && (await watching.observe(report.epoch, await state()));
      const verdict = await onEpoch?.({ ...report, ...(observed && { validation: observed.value }) }, training);
      return observed?.stop ? 'stop' : checkVerdict(owner, 'onEpoch', verdict);
    },
  };
}
