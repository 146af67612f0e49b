import { isDeepStrictEqual } from 'node:util';
import { encodeValue } from '../executor/closure/index.js';
import { defaultSlotMemory } from '../executor/slot-memory.js';
import { toFailure } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import { operatorName } from '../rdd/call-site.js';
import type { SheafContext } from '../rdd/context.js';
import { JobError } from '../scheduler/job-error.js';
import { deviceAmong } from '../scheduler/slot-device.js';
import { type TaskResult, TaskSetError } from '../scheduler/task-set.js';
import { backendRequest } from './backends.js';
import { readParts } from './committed.js';
import { Diverged, type DivergedError, divergedError } from './diverged.js';
import { putTheta } from './evaluate.js';
import type { ManyAnswer, ManySpec } from './fit-many-program.js';
import type { ShardBlocks, ShardParameters } from './fit-many-shard.js';
import { type FitRequest, fittedOf, lookedAt, type PlannedFit, plannedFit } from './fit-network.js';
import { layoutOf } from './layout.js';
import type { FittedNetwork } from './model.js';
import type { Network } from './network.js';
import type { NumericalPlan } from './numerical-plan.js';
import type { FitColumns, Transformer } from './pipeline/stage.js';
import type { PartitionSummary } from './summarise.js';

/** `MLPClassifier`, `MLPRegressor`. */
export interface NetworkEstimator<M extends Transformer = Transformer> {
  fitRequest(columns?: FitColumns): FitRequest;
  modelOf(fitted: FittedNetwork): M;
}

/** Options that need a training of one's own. */
const ALONE = ['earlyStopping', 'checkpoint', 'onStep', 'onEpoch', 'localSteps', 'elastic', 'noiseScale'] as const;

/** A slot that is lost takes its part of the work with it: so often all of it begins again. */
const ATTEMPTS = 3;

/**
 * Fits several networks of one shape on the same rows, one model each, in the order of the estimators: with different learning
 * rates, optimizers, penalties, seeds, initialisers or first weights. Every model has the bits that its estimator's own
 * `fit` gives it.
 *
 * The networks are dealt to the slots, and each slot trains its part alone, all of them in one native call a step: many small
 * networks take a fraction of the time that they take one after another. All training rows are resident in every slot, so
 * they must fit into its memory. A lost slot's part is trained again elsewhere, from its beginning.
 *
 * @param estimators of one kind, equal in layers, loss, `classWeights`, `batchSize`, `epochs`, `shards` and `precision`
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
  return models.map((model) => {
    if (model instanceof Error) throw model;
    return model;
  });
}

/** The same, with the errors of those that diverged in their places. @returns undefined when the rows are too many for a slot */
export async function settleMany<M extends Transformer>(
  estimators: readonly NetworkEstimator<M>[],
  table: ArrowRDD,
  columns: FitColumns,
): Promise<(M | DivergedError)[] | undefined> {
  if (estimators.length === 0) throw new TypeError('fitMany: give at least one estimator');
  const requests = estimators.map((estimator) => estimator.fitRequest(columns));
  requests.forEach((request, i) => {
    const reason = reasonAgainst(request);
    if (reason) throw new TypeError(`fitMany: estimator ${i} has ${reason}, which needs a fit of its own`);
  });
  const [first] = requests as [FitRequest];
  const name = operatorName('fitMany');
  const parts = await lookedAt(table, first, name);
  const planned = requests.map((request) => plannedFit(request, parts));
  planned.forEach((other, i) => {
    const difference = differenceOf(planned[0]!, other);
    if (difference)
      throw new TypeError(`fitMany: estimators 0 and ${i} differ in ${difference}; networks trained together share it`);
  });
  if (!(await fitsSlots(table.context, planned[0]!.plan))) return undefined;
  const results = await trainMany(table, requests, parts, planned);
  return results.map((result, i) =>
    result instanceof Error ? result : estimators[i]!.modelOf(fittedOf(requests[i]!, parts, planned[i]!, result)),
  );
}

/** Whether estimators can be fitted together, as far as their options tell. */
export function canFitTogether(estimators: readonly unknown[], columns: FitColumns): estimators is NetworkEstimator[] {
  if (estimators.length < 2 || !estimators.every(isNetworkEstimator)) return false;
  const [first, ...others] = estimators.map((estimator) => estimator.fitRequest(columns));
  if (reasonAgainst(first!)) return false;
  const shared = ({ options, owner }: FitRequest) => ({ ...options, ...VARIED, owner });
  return others.every((other) => !reasonAgainst(other) && isDeepStrictEqual(shared(other), shared(first!)));
}

/** Options that may differ, as if they had not been given. */
const VARIED = Object.fromEntries(
  [
    ...['seed', 'optimizer', 'learningRate', 'schedule', 'clipNorm', 'clipValue', 'l1', 'l2', 'weightDecay'],
    ...['kernelInitializer', 'biasInitializer', 'warmStart'],
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

type Trained = Pick<FittedNetwork, 'theta' | 'losses' | 'backend'>;

let runs = 0;

async function trainMany(
  table: ArrowRDD,
  requests: readonly FitRequest[],
  parts: readonly PartitionSummary[],
  planned: readonly PlannedFit[],
): Promise<(Trained | DivergedError)[]> {
  for (let attempt = 1; ; attempt++) {
    const scope = `${table.context.app}/fit-many-${runs++}`;
    try {
      return await attemptMany(table, requests, parts, planned, scope);
    } catch (error) {
      if (attempt === ATTEMPTS || !isLoss(error)) throw error;
      const message = `networks trained together begin again: ${(error as Error).message}`;
      table.context.bus.emit({ event: 'warning', message });
    } finally {
      table.context.dag.release(scope);
    }
  }
}

async function attemptMany(
  table: ArrowRDD,
  requests: readonly FitRequest[],
  parts: readonly PartitionSummary[],
  planned: readonly PlannedFit[],
  scope: string,
): Promise<(Trained | DivergedError)[]> {
  const { context } = table;
  const plans = planned.map(({ plan }) => plan);
  const { features, weight } = requests[0]!.columns;
  const { target } = planned[0]!.lesson;
  const inputs = plans[0]!.network.inputs;
  const parameters: ShardParameters = {
    ...{ scope, features, inputs, target },
    ...(weight !== undefined && { weight }),
  };
  const backend = backendRequest(context.conf);
  const dealt = await table.deal(
    plans[0]!.shards,
    parts.map((part) => part.rows),
  );
  const terminal = { kind: 'module', module: 'mlp/fit-many-shard', parameters: parameters as unknown as Json } as const;
  const shards = await context.runJob(
    { top: dealt.node, terminal, name: 'write training shards', scope: `${scope}/data` },
    async (answer) => answer as unknown as ShardBlocks,
  );
  const warmStarts = [];
  for (const [i, { options }] of requests.entries())
    warmStarts.push(options.warmStart && [await putTheta(context, options.warmStart.theta, `warm-start-${i}`, scope)]);
  const answers = await runTasks(context, { scope, backend, plans, warmStarts, shards });
  const results: (Trained | DivergedError)[] = [];
  for (const { backend, networks } of answers)
    for (const { member, theta: part, losses, diverged } of networks) {
      const plan = plans[member]!;
      const theta = new Float32Array(layoutOf(plan.network).length);
      await readParts([part], context.blocks, theta);
      results[member] = diverged
        ? divergedError(divergence(diverged), plan, { theta, step: diverged.goodStep })
        : { theta, losses, backend };
    }
  return results;
}

function divergence({ step, lossSum }: NonNullable<ManyAnswer['networks'][number]['diverged']>): Diverged {
  return new Diverged(step, lossSum === null ? undefined : { rows: 0, weight: 1, lossSum });
}

/** As many tasks as slots, each with neighbouring networks. */
async function runTasks(context: SheafContext, spec: ManySpec): Promise<ManyAnswer[]> {
  const { tasks: scheduler, conf } = context;
  const { device: wanted } = backendRequest(conf);
  await scheduler.slotsAvailable(1, wanted === 'auto' ? undefined : wanted);
  const device = deviceAmong(wanted, scheduler.slots());
  const slots = scheduler.slots().filter((slot) => slot.device === device);
  const count = Math.min(slots.length, spec.plans.length);
  const first = (k: number) => Math.floor((k * spec.plans.length) / count);
  const tasks = Array.from({ length: count }, (_, k) => ({
    partition: k,
    inputs: { members: Array.from({ length: first(k + 1) - first(k) }, (_, i) => first(k) + i) } as unknown as Json,
  }));
  const block = await context.blocks.put(`program:${spec.scope}`, spec.scope, encodeValue(spec), { code: true });
  const results: readonly TaskResult[] = await context.tasks.run({
    ...{ job: spec.scope, stage: 0, stageAttempt: 0, name: 'train many networks', tasks, device },
    program: { module: 'mlp/fit-many-program', parameters: block },
  });
  return results.map(({ value }) => value as unknown as ManyAnswer);
}

function isLoss(error: unknown): boolean {
  const carries = error instanceof TaskSetError || error instanceof JobError;
  const { kind } = carries ? error.failure : toFailure(error);
  return kind === 'executor-lost' || kind === 'fetch-failed';
}
