import type { StepTotal } from '../../ps/exchange.js';
import { gradientSquare, shardSpread } from '../../ps/optimizer/noise-scale.js';
import type { Segment } from '../../ps/optimizer/range-optimizer.js';
import { addGradientSums, type GradientSum, mergeNodes, type ValueNode } from '../../ps/tree.js';
import { layoutOf, segmentsOf } from '../layout.js';
import type { Replica } from '../replica.js';
import type { Home, Learner, Learnt } from './learner.js';
import { SpareVectors } from './spare-vectors.js';

/** Synchronous gradient descent: every merge is one step of the plan, gradients are what is merged. */
export class GradientLearner implements Learner {
  readonly exchangesWeights = true;
  readonly #segments: readonly Segment[];
  readonly #spare: SpareVectors;

  constructor(readonly replica: Replica) {
    const layout = layoutOf(replica.spec.plan.network);
    this.#segments = segmentsOf(layout);
    this.#spare = new SpareVectors(layout.length);
  }

  async begin(): Promise<void> {}

  sums(shards: readonly number[], home: Home): ValueNode<GradientSum>[] {
    const { network, theta, step, pace, spec } = this.replica;
    const place = pace.place(step);
    const { seed, shards: all } = place.plan;
    const batches = shards.map((shard) => ({ shard, rows: this.replica.rows(shard, place, place.from) }));
    if (this.replica.streams && step + 1 < pace.last) {
      const next = pace.place(step + 1);
      const soon = shards.map((shard) => ({ shard, rows: this.replica.rows(shard, next, next.from) }));
      network.prefetch?.(soon);
    }
    if (!spec.measure) return network.sums([{ theta, batches, seed, into: home }], step, all)[0]!;
    // One by one, to be looked at before they are merged.
    const into = this.#spare.homes(shards, all, home);
    const requests = batches.map((batch) => ({ theta, batches: [batch], seed, into }));
    const each = network.sums(requests, step, all);
    const leaves = each.map((nodes, k) => ({ level: 0, index: shards[k]!, value: this.#measured(nodes[0]!.value) }));
    return mergeNodes(leaves, all, addGradientSums);
  }

  merged(total: StepTotal): Learnt {
    return total;
  }

  #measured(sum: GradientSum): GradientSum {
    return { ...sum, spread: shardSpread(gradientSquare(this.#segments, sum.gradient), sum.weight) };
  }
}
