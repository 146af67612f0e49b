import { applyStep, slotCount } from '../../mlp/optimizer-step.js';
import type { OptimizerSpec } from '../../mlp/optimizers.js';

/** Everything that turns a sum of gradients into an update; part of the numerical plan. */
export interface UpdateSpec {
  readonly optimizer: OptimizerSpec;
}

/** Part of theta whose values are updated by one rule. Ascending, without gaps, covering theta. */
export interface Segment {
  readonly from: number;
  readonly to: number;
  /** Kernels are decayed; biases and normalisation's scales are not; statistics are no weights at all. */
  readonly kind: 'kernel' | 'bias' | 'statistic';
}

export interface Range {
  readonly from: number;
  readonly to: number;
}

/** The optimizer's state over one range of theta, and its steps. Equal bits however theta is cut into ranges. */
export class RangeOptimizer {
  /** Each of the range's length; zeros at first. */
  readonly slots: readonly Float32Array[];

  constructor(
    readonly spec: UpdateSpec,
    readonly segments: readonly Segment[],
    readonly range: Range,
  ) {
    const length = range.to - range.from;
    this.slots = Array.from({ length: slotCount(spec.optimizer) }, () => new Float32Array(length));
  }

  /**
   * One step in place.
   *
   * @param theta the range's values
   * @param sum of gradients over the range; changed
   * @param weight what the sum is divided by; 0 leaves all as it is
   * @param step counts from 1
   */
  update(theta: Float32Array, sum: Float32Array, weight: number, step: number): void {
    if (weight === 0) return;
    for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! / weight;
    const state = new Float32Array(theta.length * (1 + this.slots.length));
    state.set(theta);
    this.slots.forEach((slot, k) => void state.set(slot, (k + 1) * theta.length));
    applyStep(this.spec.optimizer, state, sum, step);
    theta.set(state.subarray(0, theta.length));
    this.slots.forEach((slot, k) => void slot.set(state.subarray((k + 1) * theta.length, (k + 2) * theta.length)));
  }
}
