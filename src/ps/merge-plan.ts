import type { TreeNode } from './tree.js';

/** More sums than this are merged by tasks of their own, in slots, before every replica reads them. */
export const MERGE_FAN_IN = 8;

/**
 * Which nodes to merge together before all is small enough for everybody to read: groups of nodes under one subtree, at
 * the lowest level that leaves at most `fanIn` groups. Pure; a group of one needs no task.
 *
 * @returns groups in ascending order; one group a node when there are few enough already
 */
export function mergeGroups<T extends TreeNode>(nodes: readonly T[], fanIn = MERGE_FAN_IN): T[][] {
  const ordered = [...nodes].sort((a, b) => a.index * 2 ** a.level - b.index * 2 ** b.level);
  if (ordered.length <= fanIn) return ordered.map((node) => [node]);
  for (let level = 1; ; level++) {
    const groups = new Map<number, T[]>();
    for (const node of ordered) {
      const key = Math.floor((node.index * 2 ** node.level) / 2 ** level);
      groups.set(key, [...(groups.get(key) ?? []), node]);
    }
    if (groups.size <= fanIn) return [...groups.values()];
  }
}
