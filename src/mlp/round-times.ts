import type { SlotKey } from '../scheduler/task-set.js';

/** What a round took. */
export interface RoundTimes {
  /** In milliseconds, from its first step's beginning to its last one's end. */
  readonly ms: number;
  readonly steps: number;
  /** Of all members and steps. */
  readonly rows: number;
  /** Of each member, in milliseconds, on gradients. */
  readonly computeMs: ReadonlyMap<SlotKey, number>;
}

/** What steps take by now. */
export interface StepTimes {
  /** Rows of a step. */
  readonly rows: number;
  /** Milliseconds of a step, as long as its slowest member takes. */
  readonly stepMs: number;
  /** Milliseconds of each member's gradients of a step. */
  readonly computeMs: ReadonlyMap<SlotKey, number>;
}

/** Rounds shorter than this share of an epoch are taken together: however short they are, few are kept. */
const SAMPLE = 1 / 16;

/**
 * What the latest rounds of a generation took. What disturbs a slot for a moment lengthens the few rounds it falls into, so a
 * median is taken; of two, the shorter.
 */
export class RoundWindow {
  #rounds: RoundTimes[] = [];

  /** @param epochRows rows of an epoch */
  constructor(readonly epochRows: number) {}

  /** Another generation: what was is no measure of it. */
  clear(): void {
    this.#rounds = [];
  }

  add(round: RoundTimes): void {
    const last = this.#rounds.at(-1);
    if (last && last.rows < SAMPLE * this.epochRows) this.#rounds[this.#rounds.length - 1] = plus(last, round);
    else this.#rounds.push(round);
  }

  /**
   * Medians over the last rounds that have as many epochs' rows, two rounds at least; what was before is forgotten.
   * @returns undefined while there were not as many
   */
  times(epochs: number): StepTimes | undefined {
    const rows = epochs * this.epochRows;
    const enough = () => this.#rounds.length >= 2 && this.#rounds.reduce((sum, round) => sum + round.rows, 0) >= rows;
    if (!enough()) return undefined;
    let first: RoundTimes | undefined;
    while (enough()) first = this.#rounds.shift();
    this.#rounds.unshift(first!);

    const last = this.#rounds.at(-1)!;
    const stepRows = last.rows / last.steps;
    const ofStep = (msOf: (round: RoundTimes) => number) =>
      stepRows * median(this.#rounds.map((round) => msOf(round) / round.rows));
    return {
      rows: stepRows,
      stepMs: ofStep(({ ms }) => ms),
      computeMs: new Map(
        [...last.computeMs.keys()].map((slot) => [slot, ofStep(({ computeMs }) => computeMs.get(slot)!)]),
      ),
    };
  }
}

function plus(one: RoundTimes, other: RoundTimes): RoundTimes {
  return {
    ...{ ms: one.ms + other.ms, steps: one.steps + other.steps, rows: one.rows + other.rows },
    computeMs: new Map([...one.computeMs].map(([slot, ms]) => [slot, ms + other.computeMs.get(slot)!])),
  };
}

/** The lower one of an even number. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]!;
}
