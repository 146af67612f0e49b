import { addTotals, type Exchange, type RangeState, type StepTotal } from '../exchange.js';
import type { RangeOptimizer } from '../optimizer/range-optimizer.js';
import { stepScale, sumInOrder } from '../optimizer/update-spec.js';
import { CHUNK } from '../slices.js';
import { addInto, type GradientSum, reduceNodes, type ValueNode } from '../tree.js';
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
 * canonical tree, updates the slice where all read theta from, and no vector is copied more often than once.
 *
 * A step has two phases, each ended by all members together: sums are there, slices are updated. Sums are written only
 * when everybody has ended the second phase, in which they are read; slices only when everybody has ended the first phase
 * of the next step, before which theta is read. So one buffer of each is enough.
 */
export class SharedExchange implements Exchange {
  bytesSent = 0;
  readonly homes: { readonly theta: Float32Array; readonly sums: readonly Float32Array[] };
  readonly #meeting: SharedMeeting;

  constructor(
    readonly members: SharedMembers,
    /** Over this member's slice. */
    readonly optimizer: RangeOptimizer,
    /** Ends the waits when a member is lost. */
    signal: AbortSignal,
  ) {
    const words = members.segments.map((segment) => segment.words);
    this.#meeting = new SharedMeeting(members.rank, words, signal);
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
    const { total, sum } = this.#reduce(from, to);
    const { clipNorm } = this.optimizer.spec;
    const { norms } = segments[0]!;
    if (measure || clipNorm !== undefined) norms.set(this.optimizer.norms(sum), from / CHUNK);
    // With clipping by norm a third phase between the two: the norms of all slices are there.
    if (clipNorm !== undefined) await this.#meeting.meet();
    const scale = stepScale(this.optimizer.spec, () => norms, total.weight);
    this.optimizer.update(shared.subarray(from, to), sum, total.weight, step + 1, { scale, rate });
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

  /** Adds the slice of everybody's sums, in place: nobody else looks at this slice of them. */
  #reduce(from: number, to: number): { total: StepTotal; sum: Float32Array } {
    const { segments, shards } = this.members;
    const nodes = segments.flatMap((segment) =>
      segment.read().map(({ level, index, value }, k) => {
        return { level, index, value: { total: value, sum: segment.sums[k]!.subarray(from, to) } };
      }),
    );
    return reduceNodes(nodes, shards, (left, right) => {
      addInto(left.sum, right.sum);
      return { total: addTotals(left.total, right.total), sum: left.sum };
    })!;
  }
}
