import { type Column, Pairs } from '../columns.js';
import { hashKey } from '../keys.js';

export const CUTS = 64;
/** Bits of the hash below those that partitions are chosen by. */
const SHIFT = 16;

/** Pairs in 64 parts by a hash of the key, rows of a part in their old order. */
export function cutByHash({ keys, values }: Pairs): Pairs[] {
  const cuts = new Uint8Array(keys.length);
  const ends = new Uint32Array(CUTS);
  for (let row = 0; row < cuts.length; row++) {
    const cut = (hashKey(keys[row]) >>> SHIFT) & (CUTS - 1);
    cuts[row] = cut;
    ends[cut]!++;
  }
  for (let cut = 1; cut < CUTS; cut++) ends[cut]! += ends[cut - 1]!;
  const [cutKeys, cutValues] = [scattered(keys, cuts, ends), scattered(values, cuts, ends)];
  return Array.from(ends, (end, cut) => {
    const from = cut === 0 ? 0 : ends[cut - 1]!;
    return new Pairs(cutKeys(from, end), cutValues(from, end));
  });
}

function scattered(column: Column, cuts: Uint8Array, ends: Uint32Array): (from: number, to: number) => Column {
  const next = new Uint32Array(CUTS);
  next.set(ends.subarray(0, CUTS - 1), 1);
  if (column instanceof Float64Array) {
    const out = new Float64Array(column.length);
    for (let row = 0; row < out.length; row++) out[next[cuts[row]!]!++] = column[row]!;
    return (from, to) => out.subarray(from, to);
  }
  const out = new Array<unknown>(column.length);
  for (let row = 0; row < out.length; row++) out[next[cuts[row]!]!++] = column[row];
  return (from, to) => out.slice(from, to);
}
