import { alignedFloats } from '../ps/float-bytes.js';
import {
  addGradientSums,
  type GradientSum,
  mergeNodes,
  subtreeRoots,
  type TreeNode,
  type ValueNode,
} from '../ps/tree.js';
import type { SumRequest } from './backend.js';

type Sums = ValueNode<GradientSum>[];

const firstShard = ({ level, index }: TreeNode) => index * 2 ** level;

/**
 * Sums of many shards, a few at a time: neighbours in the canonical tree, whose sums are then added along it, so that the
 * bits are those of one call. What a call costs to be made ready grows with its shards, and parts of equal size can share
 * that; and no more than one sum a level of the tree waits for others.
 */
export class SumsInParts {
  /** Vectors of sums that have been added to others. */
  readonly #spare: Float32Array[] = [];

  /**
   * @param length of theta
   * @param most shards of a part
   */
  constructor(
    readonly length: number,
    readonly most: number,
  ) {}

  /**
   * @param G over which the tree stands
   * @param compute the sums of a part, as `CompiledNetwork.sums`; its requests may be fewer
   */
  run(requests: readonly SumRequest[], G: number, compute: (part: readonly SumRequest[]) => Sums[]): Sums[] {
    if (this.#isPart(requests)) return compute(requests);
    const homed = requests.map((request) => ({ ...request, into: this.#homes(request, G) }));
    return this.#run(homed, G, compute);
  }

  #run(requests: readonly SumRequest[], G: number, compute: (part: readonly SumRequest[]) => Sums[]): Sums[] {
    if (this.#isPart(requests)) return compute(requests);
    const cut = cutOf(requests);
    const sums: Sums[] = requests.map(() => []);
    for (const isIn of [(shard: number) => shard < cut, (shard: number) => shard >= cut]) {
      const own = requests.map(({ batches }) => batches.filter(({ shard }) => isIn(shard)));
      const asked = [...own.keys()].filter((m) => own[m]!.length > 0);
      const half = asked.map((m) => ({ ...requests[m]!, batches: own[m]! }));
      this.#run(half, G, compute).forEach((nodes, k) => {
        sums[asked[k]!]!.push(...nodes);
      });
    }
    return sums.map((nodes) => mergeNodes(nodes, G, (left, right) => this.#add(left, right)));
  }

  #isPart(requests: readonly SumRequest[]): boolean {
    const [first, last] = rangeOf(requests);
    if (last - first < this.most) return true;
    return new Set(requests.flatMap(({ batches }) => batches.map(({ shard }) => shard))).size <= this.most;
  }

  /** A sum begins in the home of the whole that it begins, and others are added to it there. */
  #homes({ batches, into }: SumRequest, G: number): SumRequest['into'] {
    const shards = batches.map(({ shard }) => shard);
    const homes = new Map(subtreeRoots(shards, G).map((root) => [firstShard(root), into?.(root)]));
    return (node) => {
      const first = firstShard(node);
      if (homes.has(first)) return homes.get(first);
      return this.#spare.pop() ?? alignedFloats(this.length);
    };
  }

  #add(left: GradientSum, right: GradientSum): GradientSum {
    const sum = addGradientSums(left, right);
    this.#spare.push(right.gradient);
    return sum;
  }
}

/** The first and the last shard. */
function rangeOf(requests: readonly SumRequest[]): [number, number] {
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  for (const { batches } of requests) {
    if (batches.length === 0) continue;
    first = Math.min(first, batches[0]!.shard);
    last = Math.max(last, batches.at(-1)!.shard);
  }
  return [first, last];
}

/** Leaves of the smallest full subtree over these shards. */
const span = (first: number, last: number) => (first === last ? 1 : 2 ** (32 - Math.clz32(first ^ last)));

/** The first shard of that subtree's upper half; there are several. */
function cutOf(requests: readonly SumRequest[]): number {
  const [first, last] = rangeOf(requests);
  const half = span(first, last) / 2;
  return Math.floor(last / half) * half;
}

/**
 * The smallest subtree over all shards of a call, at least one: its first shard, and how many it has.
 * @param G over which the tree stands
 */
export function commonSubtree(requests: readonly SumRequest[], G: number): { first: number; size: number } {
  const [lowest, highest] = rangeOf(requests);
  const leaves = span(lowest, highest);
  const first = Math.floor(lowest / leaves) * leaves;
  return { first, size: Math.min(leaves, G - first) };
}
