import { addInto, reduceNodes, type TreeNode } from './tree.js';
import { ADD, type OrderedSum } from './vector/kernels.js';

/**
 * The canonical tree's additions over some nodes that together cover all shards, as `OrderedSum.order`: numbers of nodes, and
 * `ADD`.
 *
 * @param G gradient shards
 * @example additionOrder([{ level: 0, index: 0 }, { level: 0, index: 1 }, { level: 1, index: 1 }], 4) // 0, 1, ADD, 2, ADD
 */
export function additionOrder(nodes: readonly TreeNode[], G: number): Int32Array {
  const leaves = nodes.map(({ level, index }, place) => ({ level, index, value: [place] }));
  return Int32Array.from(reduceNodes(leaves, G, (left, right) => [...left, ...right, ADD]) ?? []);
}

/** Adds values, as many as there are nodes, in such an order. */
export function addInOrder<T>(order: Int32Array, values: readonly T[], add: (left: T, right: T) => T): T {
  const waiting: T[] = [];
  for (const each of order) {
    if (each !== ADD) waiting.push(values[each]!);
    else {
      const right = waiting.pop()!;
      waiting.push(add(waiting.pop()!, right));
    }
  }
  return waiting[0]!;
}

/** A vector as a sum. */
export function sumOfOne(vector: Float32Array): OrderedSum {
  return { vectors: [vector], order: Int32Array.of(0) };
}

/** The sum: of one vector that itself, of several a new one. Those stay as they are. */
export function addedUp({ vectors, order }: OrderedSum): Float32Array {
  const own = new Set<Float32Array>();
  const owned = (vector: Float32Array) => {
    if (own.has(vector)) return vector;
    const copy = vector.slice();
    own.add(copy);
    return copy;
  };
  return addInOrder(order, vectors, (left, right) => addInto(owned(left), right));
}
