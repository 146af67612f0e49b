import { bestOf } from './selection/metric.js';

export interface Observation {
  /** Whether the value is the best so far, by itself: the weights that gave it are worth keeping. */
  readonly best: boolean;
  /** Whether the training should end. */
  readonly stop: boolean;
}

/**
 * Ends a training when a measure has not become better by `minDelta` for `patience` observations (Prechelt 1998, its simplest
 * criterion; as Keras' EarlyStopping). NaN is never better.
 *
 * @example
 * const stopping = new EarlyStopping('min', 2, 0);
 * [3, 1, 2, 2].map((value) => stopping.observe(value).stop) // [false, false, false, true]
 */
export class EarlyStopping {
  /** All that was observed. */
  readonly values: number[] = [];
  #reference: number | undefined;
  #waited = 0;

  constructor(
    readonly direction: 'min' | 'max',
    readonly patience: number,
    readonly minDelta: number,
  ) {}

  /** The best observation's place, from 0; -1 before the first. */
  get bestIndex(): number {
    return bestOf(this.values, this.direction);
  }

  /** Whether the training should end, as after the last observation. */
  get stop(): boolean {
    return this.#waited >= this.patience;
  }

  /** Up to this place nothing was observed. */
  passOver(place: number): void {
    while (this.values.length < place) this.values.push(Number.NaN);
  }

  observe(value: number): Observation {
    this.values.push(value);
    const improved = this.#isBetter(value);
    if (improved) this.#reference = value;
    this.#waited = improved ? 0 : this.#waited + 1;
    return { best: this.bestIndex === this.values.length - 1, stop: this.stop };
  }

  /** Forgets observations from this place on, where they are to be made again. */
  forgetFrom(place: number): void {
    if (place >= this.values.length) return;
    const kept = this.values.splice(0).slice(0, place);
    this.#reference = undefined;
    this.#waited = 0;
    for (const value of kept) this.observe(value);
  }

  #isBetter(value: number): boolean {
    if (Number.isNaN(value)) return false;
    if (this.#reference === undefined) return true;
    const gain = this.direction === 'max' ? value - this.#reference : this.#reference - value;
    return gain > this.minDelta;
  }
}
