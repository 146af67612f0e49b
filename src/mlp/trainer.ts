import type { Consistency } from '../ps/server/consistency.js';
import type { ArrowRDD } from '../rdd/arrow-rdd.js';
import type { SheafContext } from '../rdd/context.js';
import { JobError } from '../scheduler/job-error.js';
import { TaskSetError } from '../scheduler/task-set.js';
import { Checkpoints } from './checkpoint/checkpoints.js';
import { CommitInterval } from './commit-interval.js';
import { type Committed, stateScope } from './committed.js';
import { allFinite, Diverged, divergedError } from './diverged.js';
import { isLoss } from './is-loss.js';
import { BEGINNING, Progress } from './progress.js';
import type { RoundResult, Rounds, StepLoss } from './rounds.js';
import { type Saved, SavedStates } from './saved-states.js';
import { addsCanonically, roundsOf, type TrainingResult, type TrainSettings } from './train-settings.js';
import { TrainingCluster } from './training-cluster.js';
import { TrainingLog } from './training-log.js';
import { type EpochReport, isStop, type TrainingControl } from './training-reports.js';
import type { TrainingSpec } from './training-spec.js';

/** A training that loses slots so often without getting from one commit to the next is not unlucky. */
const MAX_FRUITLESS_GENERATIONS = 8;

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

/**
 * The driver's loop of a training. It goes from commit to commit in rounds: to the ends of epochs and to checkpoints, and
 * between them as often as `CommitInterval` says; after each the state lies where it survives an executor. When a member is
 * lost, in whatever mode, the survivors' orders end, a new generation is formed on the slots there are, and all goes on from
 * the committed state; when slots have joined, the next round begins on them too; and when one is slow for good, others take
 * shards over from it at an epoch's end. All numbers follow from the numerical plan,
 * so the weights of synchronous modes are the same whoever computes them, and wherever commits fall.
 */
class Trainer {
  readonly #cluster: TrainingCluster;
  readonly #rounds: Rounds;
  readonly #checkpoints: Checkpoints | undefined;
  readonly #progress: Progress;
  #states: SavedStates;
  /** Of the epoch that ended with the state saved, until who watches has been told. */
  #untold: EpochReport | undefined;
  /** Whether there is to be a checkpoint of the state saved, which is not written yet. */
  #owesCheckpoint = false;
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
  readonly #interval: CommitInterval;
  /** Whether shards may move to other slots. */
  readonly #rebalances: boolean;
  /** Updates after which the commit at hand, or the last one, is made. */
  #until = 0;

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
    this.#rebalances = context.conf.get('sheaf.train.rebalance') === 'true' && addsCanonically(settings);
    this.#interval = new CommitInterval(spec.plan, () => context.bus.clock.now());
    this.#checkpoints = checkpoint && new Checkpoints(checkpoint, spec.plan, context);
    this.#states = this.#statesFrom({ committed: { step: 0, parts: spec.warmStart ?? [] }, cursor: BEGINNING });
    this.#progress = new Progress(spec, BEGINNING);
  }

  async run(): Promise<TrainingResult> {
    const { model } = this.spec;
    const resumed = await this.#checkpoints?.resume(`${model}/resumed`);
    if (resumed) {
      this.#states = this.#statesFrom(resumed);
      this.#progress.returnTo(resumed.cursor);
      this.#cluster.builds = resumed.by.builds;
      this.#cluster.backend = resumed.by.backend;
    }
    const { consistency } = resumed?.cursor ?? {};
    if (consistency && !this.settings.servers?.consistencyOf) this.#goOnWith(consistency);
    if (resumed && (await this.#endsBefore(resumed))) this.#stop();
    let formed = false;
    let theta: Float32Array | undefined;
    while (!theta) {
      try {
        await this.#giveOut();
        if (this.#over) {
          await this.#states.settled();
          theta = await this.#states.theta();
          break;
        }
        if (!formed || this.#cluster.canGrow() || this.#shouldDealAnew()) {
          formed = false;
          await this.#form();
          formed = true;
        }
        await this.#toNextCommit();
      } catch (error) {
        if (error instanceof Diverged) throw await this.#diverged(error);
        if (!isLoss(error)) throw error instanceof TaskSetError ? new JobError('training', error) : error;
        if (this.#interval.lost() >= MAX_FRUITLESS_GENERATIONS) throw givenUp(error as Error, this.#progress.epoch);
        formed = false;
        await this.#recover(error as Error);
      }
    }
    if (!allFinite(theta))
      throw await this.#diverged(new Diverged(this.#states.last.committed.step - 1), this.#progress.epoch - 1);
    const { backend, generation } = this.#cluster;
    const { losses, measured } = this.#progress.cursor;
    return { theta, losses, ...(measured && { measured }), backend, generations: generation + 1 };
  }

  /** With what a callback had set before the checkpoint. @throws TypeError when it does not fit this training's options */
  #goOnWith(consistency: Consistency): void {
    try {
      this.#rounds.setConsistency?.(consistency);
    } catch (cause) {
      const which = `the checkpoint goes on with consistency ${JSON.stringify(consistency)}, which a callback had set`;
      throw new TypeError(`${which}: ${(cause as Error).message}; or begin anew with resume: 'never'`, { cause });
    }
  }

  /** Whether who watches the training has seen enough in the epochs before the checkpoint. */
  async #endsBefore({ cursor, committed }: Saved): Promise<boolean> {
    const betweenEpochs = cursor.losses.length > 0 && cursor.partial.rows === 0;
    return isStop(await this.settings.hooks?.onResume?.(cursor.losses.length, betweenEpochs ? committed : undefined));
  }

  async #form(): Promise<void> {
    const { committed, cursor } = this.#states.last;
    const { clock } = this.context.bus;
    const begun = clock.now();
    const loadMs = await this.#cluster.form(committed, cursor.pace, this.#rounds.ranges?.bind(this.#rounds));
    this.#checkpoints?.checkInput(this.#cluster.input);
    await this.#rounds.begin(committed);
    this.#cluster.balancer.formed(clock.now() - begun, loadMs);
    this.#log.begin(this.#cluster.generation, this.#cluster.members.length);
  }

  /** Between two epochs, where it changes no bit. */
  #shouldDealAnew(): boolean {
    const { losses, partial } = this.#progress.cursor;
    if (partial.rows > 0 || losses.length === 0 || !this.#rebalances) return false;
    return this.#cluster.shouldDealAnew(this.spec.plan.epochs - losses.length);
  }

  /** Rounds up to the next commit, the commit, and who is to be told. */
  async #toNextCommit(): Promise<void> {
    const { hooks } = this.settings;
    const { searches, pace, cursor } = this.#progress;
    const due = this.#progress.due(this.#checkpoints?.every);
    const commitsOnTheWay = !searches && !this.#rounds.salvages?.(cursor.step);
    this.#until = commitsOnTheWay ? cursor.step + this.#interval.steps(due - cursor.step) : due;
    let result: RoundResult = { step: cursor.step };
    this.#progress.begin();
    this.#interval.begin();
    while (result.step < this.#until && !this.#stopped && !this.#progress.iterated) {
      const steps = hooks?.onStep || searches ? 1 : this.#until - result.step;
      const commits = !searches && result.step + steps === this.#until;
      let rows = 0;
      const count = (step: number, loss: StepLoss) => {
        rows += loss.rows;
        this.#count(step, loss);
      };
      result = await this.#rounds.run(result.step, steps, count, commits);
      this.#log.add(result.cost, steps, rows);
      this.#interval.ran(steps, result.besidesMs);
    }
    this.#until = result.step;
    await this.#states.copied();
    const committed = await this.#commit(result.step);
    const onTheWay = committed.step < due && !this.#stopped && !this.#progress.iterated;
    const report = this.#save(committed, onTheWay);
    this.#interval.committed();
    if (onTheWay) return;
    this.#untold = report;
    this.#owesCheckpoint = this.#checkpoints?.isDue(committed.step, report !== undefined) ?? false;
    if (report && this.#byGoodput && !pace.over) await this.#tellBatch(committed.step);
    await this.#giveOut();
  }

  /**
   * What is owed of the state saved: its checkpoint, and word of its epoch. When something is lost meanwhile and that state
   * is not, it follows then.
   */
  async #giveOut(): Promise<void> {
    if (this.#owesCheckpoint) {
      const { committed, cursor } = this.#states.last;
      await this.#checkpoints?.write(cursor, committed, this.#cluster);
      this.#owesCheckpoint = false;
    }
    await this.#tell();
  }

  async #tell(): Promise<void> {
    if (!this.#untold) return;
    const state = async () => (await this.#states.copied()).committed;
    if (isStop(await this.settings.hooks?.onEpoch?.(this.#untold, state, this.#control))) this.#stop();
    this.#untold = undefined;
    if (this.#noteConsistency()) await this.#checkpoints?.amend(this.#progress.cursor, this.#cluster);
  }

  /** @returns whether a callback has set another since the last time */
  #noteConsistency(): boolean {
    return this.#progress.noteConsistency(this.#rounds.consistencySet);
  }

  async #commit(step: number): Promise<Committed> {
    const committed = await this.#rounds.commit(step);
    if (this.spec.plan.local?.kind !== 'elastic') return committed;
    return { ...committed, workers: await this.#cluster.commitWorkers(committed.step) };
  }

  #count(step: number, loss: StepLoss): void {
    const report = this.#progress.count(step, loss);
    const { onStep } = this.settings.hooks ?? {};
    if (onStep && isStop(onStep(report, this.#control))) this.#stop();
  }

  /** @returns what there is to tell of an epoch that has ended */
  #save(committed: Committed, onTheWay: boolean): EpochReport | undefined {
    const { searches, iterated, pace } = this.#progress;
    const epochEnded = searches ? iterated : committed.step === pace.last;
    this.#progress.commit(committed.step);
    this.#noteConsistency();
    this.#log.commit(committed.step, this.#progress.epoch);
    const report = epochEnded ? this.#endEpoch() : undefined;
    this.#states.save({ committed, cursor: this.#progress.keep() }, onTheWay);
    return report;
  }

  #endEpoch(): EpochReport | undefined {
    const { epoch, epochLoss: loss, pace } = this.#progress;
    if (loss === undefined) return undefined;
    const report = this.#log.epoch({ epoch, loss }, pace);
    this.#progress.endEpoch(loss);
    if (this.#byGoodput) pace.choose(this.#log.chosen(pace));
    if (this.spec.plan.adaptive?.max !== undefined && !pace.over) this.#log.batch(report, pace);
    return report;
  }

  get #byGoodput(): boolean {
    return this.spec.plan.adaptive?.by === 'goodput';
  }

  /** What was measured here the members cannot know. */
  async #tellBatch(step: number): Promise<void> {
    const { generation } = this.#cluster;
    await this.#cluster.all(() => ({ op: 'batch', generation, step, rows: this.#progress.pace.batch }));
  }

  /** After the loss of a member: back to what was committed, or to what its mode could save. */
  async #recover(error: Error): Promise<void> {
    await this.#states.settled();
    const { generation } = this.#cluster;
    this.#states.discard(stateScope(this.spec.model, { generation, step: this.#until })); // somebody may have written it
    const salvaged = await this.#rounds.salvage?.();
    if (salvaged) {
      const { cursor, rows } = this.#progress.salvaged(salvaged.step);
      this.#log.salvaged(cursor.step, this.#progress.epoch, rows);
      this.#states.salvaged({ committed: { ...salvaged, step: cursor.step }, cursor });
    } else await this.#fallBack();
    this.#progress.returnTo(this.#states.last.cursor);
    const message = `training goes on from epoch ${this.#progress.epoch} on other slots: ${error.message}`;
    this.context.bus.emit({ event: 'warning', message });
  }

  async #fallBack(): Promise<void> {
    const there = await this.#states.fallBack();
    this.#log.fellBack(this.#states.last.committed.step);
    if (there) return;
    this.#untold = undefined;
    this.#owesCheckpoint = false;
  }

  get #over(): boolean {
    return this.#stopped || this.#progress.over;
  }

  get #stopped(): boolean {
    return this.#progress.cursor.step >= this.#enough;
  }

  /** At the cursor. A training that loses the state there comes to it again, and ends there whatever is said then. */
  #stop(): void {
    this.#enough = this.#progress.cursor.step;
  }

  #statesFrom(beginning: Saved): SavedStates {
    const copy = async (committed: Committed) => this.#rounds.copy?.(committed);
    return new SavedStates(beginning, this.spec.plan, this.context, copy);
  }

  /** @returns with the newest of the states kept that is all numbers */
  async #diverged(error: Diverged, epoch = this.#progress.epoch): Promise<Error> {
    return divergedError(error, this.spec.plan, await this.#states.lastGood(error.step), epoch);
  }
}

function givenUp(error: Error, epoch: number): Error {
  const message = `training is given up: in epoch ${epoch} something was lost ${MAX_FRUITLESS_GENERATIONS} times in a row without a commit between, the last time because ${error.message}`;
  return new Error(message, { cause: error });
}
