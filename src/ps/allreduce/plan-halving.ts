import type { Range } from '../optimizer/range-optimizer.js';
import type { TreeNode } from '../tree.js';
import { type AllReducePlan, halves, type Message, mergedNodes } from './plan.js';

interface Holder {
  readonly rank: number;
  readonly range: Range;
  readonly nodes: readonly TreeNode[];
}

/**
 * Recursive halving and doubling (Rabenseifner 2004; Thakur, Rabenseifner, Gropp 2005, section 4.4) in the order of the
 * canonical tree: neighbours first, so that siblings meet before cousins. In step k members 2^k apart exchange halves of
 * the range they share, after log2 N steps each has the whole sum of a part; the way back doubles the parts again. Sums
 * whose sibling has not been met travel side by side.
 *
 * With N a power of two, one subtree a member and N dividing D's chunks, a member sends 2 (N - 1) / N · D bytes in
 * 2 log2 N steps. Other numbers of members are brought down to a power of two first: some give all they have to their left
 * neighbour and receive the weights from it at the end.
 */
export function planHalvingDoubling(
  holdings: readonly (readonly TreeNode[])[],
  shards: number,
  length: number,
): Omit<AllReducePlan, 'merged'> {
  const all: Range = { from: 0, to: length };
  const active = 2 ** Math.floor(Math.log2(holdings.length));
  const paired = holdings.length - active;
  const reduce: Message[][] = [];
  const gather: Message[][] = [];

  let holders: Holder[] = Array.from({ length: active }, (_, i) => {
    const rank = i < paired ? 2 * i : i + paired;
    const nodes = i < paired ? [...holdings[rank]!, ...holdings[rank + 1]!] : holdings[rank]!;
    return { rank, range: all, nodes: mergedNodes(nodes, shards) };
  });
  if (paired > 0) {
    const folded = holders.slice(0, paired).map(({ rank }) => rank);
    reduce.push(folded.map((rank) => ({ from: rank + 1, to: rank, range: all, nodes: holdings[rank + 1]! })));
    gather.push(folded.map((rank) => ({ from: rank, to: rank + 1, range: all, scalars: true })));
  }

  for (let distance = 1; distance < active; distance *= 2) {
    const before = holders;
    holders = before.map(({ rank, range, nodes }, i) => {
      const partner = before[i ^ distance]!;
      const half = halves(range)[i & distance ? 1 : 0]!;
      return { rank, range: half, nodes: mergedNodes([...nodes, ...partner.nodes], shards) };
    });
    const partnerOf = (i: number) => holders[i ^ distance]!;
    reduce.push(
      before.map(({ rank: from, nodes }, i) => ({ from, to: partnerOf(i).rank, range: partnerOf(i).range, nodes })),
    );
    gather.unshift(holders.map(({ rank: from, range }, i) => ({ from, to: partnerOf(i).rank, range })));
  }

  const owned = holdings.map((_, rank) => holders.find((holder) => holder.rank === rank)?.range ?? { from: 0, to: 0 });
  return { algorithm: 'halving-doubling', length, shards, holdings, reduce, owned, gather };
}
