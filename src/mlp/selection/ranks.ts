import { keyedRandom, shuffledIndices } from '../../rdd/random.js';

/** Rows are shuffled among so many neighbours: enough that what repeats in a file is spread, few enough to draw at once. */
const BLOCK_ROWS = 4096;

/**
 * Row numbers in a random order that needs no memory of the whole: rank r of row i is a permutation of 0 … rows - 1 which moves
 * rows within blocks of neighbours only. It depends on the row's number in the table and the seed, never on partitions.
 */
export class ShuffledRanks {
  #block = -1;
  #order: Int32Array = new Int32Array(0);

  /** @param stratum tells apart those that are shuffled each by itself */
  constructor(
    readonly rows: number,
    readonly seed: number,
    readonly stratum?: number,
  ) {}

  of(row: number): number {
    const block = Math.floor(row / BLOCK_ROWS);
    if (block !== this.#block) {
      this.#block = block;
      const size = Math.min(BLOCK_ROWS, this.rows - block * BLOCK_ROWS);
      const { seed, stratum } = this;
      const random =
        stratum === undefined ? keyedRandom(seed, 'selection', block) : keyedRandom(seed, 'stratum', stratum, block);
      this.#order = shuffledIndices(size, random);
    }
    return block * BLOCK_ROWS + this.#order[row - block * BLOCK_ROWS]!;
  }
}

/** Whether rank r is among floor(rows * fraction) evenly spaced ones. */
export function isDrawn(rank: number, fraction: number): boolean {
  return drawnBelow(rank + 1, fraction) > drawnBelow(rank, fraction);
}

/** A share such as 1 - 0.9 is a little less than it was meant to be. */
const ROUNDING = 1e-9;

/** How many of the first ranks are drawn. */
export function drawnBelow(rank: number, fraction: number): number {
  return Math.floor(rank * fraction + ROUNDING);
}
