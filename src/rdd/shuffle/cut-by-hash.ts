import { type Column, Pairs } from '../columns.js';
import { hashKey, hashNumber } from '../keys.js';

export const CUTS = 64;
/** Bits of the hash below those that partitions are chosen by. */
const SHIFT = 16;

/** Pairs in 64 parts by a hash of the key, rows of a part in their old order. */
export function cutByHash({ keys, values }: Pairs): Pairs[] {
  const cuts = keys instanceof Float64Array ? cutsOfNumbers(keys) : cutsOf(keys);
  const ends = new Uint32Array(CUTS);
  for (let row = 0; row < cuts.length; row++) ends[cuts[row]!]!++;
  for (let cut = 1; cut < CUTS; cut++) ends[cut]! += ends[cut - 1]!;
  const [cutKeys, cutValues] = [scattered(keys, cuts, ends), scattered(values, cuts, ends)];
  return Array.from(ends, (end, cut) => {
    const from = cut === 0 ? 0 : ends[cut - 1]!;
    return new Pairs(cutKeys(from, end), cutValues(from, end));
  });
}

/** Apart from `cutsOf`, so that V8 compiles it for numbers alone. */
function cutsOfNumbers(keys: Float64Array): Uint8Array {
  const cuts = new Uint8Array(keys.length);
  for (let row = 0; row < cuts.length; row++) cuts[row] = (hashNumber(keys[row]!) >>> SHIFT) & (CUTS - 1);
  return cuts;
}

function cutsOf(keys: readonly unknown[]): Uint8Array {
  const cuts = new Uint8Array(keys.length);
  for (let row = 0; row < cuts.length; row++) cuts[row] = (hashKey(keys[row]) >>> SHIFT) & (CUTS - 1);
  return cuts;
}

function scattered(column: Column, cuts: Uint8Array, ends: Uint32Array): (from: number, to: number) => Column {
  const next = new Uint32Array(CUTS);
  next.set(ends.subarray(0, CUTS - 1), 1);
  if (column instanceof Float64Array) {
    const out = scatteredNumbers(column, cuts, next);
    return (from, to) => out.subarray(from, to);
  }
  const out = new Array<unknown>(column.length);
  for (let row = 0; row < out.length; row++) out[next[cuts[row]!]!++] = column[row];
  return (from, to) => out.slice(from, to);
}

function scatteredNumbers(column: Float64Array, cuts: Uint8Array, next: Uint32Array): Float64Array {
  const out = new Float64Array(column.length);
  for (let row = 0; row < out.length; row++) {
    const cut = cuts[row]!;
    const at = next[cut]!;
    next[cut] = at + 1;
    out[at] = column[row]!;
  }
  return out;
}
