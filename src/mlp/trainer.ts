import { toFailure } from '../protocol/failure.js';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import type { SheafContext } from '../rdd/context.js';
import { JobError } from '../scheduler/job-error.js';
import { TaskSetError } from '../scheduler/task-set.js';
import { layoutOf } from './layout.js';
import type { NumericalPlan } from './numerical-plan.js';
import { ParameterServerRounds } from './ps-rounds.js';
import type { Rounds, StepLoss } from './rounds.js';
import { floats } from './train-program.js';
import { type Committed, TrainingCluster } from './training-cluster.js';
import type { TrainingSpec } from './training-spec.js';
import { TreeRounds } from './tree-rounds.js';

export type Aggregation = 'tree' | 'ps';

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

/** The loss is no number any more. The last good weights are kept. */
export class DivergedError extends Error {
  override readonly name = 'DivergedError';
  constructor(
    message: string,
    readonly epoch: number,
    readonly lastGoodTheta: Float32Array | undefined,
  ) {
    super(message);
  }
}

/** A training that loses slots so often without finishing one epoch is not unlucky. */
const MAX_FRUITLESS_GENERATIONS = 8;

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
  const cluster = new TrainingCluster(context, spec, shards);
  const rounds: Rounds = aggregation === 'ps' ? new ParameterServerRounds(cluster) : new TreeRounds(cluster);
  const losses: number[] = [];
  let committed: Committed = { step: 0, block: null };
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
        const previous = committed;
        const loss = await runEpoch(cluster, rounds, previous, losses.length + 1);
        committed = loss.committed;
        fruitless = 0;
        losses.push(loss.mean);
        if (previous.block) context.tasks.release(previous.block.scope);
        onEpoch({ epoch: losses.length, loss: loss.mean });
      } catch (error) {
        if (!isLoss(error)) throw error;
        if (++fruitless >= MAX_FRUITLESS_GENERATIONS) throw givenUp(error as Error, losses.length + 1);
        formed = false;
        const message = `training goes on from epoch ${losses.length + 1} on other slots: ${(error as Error).message}`;
        context.bus.emit({ event: 'warning', message });
        if (committed.block) committed = await stillReadable(context, committed, losses);
      }
    }
    return {
      theta: await thetaOf(context, plan, committed),
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
  const result = await rounds
    .run(from.step, plan.stepsPerEpoch, (step, loss) => {
      rows += loss.rows;
      lossSum += loss.lossSum;
      if (!Number.isFinite(loss.lossSum)) throw new Diverged(step, loss);
    })
    .catch(async (error: unknown) => {
      if (!(error instanceof Diverged)) throw error;
      const theta = from.block ? await thetaOf(context, plan, from) : undefined;
      throw new DivergedError(divergedMessage(error, epoch, theta !== undefined), epoch, theta);
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

class Diverged extends Error {
  constructor(
    readonly step: number,
    readonly loss: StepLoss,
  ) {
    super('diverged');
  }
}

function divergedMessage({ step, loss }: Diverged, epoch: number, kept: boolean): string {
  const bad = loss.parts?.filter(({ lossSum }) => !Number.isFinite(lossSum));
  const shards = bad?.map(({ level, index }) => shardRange(level, index)).join(', ');
  const where = shards ? `, in gradient shard ${shards}` : '';
  const advice = 'try a smaller learning rate, or scale the features';
  const weights = kept
    ? `the weights after epoch ${epoch - 1} are kept in this error's lastGoodTheta`
    : 'no epoch had ended';
  return `the loss became ${loss.lossSum} in epoch ${epoch} (update ${step + 1})${where}: ${advice}; ${weights}`;
}

function shardRange(level: number, index: number): string {
  const first = index * 2 ** level;
  return level === 0 ? String(first) : `${first} to ${first + 2 ** level - 1}`;
}

function givenUp(error: Error, epoch: number): Error {
  const message = `training is given up: epoch ${epoch} was lost ${MAX_FRUITLESS_GENERATIONS} times in a row, the last time because ${error.message}`;
  return new Error(message, { cause: error });
}

/** A member, its slot, its executor or its server is gone: the round can be run again. */
function isLoss(error: unknown): boolean {
  if (error instanceof TaskSetError || error instanceof JobError)
    return error.failure.kind === 'executor-lost' || error.failure.kind === 'fetch-failed';
  return ['executor-lost', 'fetch-failed'].includes(toFailure(error).kind);
}

/** When every holder of the committed state is gone the training begins again: slower, with the same weights. */
async function stillReadable(context: SheafContext, committed: Committed, losses: number[]): Promise<Committed> {
  try {
    await context.blocks.get(committed.block!);
    return committed;
  } catch {
    context.bus.emit({ event: 'warning', message: 'every copy of the committed state is lost: training begins again' });
    losses.length = 0;
    return { step: 0, block: null };
  }
}

async function thetaOf(context: SheafContext, plan: NumericalPlan, { block }: Committed): Promise<Float32Array> {
  return floats(await context.blocks.get(block!)).slice(0, layoutOf(plan.network).length);
}
