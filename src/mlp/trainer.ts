import { isDeepStrictEqual } from 'node:util';
import type { ServerOptions } from '../ps/server/options.js';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import type { SheafContext } from '../rdd/context.js';
import { JobError } from '../scheduler/job-error.js';
import { TaskSetError } from '../scheduler/task-set.js';
import { type AllReduceOptions, AllReduceRounds } from './allreduce-rounds.js';
import type { Cursor, EpochMeasure } from './checkpoint/checkpoint-folder.js';
import { type CheckpointOptions, Checkpoints } from './checkpoint/checkpoints.js';
import { type Committed, readParts } from './committed.js';
import { allFinite, Diverged, divergedError } from './diverged.js';
import { isLoss } from './is-loss.js';
import { initialTheta, layoutOf } from './layout.js';
import { nextMultiple } from './numerical-plan.js';
import { Pace } from './pace.js';
import { ParameterServerRounds } from './ps-rounds.js';
import type { Aggregation, RoundResult, Rounds, StepLoss } from './rounds.js';
import { TrainingCluster } from './training-cluster.js';
import { TrainingLog } from './training-log.js';
import { type EpochReport, isStop, type TrainingControl, type TrainingHooks } from './training-reports.js';
import type { TrainingSpec } from './training-spec.js';
import { TreeRounds } from './tree-rounds.js';

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
  /** Of each epoch, where the noise of gradients is measured. */
  readonly measured?: readonly EpochMeasure[];
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
  /** Of what was saved last to a second executor. */
  #copying: Promise<void> = Promise.resolve();
  /** Before it: kept because only the next step shows that an update was one too many. */
  #previous: Saved;
  #cursor: Cursor;
  /** Of the cursor's step. */
  #pace: Pace;
  /** Whether a search has ended an iteration with the last update. */
  #iterated = false;
  /** Of the epoch that ended with the state saved, until who watches has been told. */
  #untold: EpochReport | undefined;
  /** Updates after which somebody who watches has seen enough. */
  #enough = Number.POSITIVE_INFINITY;
  readonly #control: TrainingControl = {
    setConsistency: (consistency) => {
      const { aggregation } = this.settings;
      if (!this.#rounds.setConsistency)
        throw new TypeError(`setConsistency needs aggregation 'ps', parameter servers, not '${aggregation}'`);
      this.#rounds.setConsistency(consistency);
    },
  };
  readonly #log: TrainingLog;

  constructor(
    readonly context: SheafContext,
    readonly spec: TrainingSpec,
    shards: ArrowRDD,
    readonly settings: TrainSettings,
  ) {
    const { checkpoint } = settings;
    this.#cluster = new TrainingCluster(context, spec, shards);
    this.#rounds = roundsOf(this.#cluster, settings);
    this.#log = new TrainingLog(context.bus, spec);
    this.#checkpoints = checkpoint && new Checkpoints(checkpoint, spec.plan, context);
    const committed = { step: 0, parts: spec.warmStart ?? [] };
    this.#beginning = this.#saved = this.#previous = { committed, cursor: { step: 0, losses: [], partial: NO_ROWS } };
    this.#cursor = this.#saved.cursor;
    this.#pace = this.#paceOf(this.#cursor);
  }

  async run(): Promise<TrainingResult> {
    const { model } = this.spec;
    const resumed = await this.#checkpoints?.resume(`${model}/resumed`);
    if (resumed) this.#previous = this.#beginning = resumed;
    const { consistency } = resumed?.cursor ?? {};
    if (consistency && !this.settings.servers?.consistencyOf) this.#rounds.setConsistency?.(consistency);
    this.#return(this.#beginning);
    if (resumed && (await this.#endsBefore(resumed))) this.#stop();
    let formed = false;
    let fruitless = 0;
    let theta: Float32Array | undefined;
    while (!theta) {
      try {
        await this.#tell();
        if (this.#over) {
          await this.#copying.catch(() => {}); // what can be read decides
          theta = await this.#theta(this.#saved.committed);
          break;
        }
        if (!formed || this.#cluster.canGrow()) {
          formed = false;
          await this.#form();
          formed = true;
        }
        await this.#toNextCommit();
        fruitless = 0;
      } catch (error) {
        if (error instanceof Diverged) throw await this.#diverged(error);
        if (!isLoss(error)) throw error instanceof TaskSetError ? new JobError('training', error) : error;
        if (++fruitless >= MAX_FRUITLESS_GENERATIONS) throw givenUp(error as Error, this.#epoch);
        formed = false;
        await this.#recover(error as Error);
      }
    }
    if (!allFinite(theta))
      throw await this.#diverged(new Diverged(this.#saved.committed.step - 1), this.#cursor.losses.length);
    const { backend, generation } = this.#cluster;
    const { losses, measured } = this.#cursor;
    return { theta, losses, ...(measured && { measured }), backend, generations: generation + 1 };
  }

  /** Whether who watches the training has seen enough in the epochs before the checkpoint. */
  async #endsBefore({ cursor, committed }: Saved): Promise<boolean> {
    const betweenEpochs = cursor.losses.length > 0 && cursor.partial.rows === 0;
    return isStop(await this.settings.hooks?.onResume?.(cursor.losses.length, betweenEpochs ? committed : undefined));
  }

  async #form(): Promise<void> {
    const { committed, cursor } = this.#saved;
    await this.#cluster.form(committed, cursor.pace, this.#rounds.ranges?.bind(this.#rounds));
    this.#checkpoints?.checkInput(this.#cluster.input);
    await this.#rounds.begin(committed);
    this.#log.begin();
  }

  /** Rounds up to the end of the epoch or the next checkpoint, the commit there, and who is to be told. */
  async #toNextCommit(): Promise<void> {
    const { hooks } = this.settings;
    const every = this.#checkpoints?.every ?? Number.POSITIVE_INFINITY;
    // A search says itself when an iteration is over: what is between is no state to keep.
    const searches = this.#pace.last === Number.POSITIVE_INFINITY;
    const until = searches ? this.#pace.last : Math.min(this.#pace.last, nextMultiple(this.#cursor.step, every));
    let result: RoundResult = { step: this.#cursor.step };
    this.#iterated = false;
    while (result.step < until && !this.#stopped && !this.#iterated) {
      const steps = hooks?.onStep || searches ? 1 : until - result.step;
      const commits = !searches && result.step + steps === until;
      result = await this.#rounds.run(result.step, steps, (step, loss) => this.#count(step, loss), commits);
      this.#log.add(result.cost, steps);
    }
    await this.#copying;
    const committed = await this.#commit(result.step);
    const report = this.#save(committed, searches ? this.#iterated : committed.step === this.#pace.last);
    this.#untold = report;
    if (report && this.#byGoodput && !this.#pace.over) await this.#tellBatch(committed.step);
    if (this.#checkpoints && (report || committed.step % every === 0))
      await this.#checkpoints.write(this.#cursor, committed, this.#cluster.input);
    await this.#tell();
  }

  /** Of an epoch that is over. When something is lost meanwhile and its state is not, it is told then. */
  async #tell(): Promise<void> {
    if (!this.#untold) return;
    const state = async () => {
      await this.#copying;
      return this.#saved.committed;
    };
    if (isStop(await this.settings.hooks?.onEpoch?.(this.#untold, state, this.#control))) this.#stop();
    this.#untold = undefined;
    if (this.#noteConsistency()) await this.#checkpoints?.amend(this.#cursor, this.#cluster.input);
  }

  /** @returns whether a callback has set another since the last time */
  #noteConsistency(): boolean {
    const { consistencySet: consistency } = this.#rounds;
    if (!consistency || isDeepStrictEqual(consistency, this.#cursor.consistency)) return false;
    this.#cursor = { ...this.#cursor, consistency };
    return true;
  }

  async #commit(step: number): Promise<Committed> {
    const committed = await this.#rounds.commit(step);
    if (this.spec.plan.local?.kind !== 'elastic') return committed;
    return { ...committed, workers: await this.#cluster.commitWorkers(committed.step) };
  }

  /**
   * What was saved goes to a second executor beside the next round. Until the next commit, which waits for it, the state saved
   * before is kept: should the only holder be lost meanwhile, all goes on from there.
   */
  #beginCopy(): void {
    this.#copying = this.#copy(this.#saved);
    this.#copying.catch(() => {}); // the next commit hears of it
  }

  async #copy(saved: Saved): Promise<void> {
    const copied = await this.#rounds.copy?.(saved.committed);
    if (copied && this.#saved === saved) this.#saved = { ...saved, committed: copied };
  }

  #count(step: number, loss: StepLoss): void {
    // A search tries steps that are too long, and hears of it.
    if (!Number.isFinite(loss.lossSum) && !this.#pace.search) throw new Diverged(step, loss);
    const { partial } = this.#cursor;
    const sums = {
      rows: partial.rows + loss.rows,
      weight: partial.weight + loss.weight,
      lossSum: partial.lossSum + loss.lossSum,
    };
    const { iterations = 0 } = this.#pace.search ?? {};
    this.#pace.add(loss);
    const { search } = this.#pace;
    this.#iterated = search !== undefined && (search.iterations > iterations || search.done !== undefined);
    this.#cursor = { ...this.#cursor, step: step + 1, partial: sums };
    const { onStep } = this.settings.hooks ?? {};
    const mean = loss.lossSum / loss.weight;
    const report = { step: step + 1, epoch: this.#epoch, loss: mean, rows: loss.rows, ...noiseOf(this.#pace) };
    if (onStep && isStop(onStep(report, this.#control))) this.#stop();
  }

  /** @returns what there is to tell of an epoch that has ended */
  #save(committed: Committed, epochEnded: boolean): EpochReport | undefined {
    const { step } = committed;
    this.#cursor = { ...this.#cursor, step };
    this.#noteConsistency();
    const report = epochEnded ? this.#endEpoch(step) : undefined;
    const pace = this.#pace.state();
    if (pace) this.#cursor = { ...this.#cursor, pace };
    const forgotten = this.#previous.committed.parts;
    this.#previous = this.#saved;
    this.#saved = { committed, cursor: this.#cursor };
    this.#beginCopy();
    if (forgotten !== this.#beginning.committed.parts && forgotten !== this.#previous.committed.parts)
      for (const { block } of forgotten) this.context.tasks.release(block.scope);
    return report;
  }

  #endEpoch(step: number): EpochReport | undefined {
    const { losses, partial, measured = [] } = this.#cursor;
    const { search } = this.#pace;
    // A search may end without another iteration.
    if (search && search.iterations === losses.length) return undefined;
    const loss = search ? search.losses.at(-1)! : partial.lossSum / partial.weight;
    const { generation, members } = this.#cluster;
    const report = this.#log.epoch({ epoch: this.#epoch, loss }, partial.rows, this.#pace, generation, members.length);
    this.#cursor = { ...this.#cursor, losses: [...losses, loss], partial: NO_ROWS };
    if (this.#pace.measure) {
      const { batch, noiseScale: noise } = this.#pace;
      const noiseScale = noise !== undefined && Number.isFinite(noise) ? noise : null;
      this.#cursor = { ...this.#cursor, measured: [...measured, { batch, noiseScale }] };
    }
    this.#pace.endEpoch(step);
    if (this.#byGoodput) this.#pace.choose(this.#log.chosen(this.#pace));
    if (this.spec.plan.adaptive?.max !== undefined && !this.#pace.over) this.#log.batch(report, this.#pace);
    return report;
  }

  get #byGoodput(): boolean {
    return this.spec.plan.adaptive?.by === 'goodput';
  }

  /** What was measured here the members cannot know. */
  async #tellBatch(step: number): Promise<void> {
    const { generation } = this.#cluster;
    await this.#cluster.all(() => ({ op: 'batch', generation, step, rows: this.#pace.batch }));
  }

  /** After the loss of a member: back to what was committed, or to what its mode could save. */
  async #recover(error: Error): Promise<void> {
    const { bus } = this.context;
    await this.#copying.catch(() => {}); // of a lost executor: what can be read decides
    this.#copying = Promise.resolve();
    const salvaged = await this.#rounds.salvage?.();
    if (salvaged) {
      this.#saved = { committed: salvaged, cursor: { ...this.#cursor, step: salvaged.step } }; // its pace is the plan's
    } else if (!(await this.#readable(this.#saved.committed))) {
      const whole = this.#previous !== this.#beginning && (await this.#readable(this.#previous.committed));
      if (!whole) bus.emit({ event: 'warning', message: LOST });
      this.#saved = this.#previous = whole ? this.#previous : this.#beginning;
      this.#untold = undefined;
    }
    if (!salvaged && this.#saved !== this.#beginning) this.#beginCopy(); // a holder may be among the lost
    this.#return(this.#saved);
    const message = `training goes on from epoch ${this.#epoch} on other slots: ${error.message}`;
    bus.emit({ event: 'warning', message });
  }

  get #over(): boolean {
    return this.#stopped || this.#pace.over || this.#pace.search?.done !== undefined;
  }

  get #stopped(): boolean {
    return this.#cursor.step >= this.#enough;
  }

  /** At the cursor. A training that loses the state there comes to it again, and ends there whatever is said then. */
  #stop(): void {
    this.#enough = this.#cursor.step;
  }

  #return(saved: Saved): void {
    this.#saved = saved;
    this.#cursor = saved.cursor;
    this.#pace = this.#paceOf(saved.cursor);
  }

  #paceOf({ step, pace }: Cursor): Pace {
    return new Pace(this.spec.plan, this.spec.measure ?? false, step, pace);
  }

  /** Of the step at hand, from 1. */
  get #epoch(): number {
    return this.#cursor.losses.length + 1;
  }

  /** @returns with the newest of the states kept that is all numbers */
  async #diverged(error: Diverged, epoch = this.#epoch): Promise<Error> {
    const { plan } = this.spec;
    const [saved, previous] = [this.#saved, this.#previous];
    // The first step after a commit computes with the committed weights: they are to blame, not good.
    for (const { committed, cursor } of error.step === saved.committed.step ? [previous] : [saved, previous]) {
      const theta = await this.#theta(committed).catch(() => undefined);
      const epochs = cursor.partial.rows === 0 ? cursor.losses.length : Number.NaN;
      if (theta && allFinite(theta)) return divergedError(error, plan, { theta, step: committed.step, epochs }, epoch);
    }
    const theta = initialTheta(plan.network, plan.seed, plan.initializer);
    return divergedError(error, plan, { theta, step: 0 }, epoch);
  }

  async #readable({ parts, workers = [], residuals = [] }: Committed): Promise<boolean> {
    for (const block of [...parts.map(({ block }) => block), ...workers.map(({ block }) => block), ...residuals]) {
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

const noiseOf = ({ noiseScale }: Pace) => (noiseScale === undefined ? {} : { noiseScale });

function givenUp(error: Error, epoch: number): Error {
  const message = `training is given up: epoch ${epoch} was lost ${MAX_FRUITLESS_GENERATIONS} times in a row, the last time because ${error.message}`;
  return new Error(message, { cause: error });
}
