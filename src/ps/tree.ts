import { vectorKernels } from './vector/vector-kernels.js';

/**
 * The canonical reduction tree. Gradients of shards 0 … G-1 are added along one fixed binary tree: node (level, index)
 * covers shards index·2^level up to (index + 1)·2^level. Whoever owns some shards sends the sums of the largest subtrees
 * it owns whole, so the additions, and therefore the bits, are the same for any number of holders and any grouping.
 */
export interface TreeNode {
  readonly level: number;
  readonly index: number;
}

export interface ValueNode<T> extends TreeNode {
  readonly value: T;
}

/** Adds the right value to the left one and returns it; the left one may be changed in place. */
export type Add<T> = (left: T, right: T) => T;

/** What a gradient task gives: sums over its rows, never means. */
export interface GradientSum {
  readonly gradient: Float32Array;
  /** In float64, as every count and loss. */
  lossSum: number;
  rows: number;
  /** Sum of the rows' weights, in float64: what sums are divided by. */
  weight: number;
  /** Where the noise of gradients is measured. */
  spread?: Spread;
}

/** How far the gradients of shards lie apart: with the square of their sum, all that the gradient noise scale needs. */
export interface Spread {
  /** Gradient shards whose rows have weight. */
  readonly shards: number;
  /** Sum over them of |sum of gradients|² / weight, in float64. */
  readonly between: number;
}

/** In place of an absent one, nothing is known of the whole. */
export function addSpreads(left: Spread | undefined, right: Spread | undefined): Spread | undefined {
  return left && right && { shards: left.shards + right.shards, between: left.between + right.between };
}

/** In place: `left[i] += right[i]` in float32. */
export function addInto(left: Float32Array, right: Float32Array): Float32Array {
  if (left.length !== right.length)
    throw new RangeError(`cannot add vectors of ${left.length} and ${right.length} values`);
  vectorKernels().addInto(left, right);
  return left;
}

export const addGradientSums: Add<GradientSum> = (left, right) => {
  addInto(left.gradient, right.gradient);
  left.lossSum += right.lossSum;
  left.rows += right.rows;
  left.weight += right.weight;
  if (left.spread) left.spread = addSpreads(left.spread, right.spread);
  return left;
};

/**
 * The largest nodes whose shards (those below G) are all among the given ones, in ascending order.
 *
 * @example subtreeRoots([0, 1, 2], 4) // [{ level: 1, index: 0 }, { level: 0, index: 2 }]
 */
export function subtreeRoots(shards: Iterable<number>, G: number): TreeNode[] {
  const leaves = [...new Set(shards)].map((index) => ({ level: 0, index, value: undefined }));
  return mergeNodes(leaves, G, () => undefined).map(({ level, index }) => ({ level, index }));
}

/**
 * Adds sibling nodes until none is left to add, and returns what remains, in ascending order of shards: one node,
 * the root, when the given ones cover all G shards. A node waits for its sibling unless no shard below G stands under
 * it; then it passes through. So a holder of a part can merge what it has, and the next one goes on.
 *
 * @throws RangeError when two nodes cover the same shard, or one lies outside the tree
 */
export function mergeNodes<T>(nodes: readonly ValueNode<T>[], G: number, add: Add<T>): ValueNode<T>[] {
  return climb(nodes, G, add, false);
}

/**
 * Adds all nodes along the tree, skipping those that are absent (a node with one child present passes it through).
 * For the last holder only: a node that is absent here must be absent everywhere.
 *
 * @returns undefined when there is no node
 */
export function reduceNodes<T>(nodes: readonly ValueNode<T>[], G: number, add: Add<T>): T | undefined {
  return climb(nodes, G, add, true)[0]?.value;
}

/** Levels above the shards: the root is (height, 0). */
export function treeHeight(G: number): number {
  if (!Number.isSafeInteger(G) || G < 1)
    throw new RangeError(`the number of shards must be a positive integer, got ${G}`);
  return Math.ceil(Math.log2(G));
}

function climb<T>(nodes: readonly ValueNode<T>[], G: number, add: Add<T>, skipAbsent: boolean): ValueNode<T>[] {
  const height = treeHeight(G);
  checkDisjoint(nodes, G, height);
  const waiting: ValueNode<T>[] = [];
  let current = new Map<number, T>();
  for (let level = 0; level <= height; level++) {
    for (const node of nodes) if (node.level === level) current.set(node.index, node.value);
    if (level === height) break;
    const above = new Map<number, T>();
    for (const index of [...current.keys()].sort((a, b) => a - b)) {
      const value = current.get(index)!;
      const sibling = index ^ 1;
      if (current.has(sibling)) {
        if (index < sibling) above.set(index >> 1, add(value, current.get(sibling)!));
      } else if (skipAbsent || sibling * 2 ** level >= G) above.set(index >> 1, value);
      else waiting.push({ level, index, value });
    }
    current = above;
  }
  for (const [index, value] of current) waiting.push({ level: height, index, value });
  return waiting.sort((a, b) => a.index * 2 ** a.level - b.index * 2 ** b.level);
}

function checkDisjoint(nodes: readonly TreeNode[], G: number, height: number): void {
  const ranges = nodes
    .map(({ level, index }) => ({ level, index, from: index * 2 ** level, to: (index + 1) * 2 ** level }))
    .sort((a, b) => a.from - b.from);
  ranges.forEach((range, i) => {
    if (range.level < 0 || range.level > height || range.index < 0 || range.from >= G)
      throw new RangeError(`node (${range.level}, ${range.index}) lies outside the tree over ${G} shards`);
    const next = ranges[i + 1];
    if (next !== undefined && next.from < range.to)
      throw new RangeError(`nodes (${range.level}, ${range.index}) and (${next.level}, ${next.index}) share shards`);
  });
}
