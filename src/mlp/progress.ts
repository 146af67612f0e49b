import { isDeepStrictEqual } from 'node:util';
import type { Cursor } from './checkpoint/checkpoint-header.js';
import { Diverged } from './diverged.js';
import { nextMultiple, updatesPerEpoch } from './numerical-plan.js';
import { Pace } from './pace.js';
import type { StepLoss } from './rounds.js';
import type { StepReport } from './training-reports.js';
import type { TrainingSpec } from './training-spec.js';

const NO_ROWS = { rows: 0, weight: 0, lossSum: 0 };

/** Where a training begins. */
export const BEGINNING: Cursor = { step: 0, losses: [], partial: NO_ROWS };

/** How far a training has come: its cursor, and the pace at the cursor's step. Effects are others'. */
export class Progress {
  #cursor: Cursor = BEGINNING;
  #pace!: Pace;
  #iterated = false;
  /** Sums of the epoch at hand before the last step that was counted. */
  #before = NO_ROWS;

  constructor(
    readonly spec: Pick<TrainingSpec, 'plan' | 'measure'>,
    cursor: Cursor,
  ) {
    this.returnTo(cursor);
  }

  returnTo(cursor: Cursor): void {
    this.#cursor = cursor;
    this.#pace = new Pace(this.spec.plan, this.spec.measure ?? false, cursor.step, cursor.pace);
  }

  get cursor(): Cursor {
    return this.#cursor;
  }

  get pace(): Pace {
    return this.#pace;
  }

  /** Of the step at hand, from 1. */
  get epoch(): number {
    return this.#cursor.losses.length + 1;
  }

  get over(): boolean {
    return this.#pace.over || this.#pace.search?.done !== undefined;
  }

  /** Whether it is a search that says when an iteration is over: what is between is no state to keep. */
  get searches(): boolean {
    return this.#pace.last === Number.POSITIVE_INFINITY;
  }

  /**
   * Updates after which a state is due whatever is lost: where the epoch ends, or a checkpoint is. Infinity where a search
   * says when.
   * @param every updates from one checkpoint to the next
   */
  due(every = Number.POSITIVE_INFINITY): number {
    return this.searches ? this.#pace.last : Math.min(this.#pace.last, nextMultiple(this.#cursor.step, every));
  }

  /**
   * Where to go on after a loss that left the state after so many updates, with the plan's pace. The last update of an epoch
   * is made once more: nobody may have told of those before it, and an epoch's loss is that of steps that were told.
   * @returns also the rows of the updates that were not told, as many as the plan has in so many
   */
  salvaged(after: number): { readonly cursor: Cursor; readonly rows: number } {
    const { plan } = this.spec;
    const step = Math.min(after, this.#pace.last - 1);
    const untold = Math.max(0, step - this.#cursor.step);
    const rows = Math.round((untold * plan.rows) / updatesPerEpoch(plan));
    const partial = step < this.#cursor.step ? this.#before : this.#cursor.partial;
    return { cursor: { ...this.#cursor, step, partial }, rows };
  }

  /** Whether a search has ended an iteration with the last update. */
  get iterated(): boolean {
    return this.#iterated;
  }

  /** Before the rounds up to a commit. */
  begin(): void {
    this.#iterated = false;
  }

  /** One step more. @throws Diverged when its loss is no number */
  count(step: number, loss: StepLoss): StepReport {
    // A search tries steps that are too long, and hears of it.
    if (!Number.isFinite(loss.lossSum) && !this.#pace.search) throw new Diverged(step, loss);
    const { partial } = this.#cursor;
    this.#before = partial;
    const sums = {
      rows: partial.rows + loss.rows,
      weight: partial.weight + loss.weight,
      lossSum: partial.lossSum + loss.lossSum,
    };
    const { iterations = 0 } = this.#pace.search ?? {};
    this.#pace.add(loss);
    const { search, noiseScale } = this.#pace;
    this.#iterated = search !== undefined && (search.iterations > iterations || search.done !== undefined);
    this.#cursor = { ...this.#cursor, step: step + 1, partial: sums };
    const report = { step: step + 1, epoch: this.epoch, loss: loss.lossSum / loss.weight, rows: loss.rows };
    return noiseScale === undefined ? report : { ...report, noiseScale };
  }

  /** The state after so many updates is committed. */
  commit(step: number): void {
    this.#cursor = { ...this.#cursor, step };
  }

  /** Mean loss of the epoch that ends here; undefined where a search has ended without another iteration. */
  get epochLoss(): number | undefined {
    const { losses, partial } = this.#cursor;
    const { search } = this.#pace;
    if (search && search.iterations === losses.length) return undefined;
    return search ? search.losses.at(-1)! : partial.lossSum / partial.weight;
  }

  endEpoch(loss: number): void {
    const { step, losses, measured = [] } = this.#cursor;
    this.#cursor = { ...this.#cursor, losses: [...losses, loss], partial: NO_ROWS };
    if (this.#pace.measure) {
      const { batch, noiseScale: noise } = this.#pace;
      const noiseScale = noise !== undefined && Number.isFinite(noise) ? noise : null;
      this.#cursor = { ...this.#cursor, measured: [...measured, { batch, noiseScale }] };
    }
    this.#pace.endEpoch(step);
  }

  /** The cursor with all that it takes to go on from here. */
  keep(): Cursor {
    const pace = this.#pace.state();
    if (pace) this.#cursor = { ...this.#cursor, pace };
    return this.#cursor;
  }

  /** @param consistency that a callback has set, if one has. @returns whether it is another than the cursor's */
  noteConsistency(consistency: Cursor['consistency']): boolean {
    if (!consistency || isDeepStrictEqual(consistency, this.#cursor.consistency)) return false;
    this.#cursor = { ...this.#cursor, consistency };
    return true;
  }
}
