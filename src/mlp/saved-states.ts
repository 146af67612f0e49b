import type { BlockRef } from '../protocol/block.js';
import type { SheafContext } from '../rdd/context.js';
import type { Cursor } from './checkpoint/checkpoint-header.js';
import { type Committed, readTheta, unreadTheta } from './committed.js';
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
 * The states from which a training can go on: the last; while that is copied to a second executor, which goes on beside the
 * training, the one before, should the only holder be lost meanwhile; and the last two that were due, at the ends of epochs
 * and at checkpoints, however many commits lie between. All others are released.
 */
export class SavedStates {
  #last: Saved;
  /** While the last is copied: the one before, which survives an executor. */
  #before: Saved | undefined;
  /** Newest first. Two, as only the next step shows that an update was one too many. */
  #due: readonly Saved[];
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
    this.#last = beginning;
    this.#due = [beginning];
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

  /** @param onTheWay whether it is one between those that are due */
  save(saved: Saved, onTheWay = false): void {
    this.#keep(saved, this.#last, onTheWay ? this.#due : [saved, ...this.#due.slice(0, 1)]);
    this.#beginCopy();
  }

  /** After a loss: a newer state than the last, from where that survived. */
  salvaged(saved: Saved): void {
    this.#keep(saved, undefined, [saved, ...this.#due.slice(0, 1)]);
  }

  /** After a loss: the newest state that can be read is the last from now on. @returns whether it was before */
  async fallBack(): Promise<boolean> {
    await this.settled();
    const before = this.#last;
    const newest = (await this.#newest()) ?? this.beginning;
    const due = this.#due.filter(({ committed }) => committed.step <= newest.committed.step);
    this.#keep(newest, undefined, due.length > 0 ? due : [newest]);
    if (newest !== this.beginning) this.#beginCopy(); // a holder may be among the lost
    return newest === before;
  }

  /** Releases what was written of a state that is none of these. */
  discard(scope: string): void {
    if (!scopesOf(this.#kept).has(scope)) this.context.tasks.release(scope);
  }

  get #kept(): readonly Saved[] {
    return [this.#last, ...(this.#before ? [this.#before] : []), ...this.#due, this.beginning];
  }

  #keep(last: Saved, before: Saved | undefined, due: readonly Saved[]): void {
    const former = scopesOf(this.#kept);
    [this.#last, this.#before, this.#due] = [last, before, due];
    const now = scopesOf(this.#kept);
    for (const scope of former) if (!now.has(scope)) this.context.tasks.release(scope);
  }

  /** That can be read. */
  async #newest(): Promise<Saved | undefined> {
    if (this.#last === this.beginning && (await this.#readable(this.beginning.committed))) return this.beginning;
    const states = new Set(this.#kept.toSorted((a, b) => b.committed.step - a.committed.step));
    states.delete(this.beginning);
    for (const state of states) if (await this.#readable(state.committed)) return state;
    this.context.bus.emit({ event: 'warning', message: LOST });
    return undefined;
  }

  /** Weights of the last. @throws Error when no copy of it can be read */
  theta(): Promise<Float32Array> {
    return this.#theta(this.#last.committed);
  }

  /** Of the newest of the states that were due that is all numbers. @param step that computed what is no number */
  async lastGood(step: number): Promise<GoodWeights> {
    // The first step after a commit computes with the committed weights: they are to blame, not good.
    const [newest = this.beginning, previous = newest] = this.#due;
    const blamed = step === newest.committed.step;
    for (const { committed, cursor } of blamed ? [previous] : [newest, previous]) {
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
    if (this.#last !== saved) return;
    const copied = committed ? { ...saved, committed } : saved;
    this.#keep(
      copied,
      undefined,
      this.#due.map((state) => (state === saved ? copied : state)),
    );
  }

  async #readable(committed: Committed): Promise<boolean> {
    for (const block of blocksOf(committed)) {
      const there = await this.context.blocks.get(block).then(
        () => true,
        () => false,
      );
      if (!there) return false;
    }
    return true;
  }

  async #theta({ parts }: Committed): Promise<Float32Array> {
    return readTheta(parts, this.plan, this.context.blocks);
  }
}

function blocksOf({ parts, workers = [], residuals = [] }: Committed): BlockRef[] {
  return [...parts.map(({ block }) => block), ...workers.map(({ block }) => block), ...residuals];
}

function scopesOf(states: readonly Saved[]): Set<string> {
  return new Set(states.flatMap(({ committed }) => blocksOf(committed).map(({ scope }) => scope)));
}
