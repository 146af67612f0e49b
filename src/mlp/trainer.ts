import { toFailure } from '../protocol/failure.js';
import type { ServerOptions } from '../ps/server/options.js';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import type { SheafContext } from '../rdd/context.js';
import { JobError } from '../scheduler/job-error.js';
import { TaskSetError } from '../scheduler/task-set.js';
import { type AllReduceOptions, AllReduceRounds } from './allreduce-rounds.js';
import type { Cursor } from './checkpoint/checkpoint-folder.js';
import { type CheckpointOptions, Checkpoints } from './checkpoint/checkpoints.js';
import { type Committed, readParts } from './committed.js';
import { Diverged, divergedError } from './diverged.js';
import { initialTheta, layoutOf } from './layout.js';
import { ParameterServerRounds } from './ps-rounds.js';
import { type Aggregation, addCosts, type RoundCost, type RoundResult, type Rounds, type StepLoss } from './rounds.js';
import { TrainingCluster } from './training-cluster.js';
import { isStop, type TrainingHooks } from './training-reports.js';
import type { TrainingSpec } from './training-spec.js';
import { TreeRounds } from './tree-rounds.js';

export { DivergedError } from './diverged.js';
export type { EpochReport, StepReport, TrainingHooks, Verdict } from './training-reports.js';

/** What does not change the numbers of a synchronous training. */
export interface TrainSettings {
  readonly aggregation: Aggregation;
  /** Of parameter servers. */
  readonly servers?: ServerOptions;
  readonly allReduce?: AllReduceOptions;
  readonly hooks?: TrainingHooks;
  readonly checkpoint?: CheckpointOptions;
}

export interface TrainingResult {
  readonly theta: Float32Array;
  readonly losses: readonly number[];
  /** Compute backend, for people. */
  readonly backend: string;
  /** Generations formed: 1 when nothing was lost. */
  readonly generations: number;
}

/** A training that loses slots so often without getting from one commit to the next is not unlucky. */
const MAX_FRUITLESS_GENERATIONS = 8;

const NO_ROWS = { rows: 0, weight: 0, lossSum: 0 };
const LOST = 'every copy of the committed state is lost: training begins again';

/** Trains a network on the slots of the context. @throws DivergedError; Error when a checkpoint cannot be gone on from */
export async function train(
  context: SheafContext,
  spec: TrainingSpec,
  shards: ArrowRDD,
  settings: TrainSettings,
): Promise<TrainingResult> {
  try {
    return await new Trainer(context, spec, shards, settings).run();
  } finally {
    context.dag.release(spec.model);
  }
}

/** A state that is kept where it survives an executor, and where the training stood. */
interface Saved {
  readonly committed: Committed;
  readonly cursor: Cursor;
}

/**
 * The driver's loop of a training. It goes from commit to commit (the ends of epochs, and checkpoints) in rounds; after
 * each commit the state lies where it survives an executor. When a member is lost, in whatever mode, the survivors' orders
 * end, a new generation is formed on the slots there are, and all goes on from the committed state; when slots have joined,
 * the next round begins on them too. All numbers follow from the numerical plan, so the weights of synchronous modes are
 * the same whoever computes them.
 */
class Trainer {
  readonly #cluster: TrainingCluster;
  readonly #rounds: Rounds;
  readonly #checkpoints: Checkpoints | undefined;
  /** Of this process: the initial weights, or a checkpoint. */
  #beginning: Saved;
  #saved: Saved;
  /** Before it: kept because only the next step shows that an update was one too many. */
  #previous: Saved;
  #cursor: Cursor;
  #stopped = false;
  #epochBegun = 0;
  /** Of the epoch's rounds so far. */
  #cost: RoundCost | undefined;

  constructor(
    readonly context: SheafContext,
    readonly spec: TrainingSpec,
    shards: ArrowRDD,
    readonly settings: TrainSettings,
  ) {
    const { checkpoint } = settings;
    this.#cluster = new TrainingCluster(context, spec, shards);
    this.#rounds = roundsOf(this.#cluster, settings);
    this.#checkpoints = checkpoint && new Checkpoints(checkpoint, spec.plan, context);
    const committed = { step: 0, parts: spec.warmStart ?? [] };
    this.#beginning = this.#saved = this.#previous = { committed, cursor: { step: 0, losses: [], partial: NO_ROWS } };
    this.#cursor = this.#saved.cursor;
  }

  async run(): Promise<TrainingResult> {
    const { plan, model } = this.spec;
    const resumed = await this.#checkpoints?.resume(`${model}/resumed`);
    if (resumed) this.#previous = this.#beginning = resumed;
    this.#return(this.#beginning);
    let formed = false;
    let fruitless = 0;
    while (!this.#stopped && this.#cursor.step < plan.epochs * plan.stepsPerEpoch) {
      try {
        if (!formed || this.#cluster.canGrow()) {
          formed = false;
          await this.#form();
          formed = true;
        }
        await this.#toNextCommit();
        fruitless = 0;
      } catch (error) {
        if (error instanceof Diverged) throw await this.#diverged(error);
        if (!isLoss(error)) throw error;
        if (++fruitless >= MAX_FRUITLESS_GENERATIONS) throw givenUp(error as Error, this.#epoch);
        formed = false;
        await this.#recover(error as Error);
      }
    }
    const theta = await this.#theta(this.#saved.committed);
    if (!allFinite(theta)) throw await this.#diverged(new Diverged(this.#saved.committed.step - 1));
    const { backend, generation } = this.#cluster;
    return { theta, losses: this.#cursor.losses, backend, generations: generation + 1 };
  }

  async #form(): Promise<void> {
    const { committed } = this.#saved;
    await this.#cluster.form(committed, this.#rounds.ranges?.bind(this.#rounds));
    this.#checkpoints?.checkInput(this.#cluster.input);
    await this.#rounds.begin(committed);
    this.#epochBegun = this.context.bus.clock.now();
  }

  /** Rounds up to the end of the epoch or the next checkpoint, the commit there, and who is to be told. */
  async #toNextCommit(): Promise<void> {
    const { hooks } = this.settings;
    const { stepsPerEpoch } = this.spec.plan;
    const every = this.#checkpoints?.every ?? stepsPerEpoch;
    const until = Math.min(nextMultiple(this.#cursor.step, stepsPerEpoch), nextMultiple(this.#cursor.step, every));
    let result: RoundResult = { step: this.#cursor.step };
    while (result.step < until && !this.#stopped) {
      const steps = hooks?.onStep ? 1 : until - result.step;
      result = await this.#rounds.run(result.step, steps, (step, loss) => this.#count(step, loss));
      this.#cost = result.cost && (this.#cost ? addCosts(this.#cost, result.cost) : result.cost);
    }
    const committed = await this.#rounds.commit(result.step);
    const ended = committed.step % stepsPerEpoch === 0;
    this.#save(committed, ended);
    if (this.#checkpoints && (ended || committed.step % every === 0))
      await this.#checkpoints.write(this.#cursor, committed, this.#cluster.input);
    const loss = this.#cursor.losses.at(-1)!;
    if (ended && isStop(await hooks?.onEpoch?.({ epoch: this.#cursor.losses.length, loss }, committed)))
      this.#stopped = true;
  }

  #count(step: number, loss: StepLoss): void {
    if (!Number.isFinite(loss.lossSum)) throw new Diverged(step, loss);
    const { partial, losses } = this.#cursor;
    const sums = {
      rows: partial.rows + loss.rows,
      weight: partial.weight + loss.weight,
      lossSum: partial.lossSum + loss.lossSum,
    };
    this.#cursor = { step: step + 1, losses, partial: sums };
    const { onStep } = this.settings.hooks ?? {};
    const report = { step: step + 1, epoch: this.#epoch, loss: loss.lossSum / loss.weight, rows: loss.rows };
    if (onStep && isStop(onStep(report))) this.#stopped = true;
  }

  #save(committed: Committed, epochEnded: boolean): void {
    const { losses, partial } = this.#cursor;
    const { step } = committed;
    if (epochEnded) {
      const loss = partial.lossSum / partial.weight;
      this.#tell(loss, partial.rows);
      this.#cursor = { step, losses: [...losses, loss], partial: NO_ROWS };
    } else this.#cursor = { step, losses, partial };
    const forgotten = this.#previous.committed.parts;
    this.#previous = this.#saved;
    this.#saved = { committed, cursor: this.#cursor };
    if (forgotten !== this.#beginning.committed.parts && forgotten !== this.#previous.committed.parts)
      for (const { block } of forgotten) this.context.tasks.release(block.scope);
  }

  #tell(loss: number, rows: number): void {
    const { bus } = this.context;
    const { plan, model } = this.spec;
    const ms = bus.clock.now() - this.#epochBegun;
    this.#epochBegun = bus.clock.now();
    const { generation } = this.#cluster;
    const { epochs } = plan;
    bus.emit({ event: 'round', model, generation, epoch: this.#epoch, epochs, loss, rows, ms, ...this.#cost });
    this.#cost = undefined;
  }

  /** After the loss of a member: back to what was committed, or to what its mode could save. */
  async #recover(error: Error): Promise<void> {
    const { bus } = this.context;
    bus.emit({
      event: 'warning',
      message: `training goes on from epoch ${this.#epoch} on other slots: ${error.message}`,
    });
    const salvaged = await this.#rounds.salvage?.();
    if (salvaged) {
      this.#saved = { committed: salvaged, cursor: { ...this.#cursor, step: salvaged.step } };
    } else if (!(await this.#readable(this.#saved.committed))) {
      bus.emit({ event: 'warning', message: LOST });
      this.#previous = this.#saved = this.#beginning;
    }
    this.#return(this.#saved);
  }

  #return(saved: Saved): void {
    this.#saved = saved;
    this.#cursor = saved.cursor;
  }

  /** Of the step at hand, from 1. */
  get #epoch(): number {
    return this.#cursor.losses.length + 1;
  }

  /** @returns with the newest of the states kept that is all numbers */
  async #diverged(error: Diverged): Promise<Error> {
    const { plan } = this.spec;
    // The first step after a commit computes with the committed weights: they are to blame, not good.
    const [saved, previous] = [this.#saved.committed, this.#previous.committed];
    for (const state of error.step === saved.step ? [previous] : [saved, previous]) {
      const theta = await this.#theta(state).catch(() => undefined);
      if (theta && allFinite(theta)) return divergedError(error, plan, { theta, step: state.step });
    }
    const theta = initialTheta(plan.network, plan.seed, plan.initializer);
    return divergedError(error, plan, { theta, step: 0 });
  }

  async #readable({ parts }: Committed): Promise<boolean> {
    for (const { block } of parts) {
      const there = await this.context.blocks.get(block).then(
        () => true,
        () => false,
      );
      if (!there) return false;
    }
    return true;
  }

  async #theta({ parts }: Committed): Promise<Float32Array> {
    const { plan } = this.spec;
    if (parts.length === 0) return initialTheta(plan.network, plan.seed, plan.initializer);
    const theta = new Float32Array(layoutOf(plan.network).length);
    await readParts(parts, this.context.blocks, theta);
    return theta;
  }
}

function roundsOf(cluster: TrainingCluster, { aggregation, servers, allReduce }: TrainSettings): Rounds {
  if (aggregation === 'tree') return new TreeRounds(cluster);
  if (aggregation === 'ps') return new ParameterServerRounds(cluster, servers);
  return new AllReduceRounds(cluster, allReduce);
}

const nextMultiple = (step: number, of: number) => (Math.floor(step / of) + 1) * of;

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

const allFinite = (values: Float32Array) => values.every(Number.isFinite);
