import { addInOrder, additionOrder } from '../addition-order.js';
import { addTotals, type Exchange, type RangeState, type StepTotal } from '../exchange.js';
import type { RangeOptimizer } from '../optimizer/range-optimizer.js';
import { stepScale, sumInOrder } from '../optimizer/update-spec.js';
import { CHUNK } from '../slices.js';
import { addInto, type GradientSum, type TreeNode, type ValueNode } from '../tree.js';
import type { OrderedSum } from '../vector/kernels.js';
import { SharedMeeting } from './shared-meeting.js';
import type { SharedSegment } from './shared-segment.js';

export interface SharedMembers {
  readonly rank: number;
  /** Of all members, in order of rank. */
  readonly segments: readonly SharedSegment[];
  /** G, gradient shards. */
  readonly shards: number;
  /** Whether totals tell the square of the sum. Default false. */
  readonly measure?: boolean;
}

/**
 * All-reduce among the slots of one host, through memory that all of them map. Each member owns a slice of theta with the
 * optimizer's state over it (as in ZeRO-1, Rajbhandari et al. 2020): it adds everybody's sums over its slice along the
 * canonical tree and updates the slice where all read theta from, in one pass; no vector is copied more often than once.
 *
 * A step has two phases, each ended by all members together: sums are there, slices are updated. Sums are written only
 * when everybody has ended the second phase, in which they are read; slices only when everybody has ended the first phase
 * of the next step, before which theta is read. So one buffer of each is enough.
 */
export class SharedExchange implements Exchange {
  bytesSent = 0;
  readonly homes: { readonly theta: Float32Array; readonly sums: readonly Float32Array[] };
  readonly #meeting: SharedMeeting;
  /** This member's slice of theta, where all read it. */
  readonly #slice: Float32Array;
  /** Nodes of a step, and how this member's slice of them is added up: the same in every step. */
  #nodes: readonly TreeNode[] = [];
  #sum: OrderedSum = { vectors: [], order: new Int32Array(0) };

  constructor(
    readonly members: SharedMembers,
    /** Over this member's slice. */
    readonly optimizer: RangeOptimizer,
    /** Ends the waits when a member is lost. */
    signal: AbortSignal,
  ) {
    const words = members.segments.map((segment) => segment.words);
    this.#meeting = new SharedMeeting(members.rank, words, signal);
    const { from, to } = optimizer.range;
    this.#slice = members.segments[0]!.theta.subarray(from, to);
    this.homes = { theta: members.segments[0]!.theta, sums: members.segments[members.rank]!.sums };
  }

  async step(
    step: number,
    nodes: readonly ValueNode<GradientSum>[],
    theta: Float32Array,
    rate?: number,
  ): Promise<StepTotal> {
    const { rank, segments, measure } = this.members;
    const { from, to } = this.optimizer.range;
    const shared = this.homes.theta;
    if (theta !== shared) shared.set(theta.subarray(from, to), from);
    segments[rank]!.write(nodes);
    this.bytesSent += nodes.length * (theta.length - (to - from)) * 4;
    await this.#meeting.meet();
    const total = this.#total();
    const { clipNorm } = this.optimizer.spec;
    const { norms } = segments[0]!;
    let sum: Float32Array | OrderedSum = this.#sum;
    if (measure || clipNorm !== undefined) {
      sum = addInOrder(sum.order, sum.vectors, addInto); // in place: nobody else looks at this slice
      norms.set(this.optimizer.norms(sum), from / CHUNK);
    }
    // With clipping by norm a third phase between the two: the norms of all slices are there.
    if (clipNorm !== undefined) await this.#meeting.meet();
    const scale = stepScale(this.optimizer.spec, () => norms, total.weight);
    this.optimizer.update(this.#slice, sum, total.weight, step + 1, { scale, rate });
    this.bytesSent += (segments.length - 1) * (to - from) * 4;
    await this.#meeting.meet();
    if (theta !== shared) theta.set(shared);
    return measure ? { ...total, square: sumInOrder(norms) } : total;
  }

  state(): readonly RangeState[] {
    const { range, slots } = this.optimizer;
    return [{ from: range.from, theta: this.homes.theta.slice(range.from, range.to), slots }];
  }

  async close(): Promise<void> {}

  /** Of the step's numbers, along the canonical tree; sees to it that this member's slice is added up so too. */
  #total(): StepTotal {
    const { segments, shards } = this.members;
    const given = segments.flatMap((segment) => segment.read());
    if (!sameNodes(given, this.#nodes)) {
      const { from, to } = this.optimizer.range;
      const vectors = segments.flatMap(({ sums }, k) => sums.slice(0, segments[k]!.given));
      this.#sum = {
        vectors: vectors.map((vector) => vector.subarray(from, to)),
        order: additionOrder(given, shards),
      };
      this.#nodes = given;
    }
    return addInOrder(
      this.#sum.order,
      given.map(({ value }) => value),
      addTotals,
    );
  }
}

function sameNodes(some: readonly TreeNode[], others: readonly TreeNode[]): boolean {
  if (some.length !== others.length) return false;
  return some.every(({ level, index }, k) => level === others[k]!.level && index === others[k]!.index);
}
