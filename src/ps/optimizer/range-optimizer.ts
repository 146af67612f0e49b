import { CHUNK } from '../slices.js';
import { CONSTANT, type VectorKernels } from '../vector/kernels.js';
import { vectorKernels } from '../vector/vector-kernels.js';
import { optimizerSlots } from './optimizer.js';
import { descentPlan, type StepPlan, stepPlan, stepRate } from './step-plan.js';
import { learningRateAt, type UpdateSpec, weightDecayOf } from './update-spec.js';

export type { UpdateSpec } from './update-spec.js';

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

export interface RangeOptimizerOptions {
  /** Needed where the schedule counts in epochs. */
  readonly stepsPerEpoch?: number;
  /** Default: native where compiled. */
  readonly kernels?: VectorKernels;
}

/** What only all of theta, or the batch's growth, can tell of a step. */
export interface StepOptions {
  /** Factor of the mean gradient: `clipScale`'s. Default 1. */
  readonly scale?: number;
  /** Default `learningRateAt(spec, step, stepsPerEpoch)`. */
  readonly rate?: number;
}

/** A part of the range, by indices into the range. */
type Piece = Segment;

/**
 * The optimizer's state over one range of theta, and its steps. The same bits however theta is cut into ranges, on native
 * kernels and on JavaScript's. A step allocates nothing of the range's length.
 *
 * ```ts
 * const owner = new RangeOptimizer(spec, segments, { from: 0, to: 8192 });
 * const scale = clipScale(1, [...owner.norms(sum), ...othersNorms], rows); // only with clipNorm
 * owner.update(theta.subarray(0, 8192), sum, rows, step, { scale });
 * ```
 */
export class RangeOptimizer {
  /** Each of the range's length, in the order of `optimizerSlots`. */
  readonly slots: readonly Float32Array[];
  readonly #stepsPerEpoch: number | undefined;
  readonly #kernels: VectorKernels;
  readonly #pieces: readonly Piece[];
  readonly #plans: Readonly<Record<Segment['kind'], StepPlan>>;
  readonly #norms: Float64Array;
  readonly #chunk = new Float32Array(CHUNK);

  constructor(
    readonly spec: UpdateSpec,
    readonly segments: readonly Segment[],
    readonly range: Range,
    { stepsPerEpoch, kernels = vectorKernels() }: RangeOptimizerOptions = {},
  ) {
    const length = range.to - range.from;
    this.slots = optimizerSlots(spec.optimizer).map(({ initial }) => new Float32Array(length).fill(initial));
    this.#stepsPerEpoch = stepsPerEpoch;
    this.#kernels = kernels;
    this.#pieces = piecesOf(segments, range);
    this.#plans = plansOf(spec);
    this.#norms = new Float64Array(Math.ceil(length / CHUNK));
  }

  /**
   * Sums of squares of a gradient sum, one a chunk of `CHUNK` elements of theta, statistics left out; for `clipScale`.
   *
   * @param sum of gradients over the range
   * @returns the same array at every call
   * @throws RangeError when the range does not begin at a multiple of CHUNK: its chunks would be others
   */
  norms(sum: Float32Array): Float64Array {
    if (this.range.from % CHUNK !== 0)
      throw new RangeError(`norms are summed by chunks of ${CHUNK}: a range cannot begin at ${this.range.from}`);
    this.#kernels.sumSquares(sum, this.#norms);
    for (const { from, to, kind } of this.#pieces) if (kind === 'statistic') this.#leaveOut(sum, from, to);
    return this.#norms;
  }

  /**
   * One step in place.
   *
   * @param theta the range's values
   * @param sum of gradients over the range; changed
   * @param weight what the sum is divided by; 0 leaves all as it is
   * @param step counts from 1
   */
  update(theta: Float32Array, sum: Float32Array, weight: number, step: number, options: StepOptions = {}): void {
    if (weight === 0) return;
    const { scale = 1, rate = learningRateAt(this.spec, step, this.#stepsPerEpoch) } = options;
    const { kernel, bias, statistic } = this.#plans;
    for (const { constants } of [kernel, bias]) {
      constants[CONSTANT.weight] = weight;
      constants[CONSTANT.scale] = scale;
      constants[CONSTANT.rate] = stepRate(this.spec.optimizer, rate, step);
    }
    kernel.constants[CONSTANT.keep] = 1 - rate * weightDecayOf(this.spec);
    statistic.constants[CONSTANT.weight] = weight;
    for (const { from, to, kind } of this.#pieces) {
      const { rule, constants } = this.#plans[kind];
      this.#kernels.step(rule, constants, theta, sum, this.slots, from, to);
    }
  }

  /** Sums the chunks again that hold a statistic, with zeros in its place. */
  #leaveOut(sum: Float32Array, from: number, to: number): void {
    for (let chunk = Math.floor(from / CHUNK); chunk * CHUNK < to; chunk++) {
      const start = chunk * CHUNK;
      const values = this.#chunk.subarray(0, Math.min(CHUNK, sum.length - start));
      values.set(sum.subarray(start, start + values.length));
      for (const piece of this.#pieces)
        if (piece.kind === 'statistic' && piece.from < start + CHUNK && piece.to > start)
          values.fill(0, Math.max(piece.from - start, 0), Math.min(piece.to - start, values.length));
      this.#kernels.sumSquares(values, this.#norms.subarray(chunk, chunk + 1));
    }
  }
}

/** The parts of the segments that lie in the range; neighbours of one kind become one. */
function piecesOf(segments: readonly Segment[], range: Range): Piece[] {
  const pieces: Piece[] = [];
  for (const { from, to, kind } of segments) {
    const piece = { from: Math.max(from, range.from) - range.from, to: Math.min(to, range.to) - range.from, kind };
    if (piece.from >= piece.to) continue;
    const last = pieces.at(-1);
    if (last?.kind === kind && last.to === piece.from) pieces[pieces.length - 1] = { ...last, to: piece.to };
    else pieces.push(piece);
  }
  return pieces;
}

function plansOf(spec: UpdateSpec): Record<Segment['kind'], StepPlan> {
  const plans = { kernel: stepPlan(spec.optimizer), bias: stepPlan(spec.optimizer), statistic: descentPlan() };
  plans.kernel.constants[CONSTANT.clip] = spec.clipValue ?? Infinity;
  plans.bias.constants[CONSTANT.clip] = spec.clipValue ?? Infinity;
  plans.kernel.constants[CONSTANT.l2] = spec.l2 ?? 0;
  plans.kernel.constants[CONSTANT.l1] = spec.l1 ?? 0;
  plans.statistic.constants[CONSTANT.rate] = 1 - (spec.statisticsMomentum ?? 0.99);
  return plans;
}
