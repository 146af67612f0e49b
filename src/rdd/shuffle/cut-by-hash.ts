import { type Column, Pairs } from '../columns.js';
import { hashKey, hashNumber } from '../keys.js';

export const CUTS = 64;
/** Bits of the hash below those that partitions are chosen by. */
const SHIFT = 16;

/** Rows a call: V8 optimises what is called often sooner, and better, than what goes on for long. */
const BLOCK_ROWS = 1 << 12;

/** Pairs in 64 parts by a hash of the key, rows of a part in their old order. */
export function cutByHash({ keys, values }: Pairs): Pairs[] {
  const cuts = new Uint8Array(keys.length);
  const ends = new Uint32Array(CUTS);
  for (let from = 0; from < keys.length; from += BLOCK_ROWS) {
    const to = Math.min(from + BLOCK_ROWS, keys.length);
    if (keys instanceof Float64Array) countNumbers(keys, from, to, cuts, ends);
    else countKeys(keys, from, to, cuts, ends);
  }
  for (let cut = 1; cut < CUTS; cut++) ends[cut]! += ends[cut - 1]!;
  const [cutKeys, cutValues] = [scattered(keys, cuts, ends), scattered(values, cuts, ends)];
  return Array.from(ends, (end, cut) => {
    const from = cut === 0 ? 0 : ends[cut - 1]!;
    return new Pairs(cutKeys(from, end), cutValues(from, end));
  });
}

/** Apart from `countKeys`, so that V8 compiles it for numbers alone. */
function countNumbers(keys: Float64Array, from: number, to: number, cuts: Uint8Array, counts: Uint32Array): void {
  for (let row = from; row < to; row++) {
    const cut = (hashNumber(keys[row]!) >>> SHIFT) & (CUTS - 1);
    cuts[row] = cut;
    counts[cut]!++;
  }
}

function countKeys(keys: readonly unknown[], from: number, to: number, cuts: Uint8Array, counts: Uint32Array): void {
  for (let row = from; row < to; row++) {
    const cut = (hashKey(keys[row]) >>> SHIFT) & (CUTS - 1);
    cuts[row] = cut;
    counts[cut]!++;
  }
}

function scattered(column: Column, cuts: Uint8Array, ends: Uint32Array): (from: number, to: number) => Column {
  const next = new Uint32Array(CUTS);
  next.set(ends.subarray(0, CUTS - 1), 1);
  if (column instanceof Float64Array) {
    const out = new Float64Array(column.length);
    for (let from = 0; from < out.length; from += BLOCK_ROWS)
      scatterNumbers(column, from, Math.min(from + BLOCK_ROWS, out.length), cuts, next, out);
    return (from, to) => out.subarray(from, to);
  }
  const out = new Array<unknown>(column.length);
  for (let row = 0; row < out.length; row++) out[next[cuts[row]!]!++] = column[row];
  return (from, to) => out.slice(from, to);
}

function scatterNumbers(
  column: Float64Array,
  from: number,
  to: number,
  cuts: Uint8Array,
  next: Uint32Array,
  out: Float64Array,
): void {
  for (let row = from; row < to; row++) {
    const cut = cuts[row]!;
    const at = next[cut]!;
    next[cut] = at + 1;
    out[at] = column[row]!;
  }
}
