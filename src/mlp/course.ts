import type { SheafContext } from '../rdd/context.js';
import type { Builds } from './builds.js';
import type { Cursor, Origin } from './checkpoint/checkpoint-header.js';
import { Checkpoints } from './checkpoint/checkpoints.js';
import { type Committed, readTheta, unreadTheta } from './committed.js';
import { allFinite, Diverged, type DivergedError, divergedError } from './diverged.js';
import { putTheta } from './evaluate.js';
import type { ManyAnswer, ManyMember } from './fit-many-program.js';
import type { FitRequest } from './fit-network.js';
import type { FittedNetwork } from './model.js';
import { type NumericalPlan, nextMultiple } from './numerical-plan.js';
import { BEGINNING } from './progress.js';
import type { Saved } from './saved-states.js';
import type { TargetSpec } from './targets.js';
import { checkVerdict, isStop, type TrainingControl } from './training-reports.js';
import { type Watch, type Watching, watchingOf } from './watching.js';

/** One of several trainings on the same rows. */
export interface CourseSpec {
  readonly request: FitRequest;
  readonly plan: NumericalPlan;
  readonly target: TargetSpec;
  readonly watch?: Watch;
}

export type Trained = Pick<FittedNetwork, 'theta' | 'losses' | 'backend'> & Partial<FittedNetwork>;

type Answer = ManyAnswer['networks'][number];

/** Of networks that exchange nothing there is nothing to change. */
const APART: TrainingControl = {
  setConsistency() {
    throw new TypeError(
      'setConsistency: networks fitted together exchange nothing, so there is no consistency to change; fit this one alone',
    );
  },
};

/**
 * One network's way through a training with others, as the driver sees it: the states it has come to, its checkpoints, and
 * whether it goes on. What `Trainer` is to a network of one's own; both go through the same states and read the same
 * checkpoints.
 */
export class Course {
  #saved: Saved = { committed: { step: 0, parts: [] }, cursor: BEGINNING };
  /** Kept because only the next step shows that an update was one too many. */
  #previous = this.#saved;
  #stopped = false;
  #failure: DivergedError | undefined;
  /** What computed the state saved. */
  #by: Omit<Origin, 'input'> = { builds: [], backend: '' };
  readonly #checkpoints: Checkpoints | undefined;
  readonly #watching: Watching | undefined;

  /** @param scope owns the states */
  constructor(
    readonly context: SheafContext,
    readonly spec: CourseSpec,
    readonly scope: string,
  ) {
    const { plan, request, target, watch } = spec;
    const { checkpoint } = request.options;
    this.#checkpoints = checkpoint && new Checkpoints(checkpoint, plan, context);
    this.#watching =
      watch && watchingOf(watch, { plan, target, features: request.columns.features }, checkpoint, scope);
  }

  /** Where it begins: its first weights, or a checkpoint. @throws Error when it cannot go on from the checkpoint there is */
  async begin(): Promise<void> {
    const { context, scope } = this;
    const { warmStart } = this.spec.request.options;
    const parts = warmStart ? [await putTheta(context, warmStart.theta, 'warm-start', `${scope}/beginning`)] : [];
    const resumed = await this.#checkpoints?.resume(`${scope}/beginning`);
    this.#saved = this.#previous = resumed ?? { committed: { step: 0, parts }, cursor: BEGINNING };
    if (!resumed) return;
    const { cursor, committed, by } = resumed;
    this.#by = by;
    const betweenEpochs = cursor.losses.length > 0 && cursor.partial.rows === 0;
    const stops = await this.#watching?.resume(cursor.losses.length, betweenEpochs ? committed : undefined);
    this.#stopped = stops ?? false;
  }

  /** That computed the state it has come to; empty where there is none, or it is not known. */
  get builds(): Builds {
    return this.#by.builds;
  }

  checkInput(input: string): void {
    this.#checkpoints?.checkInput(input);
  }

  get over(): boolean {
    return this.#stopped || this.#failure !== undefined || this.#saved.cursor.step === this.#last;
  }

  /** Where it stands, and the next place where there is something to do. */
  get standing(): { readonly step: number; readonly until: number } {
    const { step } = this.#saved.cursor;
    const { stepsPerEpoch } = this.spec.plan;
    if (!this.#watching && !this.#checkpoints && !this.#onEpoch) return { step, until: this.#last };
    const every = this.#checkpoints?.every ?? Number.POSITIVE_INFINITY;
    return { step, until: Math.min(nextMultiple(step, stepsPerEpoch), nextMultiple(step, every)) };
  }

  /** What a slot needs to take it on. */
  order(until: number): Omit<ManyMember, 'member'> {
    const { committed, cursor } = this.#saved;
    return { parts: committed.parts, partial: cursor.partial, scope: `${this.scope}/step-${until}` };
  }

  /**
   * A slot has taken it on so far: keeps the state at this host, writes a checkpoint where one is due, looks whether to stop, and
   * tells `onEpoch`: last, so that an epoch that is lost on the way is told once.
   * @throws FailureError when the state is gone with its executor: nothing has changed then
   */
  async advance(answer: Answer, step: number, origin: Origin): Promise<void> {
    const { plan } = this.spec;
    if (answer.diverged) {
      this.#failure = await this.#diverged(answer);
      return;
    }
    const parts = await Promise.all(
      answer.parts.map(async (part) => {
        const copy = await this.context.blocks.copy(part.block, 'home');
        return { ...part, block: { ...part.block, at: [...part.block.at, ...copy.at] } };
      }),
    );
    const committed: Committed = { step, parts };
    const before = this.#saved.cursor;
    const cursor: Cursor = { ...before, step, losses: [...before.losses, ...answer.losses], partial: answer.partial };
    const epochEnded = step % plan.stepsPerEpoch === 0;
    if (this.#checkpoints?.isDue(step, epochEnded)) await this.#checkpoints.write(cursor, committed, origin);
    const stopped = epochEnded && (await this.#endsAfter(cursor, committed));
    const forgotten = this.#previous.cursor.step;
    this.#previous = this.#saved;
    this.#saved = { committed, cursor };
    this.#by = origin;
    this.#stopped = stopped;
    if (forgotten < this.#previous.cursor.step) this.context.dag.release(`${this.scope}/step-${forgotten}`);
  }

  /** Whether an epoch that is over is the last, to who watches or to the user. */
  async #endsAfter({ losses }: Cursor, committed: Committed): Promise<boolean> {
    const observed = await this.#watching?.observe(losses.length, committed);
    const validation = observed && { validation: observed.value };
    const report = { epoch: losses.length, loss: losses.at(-1)!, ...validation };
    const verdict = await this.#onEpoch?.(report, APART);
    return isStop(checkVerdict(this.spec.request.owner, 'onEpoch', verdict)) || observed?.stop === true;
  }

  get #onEpoch() {
    return this.spec.request.options.onEpoch;
  }

  /** Once it is over. */
  async result(): Promise<Trained | DivergedError> {
    if (this.#failure) return this.#failure;
    const { committed, cursor } = this.#saved;
    const theta = await this.#theta(committed);
    if (!allFinite(theta))
      return divergedError(new Diverged(cursor.step - 1), this.spec.plan, await this.#lastGood(), cursor.losses.length);
    return { theta, losses: cursor.losses, backend: this.#by.backend, ...(await this.#watching?.outcome()) };
  }

  async #diverged({ diverged, parts }: Answer): Promise<DivergedError> {
    const { step, lossSum, goodStep } = diverged!;
    const loss = lossSum === null ? undefined : { rows: 0, weight: 1, lossSum: Number(lossSum) };
    const good =
      goodStep === null ? await this.#lastGood() : { theta: await this.#theta({ step, parts }), step: goodStep };
    return divergedError(new Diverged(step, loss), this.spec.plan, good);
  }

  /** The weights before the last state, or the initial ones where these are no numbers either. */
  async #lastGood(): Promise<{ theta: Float32Array; step: number }> {
    const { committed } = this.#previous;
    const theta = await this.#theta(committed);
    return allFinite(theta) ? { theta, step: committed.step } : { theta: unreadTheta([], this.spec.plan), step: 0 };
  }

  async #theta({ parts }: Committed): Promise<Float32Array> {
    return readTheta(parts, this.spec.plan, this.context.blocks);
  }

  /** Updates of the whole training. */
  get #last(): number {
    const { epochs, stepsPerEpoch } = this.spec.plan;
    return epochs * stepsPerEpoch;
  }
}
