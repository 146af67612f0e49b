import { ColumnBuilder, JoinedPairs, type Pairs } from '../columns.js';
import type { JoinKeep } from './join.js';
import { KeyIndex, NumberIndex, type RowIndex } from './row-index.js';

/** Matches that are handed on together: three columns of them fit the processor's second cache. */
const MATCHED_ROWS = 1 << 14;
/** Rows of the left side that are looked up together, and matches that are gathered together. */
const BLOCK_ROWS = 1 << 11;

/** Growing rows of a join. */
export class JoinedBuilder {
  #columns = columns();

  get length(): number {
    return this.#columns.keys.length;
  }

  /** Appends rows of both sides, -1 standing for none. */
  gather(left: Pairs, right: Pairs, { lefts, rights, count }: Matches): void {
    const out = this.#columns;
    out.keys.gather(left.keys, lefts, count);
    out.lefts.gather(left.values, lefts, count);
    out.rights.gather(right.values, rights, count);
  }

  /** A row that the left side lacks. */
  addRight(key: unknown, value: unknown): void {
    this.#columns.keys.push(key);
    this.#columns.lefts.push(undefined);
    this.#columns.rights.push(value);
  }

  /** What was added since the last time. */
  take(): JoinedPairs {
    const { keys, lefts, rights } = this.#columns;
    this.#columns = columns();
    return new JoinedPairs(keys.finish(), lefts.finish(), rights.finish());
  }
}

function columns() {
  const [keys, lefts, rights] = [0, 1, 2].map(() => new ColumnBuilder(MATCHED_ROWS + BLOCK_ROWS));
  return { keys: keys!, lefts: lefts!, rights: rights! };
}

/** Pairs of row numbers. */
class Matches {
  readonly lefts = new Int32Array(BLOCK_ROWS);
  readonly rights = new Int32Array(BLOCK_ROWS);
  count = 0;
}

/** The side of a join that is held in memory: its rows with an index of them by key. */
export class RightSide {
  readonly #index: RowIndex;
  /** By row, where it is asked for in the end. */
  readonly #matched: Uint8Array | undefined;
  readonly #keepsLeft: boolean;

  constructor(
    readonly rows: Pairs,
    keep: JoinKeep,
  ) {
    this.#index = rows.keys instanceof Float64Array ? new NumberIndex(rows.keys) : new KeyIndex(rows.keys);
    this.#matched = keep === 'right' || keep === 'all' ? new Uint8Array(rows.length) : undefined;
    this.#keepsLeft = keep === 'left' || keep === 'all';
  }

  /** Gathers the matches of a part of the left side; many of its rows may each match many here. */
  *match(left: Pairs, out: JoinedBuilder): Generator<JoinedPairs> {
    const firsts = new Int32Array(BLOCK_ROWS);
    const matches = new Matches();
    for (let from = 0; from < left.length; from += BLOCK_ROWS) {
      const to = Math.min(from + BLOCK_ROWS, left.length);
      this.#index.find(left.keys, from, to, firsts);
      for (let row = from; row < to; ) {
        row = this.#expand(row, from, to, firsts, matches);
        out.gather(left, this.rows, matches);
        if (out.length >= MATCHED_ROWS) yield out.take();
      }
    }
  }

  /**
   * Fills `matches` from the left side's row on. `firsts` holds what is still to be matched with each.
   * @returns the row to go on with
   */
  #expand(row: number, from: number, to: number, firsts: Int32Array, matches: Matches): number {
    const { next } = this.#index;
    const { lefts, rights } = matches;
    const matched = this.#matched;
    let count = 0;
    let left = row;
    for (; left < to && count < BLOCK_ROWS; left++) {
      let right = firsts[left - from]!;
      if (right < 0) {
        if (!this.#keepsLeft) continue;
        lefts[count] = left;
        rights[count++] = -1;
        continue;
      }
      for (; right >= 0 && count < BLOCK_ROWS; right = next[right]!) {
        if (matched) matched[right] = 1;
        lefts[count] = left;
        rights[count++] = right;
      }
      if (right < 0) continue;
      firsts[left - from] = right;
      break;
    }
    matches.count = count;
    return left;
  }

  *unmatched(out: JoinedBuilder): Generator<JoinedPairs> {
    const { keys, values } = this.rows;
    for (let row = 0; row < keys.length; row++) {
      if (this.#matched![row]) continue;
      out.addRight(keys[row], values[row]);
      if (out.length >= MATCHED_ROWS) yield out.take();
    }
  }
}
