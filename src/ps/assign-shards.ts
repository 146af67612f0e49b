import { subtreeRoots } from './tree.js';

/** Shards from … to - 1. */
export interface ShardRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Deals shards 0 … G-1 to members in contiguous ranges whose sizes differ by at most one (so that no member is waited
 * for longer than need be), and among those chooses the ranges that leave the fewest subtree sums to exchange.
 * More members than shards: some ranges are empty. Where the ranges lie never changes a bit of the result.
 *
 * @example assignShards(8, 3) // [{0, 3}, {3, 5}, {5, 8}] or a like split: sizes 3, 3, 2
 */
export function assignShards(G: number, members: number): ShardRange[] {
  if (!Number.isSafeInteger(members) || members < 1)
    throw new RangeError(`the number of members must be a positive integer, got ${members}`);
  const small = Math.floor(G / members);
  const large = G - small * members; // as many ranges have small + 1 shards

  // best[m][l]: fewest nodes with m ranges placed, l of them large; they end at shard m * small + l.
  const best: { nodes: number; tookLarge: boolean }[][] = [[{ nodes: 0, tookLarge: false }]];
  for (let m = 1; m <= members; m++) {
    const row: { nodes: number; tookLarge: boolean }[] = [];
    for (let l = Math.max(0, large - (members - m)); l <= Math.min(m, large); l++) {
      const end = m * small + l;
      const afterSmall = best[m - 1]![l];
      const afterLarge = l > 0 ? best[m - 1]![l - 1] : undefined;
      const withSmall = afterSmall ? afterSmall.nodes + nodesOf(end - small, end, G) : Number.POSITIVE_INFINITY;
      const withLarge = afterLarge ? afterLarge.nodes + nodesOf(end - small - 1, end, G) : Number.POSITIVE_INFINITY;
      row[l] = { nodes: Math.min(withSmall, withLarge), tookLarge: withLarge <= withSmall };
    }
    best.push(row);
  }

  const ranges: ShardRange[] = [];
  for (let m = members, l = large, to = G; m > 0; m--) {
    const size = small + (best[m]![l]!.tookLarge ? 1 : 0);
    if (best[m]![l]!.tookLarge) l--;
    ranges.unshift({ from: to - size, to });
    to -= size;
  }
  return ranges;
}

function nodesOf(from: number, to: number, G: number): number {
  return subtreeRoots(
    Array.from({ length: to - from }, (_, i) => from + i),
    G,
  ).length;
}
