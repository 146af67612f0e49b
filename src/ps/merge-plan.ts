import { mergeNodes, subtreeRoots, type TreeNode } from './tree.js';

/** More sums than this are merged by slots of their own, before every replica reads them. */
export const MERGE_FAN_IN = 8;

/** A sum, and the executor (its place among them) in which it lies. */
export interface PlacedNode extends TreeNode {
  readonly executor: number;
}

/** One slot adds up what stands under one subtree. */
export interface Merge {
  /** Places: of the executor, of the slot among its members. */
  readonly executor: number;
  readonly member: number;
  readonly nodes: readonly TreeNode[];
  readonly into: TreeNode;
}

/** The way of a step's sums from the slots in which they come about to all that apply them. */
export interface TreePlan {
  /** In executors, before anything travels between them. */
  readonly within: readonly Merge[];
  /** What executors then have for others, in ascending order of shards. */
  readonly given: readonly PlacedNode[];
  /** Where that is too much for all to read. */
  readonly between: readonly Merge[];
  /** What is left; together it covers all shards. */
  readonly applied: readonly PlacedNode[];
}

/**
 * Plans the merging of a step's sums along the canonical tree. Pure. Where there are several executors each merges what its
 * slots have as far as its shards reach, so that as little as possible travels; a single one leaves its slots' sums as they
 * are while they are few. What is more than `fanIn` is merged once more, by executors that hold part of it.
 *
 * @param executors gradient shards of each slot, by executor
 * @param shards G
 */
export function planTree(
  executors: readonly (readonly (readonly number[])[])[],
  shards: number,
  fanIn = MERGE_FAN_IN,
): TreePlan {
  const sums = executors.map((slots) => slots.flatMap((own) => subtreeRoots(own, shards)));
  const within = executors.flatMap((slots, executor) => {
    const groups = executors.length > 1 ? subtrees(sums[executor]!, shards) : mergeGroups(sums[executor]!, fanIn);
    return real(groups).map((nodes, k) => ({ executor, member: k % slots.length, nodes, into: top(nodes, shards) }));
  });
  const placed = sums.flatMap((nodes, executor) => nodes.map((node) => ({ ...node, executor })));
  const given = replaced(placed, within);
  const turns = executors.map(() => 0);
  const between = real(mergeGroups(given, fanIn)).map((nodes) => {
    const executor = leastBusy(nodes, turns);
    const member = turns[executor]!++ % executors[executor]!.length;
    return { executor, member, nodes: nodes.map(plain), into: top(nodes, shards) };
  });
  return { within, given, between, applied: replaced(given, between) };
}

/** Vectors that travel from one executor to another in a step: each sum that is applied goes to every other executor once. */
export function vectorsBetween({ between, given, applied }: TreePlan, executors: number): number {
  const foreign = between.flatMap(({ executor, nodes }) =>
    given.filter((each) => each.executor !== executor && nodes.some((node) => sameNode(node, each))),
  );
  return applied.length * (executors - 1) + foreign.length;
}

/**
 * Which nodes to merge together before all is small enough for everybody to read: groups of nodes under one subtree, at
 * the lowest level that leaves at most `fanIn` groups. Pure; a group of one needs no merging.
 *
 * @returns groups in ascending order; one group a node when there are few enough already
 */
export function mergeGroups<T extends TreeNode>(nodes: readonly T[], fanIn = MERGE_FAN_IN): T[][] {
  const ordered = [...nodes].sort(byShard);
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

export function sameNode(a: TreeNode, b: TreeNode): boolean {
  return a.level === b.level && a.index === b.index;
}

/** Nodes by the largest subtrees that they cover whole. */
function subtrees(nodes: readonly TreeNode[], shards: number): TreeNode[][] {
  const leaves = nodes.map((node) => ({ ...plain(node), value: [node] }));
  return mergeNodes(leaves, shards, (left, right) => [...left, ...right]).map(({ value }) => value);
}

/** What a group comes to; it covers its subtree whole. */
function top(nodes: readonly TreeNode[], shards: number): TreeNode {
  const leaves = nodes.map((node) => ({ ...plain(node), value: undefined }));
  return plain(mergeNodes(leaves, shards, () => undefined)[0]!);
}

/** With the sums of merges in the place of what they merged. */
function replaced(nodes: readonly PlacedNode[], merges: readonly Merge[]): PlacedNode[] {
  const merged = merges.flatMap((merge) => merge.nodes);
  const left = nodes.filter((node) => !merged.some((each) => sameNode(each, node)));
  return [...left, ...merges.map(({ executor, into }) => ({ ...into, executor }))].sort(byShard);
}

/** Of the executors that hold part of it, the one with the fewest merges so far. */
function leastBusy(nodes: readonly PlacedNode[], turns: readonly number[]): number {
  return nodes.map(({ executor }) => executor).reduce((best, each) => (turns[each]! < turns[best]! ? each : best));
}

const real = <T>(groups: readonly T[][]) => groups.filter(({ length }) => length > 1);

const plain = ({ level, index }: TreeNode): TreeNode => ({ level, index });

const byShard = (a: TreeNode, b: TreeNode) => a.index * 2 ** a.level - b.index * 2 ** b.level;
