import type { Range } from '../optimizer/range-optimizer.js';
import { slices } from '../slices.js';
import { subtreeRoots, type TreeNode } from '../tree.js';
import type { Message } from './plan.js';

/** What members do whose hosts' sums are merged in shared memory before they travel. */
export interface HierarchicalPlan {
  readonly length: number;
  /** G, gradient shards. */
  readonly shards: number;
  /** Ranks of the members of each host, ascending. */
  readonly hosts: readonly (readonly number[])[];
  /** By rank; as of sliced owners: `slices(length, members)`. */
  readonly owned: readonly Range[];
  /** Between hosts: the hosts' merged sums go to owners, */
  readonly reduce: readonly Message[];
  /** and their new weights into the other hosts' memory. */
  readonly gather: readonly Message[];
}

/**
 * Sliced owners over hosts: within a host members add up in shared memory; to each owner goes one message a host, with what
 * the host's sums come to over the owner's slice; back comes one message a host. Every member owns a slice and talks to
 * others of its own, so that no leader of a host is in the way, and the optimizer's state is sharded over all.
 *
 * With one subtree a host and slices of equal length each of H hosts sends 2 (H - 1) / H · D bytes, whatever the number of
 * its members. Ranks should be ordered by host, so that a host's shards are neighbours and merge into few subtrees.
 *
 * @param members gradient shards of each member, by rank
 * @param hosts of each member, by rank: any names
 * @param shards G
 * @param length elements of theta
 */
export function planHierarchical(
  members: readonly (readonly number[])[],
  hosts: readonly string[],
  shards: number,
  length: number,
): HierarchicalPlan {
  const groups = [...new Set(hosts)].map((host) => hosts.flatMap((name, rank) => (name === host ? [rank] : [])));
  const owned = slices(length, members.length);
  const reduce: Message[] = [];
  const gather: Message[] = [];
  for (const group of groups) {
    const nodes: readonly TreeNode[] = subtreeRoots(
      group.flatMap((rank) => members[rank]!),
      shards,
    );
    const foreign = members.flatMap((_, rank) => (group.includes(rank) ? [] : [rank]));
    foreign.forEach((owner, i) => {
      const relay = group[i % group.length]!;
      const range = owned[owner]!;
      if (nodes.length > 0) reduce.push({ from: relay, to: owner, range, nodes });
      if (range.to > range.from) gather.push({ from: owner, to: relay, range });
    });
  }
  return { length, shards, hosts: groups, owned, reduce, gather };
}
