import type { Exchange, RangeState, StepTotal } from '../exchange.js';
import type { Mesh } from '../mesh/mesh.js';
import type { Range, RangeOptimizer } from '../optimizer/range-optimizer.js';
import { stepScale, sumInOrder } from '../optimizer/update-spec.js';
import type { GradientSum, ValueNode } from '../tree.js';
import { askedNorms } from './all-norms.js';
import { checkOwned } from './parts.js';

export interface MeshMemberOptions {
  readonly plan: { readonly length: number; readonly owned: readonly Range[] };
  /** Of all members, by rank. */
  readonly mesh: Mesh;
  /** Over `plan.owned[mesh.rank]`. */
  readonly optimizer: RangeOptimizer;
  /** Whether totals tell the square of the sum. Default false. */
  readonly measure?: boolean;
}

/** A step as its member was asked for it. */
export interface Step {
  readonly number: number;
  readonly nodes: readonly ValueNode<GradientSum>[];
  readonly theta: Float32Array;
  readonly rate: number | undefined;
}

/** What all-reduce through a mesh is but for who sends what to whom: a member that owns a range, updates it, and leaves. */
export abstract class MeshMember<O extends MeshMemberOptions> implements Exchange {
  /** @param theta the weights, whose owned range is this member's to tell */
  constructor(
    readonly options: O,
    protected theta: Float32Array,
  ) {
    const { plan, mesh, optimizer } = options;
    checkOwned(plan, mesh.rank, optimizer.range);
    if (theta.length !== plan.length)
      throw new RangeError(`the plan is for ${plan.length} values, theta has ${theta.length}`);
  }

  protected abstract exchange(step: Step): Promise<StepTotal>;

  get bytesSent(): number {
    return this.options.mesh.payloadBytes;
  }

  async step(number: number, nodes: Step['nodes'], theta: Float32Array, rate?: number): Promise<StepTotal> {
    try {
      return await this.exchange({ number, nodes, theta, rate });
    } catch (error) {
      this.options.mesh.abort(error as Error); // the others must not wait for this member
      throw error;
    }
  }

  state(): readonly RangeState[] {
    const { range, slots } = this.options.optimizer;
    return [{ from: range.from, theta: this.theta.slice(range.from, range.to), slots }];
  }

  async close(): Promise<void> {
    this.options.mesh.close();
  }

  /**
   * Makes the update of the range this member owns.
   *
   * @param theta all of the weights
   * @param sum over the owned range; absent: nobody gave any
   * @param total of all members
   * @param tag of the messages with norms
   * @returns the total, with the square of the sum where it is measured
   */
  protected async update(
    { number, rate }: Step,
    theta: Float32Array,
    sum: Float32Array | undefined,
    total: StepTotal,
    tag: number,
  ): Promise<StepTotal> {
    const { optimizer, measure } = this.options;
    const { from, to } = optimizer.range;
    const norms = await askedNorms(this.options, sum, tag);
    const scale = stepScale(optimizer.spec, () => norms, total.weight);
    if (sum && to > from) optimizer.update(theta.subarray(from, to), sum, total.weight, number + 1, { scale, rate });
    return measure ? { ...total, square: sumInOrder(norms) } : total;
  }
}
