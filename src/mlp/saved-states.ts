import type { SheafContext } from '../rdd/context.js';
import type { Cursor } from './checkpoint/checkpoint-folder.js';
import { type Committed, readParts, unreadTheta } from './committed.js';
import { allFinite } from './diverged.js';
import type { NumericalPlan } from './numerical-plan.js';

/** A state that is kept where it survives an executor, and where the training stood. */
export interface Saved {
  readonly committed: Committed;
  readonly cursor: Cursor;
}

/** Weights, after so many updates; after so many epochs, NaN where that is in the middle of one. */
interface GoodWeights {
  readonly theta: Float32Array;
  readonly step: number;
  readonly epochs?: number;
}

const LOST = 'every copy of the committed state is lost: training begins again';

/**
 * The states from which a training can go on: the last, the one before, and the first of this process. The last is copied to a
 * second executor while training goes on; until the next one, which waits for that, the state before is kept: should the only
 * holder be lost meanwhile, all goes on from there.
 */
export class SavedStates {
  #last: Saved;
  /** Kept also because only the next step shows that an update was one too many. */
  #previous: Saved;
  /** Of the last. */
  #copying: Promise<void> = Promise.resolve();

  /**
   * @param beginning the initial weights, or a checkpoint; never released
   * @param copy makes a state survive an executor; see `Rounds.copy`
   */
  constructor(
    readonly beginning: Saved,
    readonly plan: NumericalPlan,
    readonly context: SheafContext,
    readonly copy: (committed: Committed) => Promise<Committed | undefined>,
  ) {
    this.#last = this.#previous = beginning;
  }

  get last(): Saved {
    return this.#last;
  }

  /** The last, where it survives an executor. @throws what its copying failed with */
  async copied(): Promise<Saved> {
    await this.#copying;
    return this.#last;
  }

  /** Waits for a copy that an executor's loss may have ended: what can be read decides then. */
  async settled(): Promise<void> {
    await this.#copying.catch(() => {});
    this.#copying = Promise.resolve();
  }

  save(saved: Saved): void {
    const forgotten = this.#previous.committed.parts;
    this.#previous = this.#last;
    this.#last = saved;
    this.#beginCopy();
    if (forgotten !== this.beginning.committed.parts && forgotten !== this.#previous.committed.parts)
      for (const { block } of forgotten) this.context.tasks.release(block.scope);
  }

  /** After a loss: a newer state than the last, from where that survived. */
  salvaged(saved: Saved): void {
    this.#last = saved;
  }

  /** After a loss: the newest state that can be read is the last from now on. @returns whether it was before */
  async fallBack(): Promise<boolean> {
    const there = await this.#readable(this.#last.committed);
    if (!there) {
      const whole = this.#previous !== this.beginning && (await this.#readable(this.#previous.committed));
      if (!whole) this.context.bus.emit({ event: 'warning', message: LOST });
      this.#last = this.#previous = whole ? this.#previous : this.beginning;
    }
    if (this.#last !== this.beginning) this.#beginCopy(); // a holder may be among the lost
    return there;
  }

  /** Weights of the last. @throws Error when no copy of it can be read */
  theta(): Promise<Float32Array> {
    return this.#theta(this.#last.committed);
  }

  /** Of the newest of the states that is all numbers. @param step that computed what is no number */
  async lastGood(step: number): Promise<GoodWeights> {
    // The first step after a commit computes with the committed weights: they are to blame, not good.
    const blamed = step === this.#last.committed.step;
    for (const { committed, cursor } of blamed ? [this.#previous] : [this.#last, this.#previous]) {
      const theta = await this.#theta(committed).catch(() => undefined);
      const epochs = cursor.partial.rows === 0 ? cursor.losses.length : Number.NaN;
      if (theta && allFinite(theta)) return { theta, step: committed.step, epochs };
    }
    return { theta: unreadTheta([], this.plan), step: 0 };
  }

  #beginCopy(): void {
    this.#copying = this.#copy(this.#last);
    this.#copying.catch(() => {}); // the next commit hears of it
  }

  async #copy(saved: Saved): Promise<void> {
    const committed = await this.copy(saved.committed);
    if (committed && this.#last === saved) this.#last = { ...saved, committed };
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
    const theta = unreadTheta(parts, this.plan);
    await readParts(parts, this.context.blocks, theta);
    return theta;
  }
}
