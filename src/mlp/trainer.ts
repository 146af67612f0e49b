import { toFailure } from '../protocol/failure.js';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import type { SheafContext } from '../rdd/context.js';
import { JobError } from '../scheduler/job-error.js';
import { TaskSetError } from '../scheduler/task-set.js';
import { AllReduceRounds } from './allreduce-rounds.js';
import { type Committed, readParts } from './committed.js';
import { initialTheta, layoutOf } from './layout.js';
import type { NumericalPlan } from './numerical-plan.js';
import { ParameterServerRounds } from './ps-rounds.js';
import type { Aggregation, Rounds, StepLoss } from './rounds.js';
import { TrainingCluster } from './training-cluster.js';
import type { TrainingSpec } from './training-spec.js';
import { TreeRounds } from './tree-rounds.js';

export interface EpochReport {
  /** From 1. */
  readonly epoch: number;
  /** Mean over the epoch's rows, each counted before its step's update. */
  readonly loss: number;
}

export interface TrainingResult {
  readonly theta: Float32Array;
  readonly losses: readonly number[];
  /** Compute backend, for people. */
  readonly backend: string;
  /** Generations formed: 1 when nothing was lost. */
  readonly generations: number;
}

/** The loss, or a weight, is no number any more. The last good weights are kept. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError';
  constructor(
    message: string,
    /** In which it was noticed, from 1. */
    readonly epoch: number,
    /** The weights after the last epoch with which the loss was still a number; the initial weights when there is none. */
    readonly lastGoodTheta: Float32Array,
  ) {
    super(message);
  }
}

/** A training that loses slots so often without finishing one epoch is not unlucky. */
const MAX_FRUITLESS_GENERATIONS = 8;

const ROUNDS: Record<Aggregation, (cluster: TrainingCluster) => Rounds> = {
  tree: (cluster) => new TreeRounds(cluster),
  ps: (cluster) => new ParameterServerRounds(cluster),
  allreduce: (cluster) => new AllReduceRounds(cluster),
};

/**
 * The driver's loop of a training. A round is an epoch; after each the state is committed where it survives an executor.
 * When a member is lost, in whatever mode, the survivors' orders end, a new generation is formed on the slots there are,
 * and the round begins again from the committed state; when slots have joined, the next round begins on them too. All
 * numbers follow from the numerical plan, so the weights are the same whoever computes them.
 */
export async function train(
  context: SheafContext,
  spec: TrainingSpec,
  shards: ArrowRDD,
  aggregation: Aggregation,
  onEpoch: (report: EpochReport) => void = () => {},
): Promise<TrainingResult> {
  const { plan, model } = spec;
  const cluster = new TrainingCluster(context, spec, shards, aggregation === 'allreduce');
  const rounds: Rounds = ROUNDS[aggregation](cluster);
  const losses: number[] = [];
  let committed = BEGINNING;
  /** The state before the committed one: kept because only the next step shows that an update was one too many. */
  let previous = BEGINNING;
  let formed = false;
  let fruitless = 0;
  try {
    while (committed.step < plan.epochs * plan.stepsPerEpoch) {
      try {
        if (!formed || cluster.canGrow()) {
          formed = false;
          await cluster.form(committed);
          await rounds.begin(committed);
          formed = true;
        }
        const epoch = await runEpoch(cluster, rounds, committed, losses.length + 1);
        for (const { block } of previous.parts) context.tasks.release(block.scope);
        previous = committed;
        committed = epoch.committed;
        fruitless = 0;
        losses.push(epoch.mean);
        onEpoch({ epoch: losses.length, loss: epoch.mean });
      } catch (error) {
        if (error instanceof Diverged) {
          // The first step of an epoch computes with the committed weights: they are to blame, not good.
          const first = error.step === committed.step;
          throw await diverged(error, context, plan, first ? [previous] : [committed, previous]);
        }
        if (!isLoss(error)) throw error;
        if (++fruitless >= MAX_FRUITLESS_GENERATIONS) throw givenUp(error as Error, losses.length + 1);
        formed = false;
        const message = `training goes on from epoch ${losses.length + 1} on other slots: ${(error as Error).message}`;
        context.bus.emit({ event: 'warning', message });
        if (!(await readable(context, committed))) {
          context.bus.emit({ event: 'warning', message: LOST });
          committed = previous = BEGINNING;
          losses.length = 0;
        }
      }
    }
    const theta = await thetaOf(context, plan, committed);
    if (!allFinite(theta)) throw await diverged(new Diverged(committed.step - 1), context, plan, [previous]);
    return {
      theta,
      losses,
      backend: cluster.backend,
      generations: cluster.generation + 1,
    };
  } finally {
    context.dag.release(model);
  }
}

async function runEpoch(cluster: TrainingCluster, rounds: Rounds, from: Committed, epoch: number) {
  const { context, spec } = cluster;
  const { plan, model } = spec;
  const begun = context.bus.clock.now();
  let rows = 0;
  let lossSum = 0;
  const result = await rounds.run(from.step, plan.stepsPerEpoch, (step, loss) => {
    rows += loss.rows;
    lossSum += loss.lossSum;
    if (!Number.isFinite(loss.lossSum)) throw new Diverged(step, loss);
  });
  const committed = await rounds.commit(result);
  const mean = lossSum / rows;
  const ms = context.bus.clock.now() - begun;
  context.bus.emit({
    event: 'round',
    model,
    generation: cluster.generation,
    epoch,
    epochs: plan.epochs,
    loss: mean,
    rows,
    ms,
  });
  return { committed, mean };
}

/** Noticed in the update after `step` ones; without a loss: its weights are no numbers. */
class Diverged extends Error {
  constructor(
    readonly step: number,
    readonly loss?: StepLoss,
  ) {
    super('diverged');
  }
}

/** @param states the newest first; the first that is all numbers is the last good one */
async function diverged(
  { step, loss }: Diverged,
  context: SheafContext,
  plan: NumericalPlan,
  states: readonly Committed[],
): Promise<DivergedError> {
  let good = initialTheta(plan.network, plan.seed, plan.initializer);
  let epochs = 0;
  for (const state of states) {
    const theta = state.parts.length > 0 ? await thetaOf(context, plan, state).catch(() => undefined) : undefined;
    if (!theta || !allFinite(theta)) continue;
    good = theta;
    epochs = state.step / plan.stepsPerEpoch;
    break;
  }
  const what = loss ? `the loss became ${loss.lossSum}` : 'weights became infinite or NaN';
  const bad = loss?.parts?.filter(({ lossSum }) => !Number.isFinite(lossSum)) ?? [];
  const shards = bad.map(({ level, index }) => shardRange(level, index, plan.shards)).join(', ');
  const where = shards ? `, in gradient shard ${shards}` : '';
  const kept = epochs > 0 ? `the weights after epoch ${epochs}` : 'the initial weights, as no epoch went well';
  const epoch = Math.floor(step / plan.stepsPerEpoch) + 1;
  const message =
    `${what} in epoch ${epoch} of ${plan.epochs} (update ${step + 1})${where}: try a smaller learning rate, ` +
    `or scale the features; this error's lastGoodTheta holds ${kept}`;
  return new DivergedError(message, epoch, good);
}

function shardRange(level: number, index: number, shards: number): string {
  const first = index * 2 ** level;
  const last = Math.min(first + 2 ** level, shards) - 1;
  return first === last ? String(first) : `${first} to ${last}`;
}

function givenUp(error: Error, epoch: number): Error {
  const message = `training is given up: epoch ${epoch} was lost ${MAX_FRUITLESS_GENERATIONS} times in a row, the last time because ${error.message}`;
  return new Error(message, { cause: error });
}

/** A member, its slot, its executor or its server is gone: the round can be run again. */
function isLoss(error: unknown): boolean {
  const carriesFailure = error instanceof TaskSetError || error instanceof JobError;
  const { kind } = carriesFailure ? error.failure : toFailure(error);
  return kind === 'executor-lost' || kind === 'fetch-failed';
}

const BEGINNING: Committed = { step: 0, parts: [] };
const LOST = 'every copy of the committed state is lost: training begins again';

/** When every holder of the committed state is gone the training begins again: slower, with the same weights. */
async function readable(context: SheafContext, committed: Committed): Promise<boolean> {
  return Promise.all(committed.parts.map(({ block }) => context.blocks.get(block))).then(
    () => true,
    () => false,
  );
}

const allFinite = (values: Float32Array) => values.every(Number.isFinite);

async function thetaOf(context: SheafContext, plan: NumericalPlan, { parts }: Committed): Promise<Float32Array> {
  const theta = new Float32Array(layoutOf(plan.network).length);
  await readParts(parts, context.blocks, theta);
  return theta;
}
