import type { Range } from '../optimizer/range-optimizer.js';
import { CHUNK } from '../slices.js';
import { mergeNodes, type TreeNode } from '../tree.js';

/** One vector's range, or one for each of several nodes, from a member to another. */
export interface Message {
  readonly from: number;
  readonly to: number;
  readonly range: Range;
  /** Whose sums over the range travel. Absent: one vector, a ring's partial sum or the updated weights. */
  readonly nodes?: readonly TreeNode[];
  /** Of messages with weights: the receiver has not heard of all rows and losses yet. */
  readonly scalars?: true;
}

/** What an all-reduce does, as data: each step's messages may travel at once, the next step needs what came in this one. */
export interface AllReducePlan {
  readonly algorithm: Algorithm;
  /** Every member adds up all it has before it sends anything: one vector a member, and no canonical order. */
  readonly merged: boolean;
  /** Elements of the vector. */
  readonly length: number;
  /** Leaves of the tree: gradient shards, or, of merged plans, members. */
  readonly shards: number;
  /** What every member begins with, by rank. */
  readonly holdings: readonly (readonly TreeNode[])[];
  /** After it each member has the whole sum over the range it owns. */
  readonly reduce: readonly (readonly Message[])[];
  /** By rank; they cover the vector once. Some may be empty. */
  readonly owned: readonly Range[];
  /** After it each member has the updated weights, all of them. */
  readonly gather: readonly (readonly Message[])[];
}

export const ALGORITHMS = ['sliced', 'halving-doubling', 'ring'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** Payload bytes of a message in float32. */
export function messageBytes({ range, nodes }: Message): number {
  return 4 * (range.to - range.from) * (nodes?.length ?? 1);
}

/** Payload bytes in float32 that a member sends in one step of training. */
export function bytesSentBy(rank: number, { reduce, gather }: AllReducePlan): number {
  return [...reduce, ...gather]
    .flat()
    .filter(({ from }) => from === rank)
    .reduce((sum, message) => sum + messageBytes(message), 0);
}

/** Cuts a range in two of nearly equal length, at a multiple of `CHUNK` (see slices.ts). */
export function halves({ from, to }: Range): [Range, Range] {
  const middle = Math.min(to, from + Math.floor(Math.ceil((to - from) / CHUNK) / 2) * CHUNK);
  return [
    { from, to: middle },
    { from: middle, to },
  ];
}

/** What is left of nodes that meet at one member, in ascending order of shards. */
export function mergedNodes(nodes: readonly TreeNode[], shards: number): TreeNode[] {
  const values = nodes.map(({ level, index }) => ({ level, index, value: undefined }));
  return mergeNodes(values, shards, () => undefined).map(({ level, index }) => ({ level, index }));
}
