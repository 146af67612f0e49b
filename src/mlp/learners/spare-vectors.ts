import { alignedFloats } from '../../ps/float-bytes.js';
import { subtreeRoots, type TreeNode } from '../../ps/tree.js';
import type { Home } from './learner.js';

/** Vectors used again in every step: those of shards whose sums go into a neighbour's, and are of no use afterwards. */
export class SpareVectors {
  readonly #kept = new Map<number, Float32Array>();

  constructor(readonly length: number) {}

  /** One that belongs to this number. */
  at(index: number): Float32Array {
    const known = this.#kept.get(index);
    if (known) return known;
    const vector = alignedFloats(this.length);
    this.#kept.set(index, vector);
    return vector;
  }

  /** A home for the sum of every shard but those where a subtree's sum comes about and has none. @param all G */
  homes(shards: readonly number[], all: number, home: Home): Home {
    const first = new Set(subtreeRoots(shards, all).map(firstShard));
    return (node) => home(node) ?? (first.has(firstShard(node)) ? undefined : this.at(firstShard(node)));
  }
}

const firstShard = ({ level, index }: TreeNode) => index * 2 ** level;
