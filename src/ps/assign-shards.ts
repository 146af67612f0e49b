import { subtreeRoots } from './tree.js';

/** Shards from … to - 1. */
export interface ShardRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Deals shards 0 … G-1 to members in contiguous ranges, in the members' order, so that the slowest is waited for no longer
 * than need be: each shard goes to whoever is done with it first (D'Hondt's method of apportionment), which makes the
 * largest of size/speed least. Where several are, it chooses the ranges that leave the fewest subtree sums to exchange, and
 * among those the ones that move the fewest shards. Where ranges lie never changes a bit of the result.
 *
 * Each member has at least one shard: one without could not be measured, and so never come back. More members than shards:
 * some ranges are empty, the slowest members' first.
 *
 * @param members how many, all equally fast: sizes differ by at most one; or the speed of each, positive, in any unit
 * @param held what each member has by now; what is not among it is moved. Default: nothing
 * @throws RangeError for no members, or a speed that is not positive and finite
 * @example
 * assignShards(8, 3) // [{0, 3}, {3, 5}, {5, 8}] or a like split: sizes 3, 3, 2
 * assignShards(8, [3, 1]) // [{0, 6}, {6, 8}]: both are done after 2 units of time
 */
export function assignShards(
  G: number,
  members: number | readonly number[],
  held: readonly (ShardRange | undefined)[] = [],
): ShardRange[] {
  const speeds = typeof members === 'number' ? equal(members) : checked(members);
  const { least, larger, more } = sizesOf(G, speeds);

  // best[m][l]: least cost with m ranges placed, l of them with a shard more than least.
  const starts = speeds.map(() => 0);
  for (let m = 1; m < speeds.length; m++) starts[m] = starts[m - 1]! + least[m - 1]!;
  const best: { cost: number; tookMore: boolean }[][] = [[{ cost: 0, tookMore: false }]];
  let choices = larger.filter(Boolean).length; // among the members that are still to be placed
  const cost = (m: number, from: number, to: number) => costOf(from, to, G, held[m]);
  for (let m = 0; m < speeds.length; m++) {
    const row: { cost: number; tookMore: boolean }[] = [];
    if (larger[m]) choices--;
    for (let l = Math.max(0, more - choices); l <= Math.min(m + 1, more); l++) {
      const to = starts[m]! + least[m]! + l;
      const before = best[m]![l];
      const beforeMore = larger[m] && l > 0 ? best[m]![l - 1] : undefined;
      const same = before ? before.cost + cost(m, starts[m]! + l, to) : Number.POSITIVE_INFINITY;
      const one = beforeMore ? beforeMore.cost + cost(m, starts[m]! + l - 1, to) : Number.POSITIVE_INFINITY;
      if (same < Number.POSITIVE_INFINITY || one < Number.POSITIVE_INFINITY)
        row[l] = { cost: Math.min(same, one), tookMore: one <= same };
    }
    best.push(row);
  }

  const ranges: ShardRange[] = [];
  for (let m = speeds.length - 1, l = more, to = G; m >= 0; m--) {
    const { tookMore } = best[m + 1]![l]!;
    const size = least[m]! + (tookMore ? 1 : 0);
    if (tookMore) l--;
    ranges.unshift({ from: to - size, to });
    to -= size;
  }
  return ranges;
}

interface Sizes {
  /** Of each member's range. */
  readonly least: readonly number[];
  /** Who may as well have one shard more. */
  readonly larger: readonly boolean[];
  /** How many of these do. */
  readonly more: number;
}

/** Who ties with those that are given the last shards may as well have them. */
function sizesOf(G: number, speeds: readonly number[]): Sizes {
  const floor = speeds.length <= G ? 1 : 0;
  const sizes = speeds.map(() => floor);
  const key = (m: number) => (sizes[m]! + 1) / speeds[m]!;
  let last = 0;
  for (let left = G - floor * speeds.length; left > 0; left--) {
    let first = 0;
    for (let m = 1; m < speeds.length; m++) if (key(m) < key(first)) first = m;
    last = key(first);
    sizes[first]!++;
  }
  const took = speeds.map((speed, m) => sizes[m]! > floor && sizes[m]! / speed === last);
  const larger = speeds.map((_, m) => took[m]! || key(m) === last);
  return { least: sizes.map((size, m) => size - (took[m] ? 1 : 0)), larger, more: took.filter(Boolean).length };
}

/** Subtree sums first, then shards that are moved, of which there are at most G in all. */
function costOf(from: number, to: number, G: number, held: ShardRange = { from: 0, to: 0 }): number {
  const nodes = subtreeRoots(
    Array.from({ length: to - from }, (_, i) => from + i),
    G,
  ).length;
  const kept = Math.max(0, Math.min(to, held.to) - Math.max(from, held.from));
  return nodes * (G + 1) + (to - from - kept);
}

function equal(members: number): readonly number[] {
  if (!Number.isSafeInteger(members) || members < 1)
    throw new RangeError(`the number of members must be a positive integer, got ${members}`);
  return Array.from({ length: members }, () => 1);
}

function checked(speeds: readonly number[]): readonly number[] {
  if (speeds.length === 0) throw new RangeError('shards must be dealt to at least one member');
  for (const speed of speeds)
    if (!(speed > 0 && Number.isFinite(speed)))
      throw new RangeError(`a member's speed must be positive and finite, got ${speed}`);
  return speeds;
}
