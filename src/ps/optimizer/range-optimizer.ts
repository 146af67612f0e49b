import { CHUNK } from '../slices.js';
import { CONSTANT, type OrderedSum, type VectorKernels } from '../vector/kernels.js';
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
  /** Of a statistic: the share that stays in a step. Default 0.99, as Keras' BatchNormalization. */
  readonly momentum?: number;
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

const DEFAULT_MOMENTUM = 0.99;

/** A part of the range, by indices into the range, and how it is updated. */
interface Piece extends Segment {
  readonly plan: StepPlan;
}

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
  readonly #plans: Readonly<Record<'kernel' | 'bias', StepPlan>>;
  readonly #norms: Float64Array;
  readonly #chunk = new Float32Array(CHUNK);

  /** @throws RangeError when norms are clipped and the range does not begin at a multiple of CHUNK */
  constructor(
    readonly spec: UpdateSpec,
    readonly segments: readonly Segment[],
    readonly range: Range,
    { stepsPerEpoch, kernels = vectorKernels() }: RangeOptimizerOptions = {},
  ) {
    if (spec.clipNorm !== undefined) checkAligned(range);
    const length = range.to - range.from;
    this.slots = optimizerSlots(spec.optimizer).map(({ initial }) => new Float32Array(length).fill(initial));
    this.#stepsPerEpoch = stepsPerEpoch;
    this.#kernels = kernels;
    this.#plans = plansOf(spec);
    this.#pieces = piecesOf(segments, range, this.#plans);
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
    checkAligned(this.range);
    this.#kernels.sumSquares(sum, this.#norms);
    for (const { from, to, kind } of this.#pieces) if (kind === 'statistic') this.#leaveOut(sum, from, to);
    return this.#norms;
  }

  /**
   * One step in place.
   *
   * @param theta the range's values
   * @param sum of gradients over the range, or what it is to be added up from; unchanged
   * @param weight what the sum is divided by; 0 leaves all as it is
   * @param step counts from 1
   * @throws TypeError for l-bfgs when no rate is given: it has none (see lbfgs.ts), and with rate 0 only statistics follow
   */
  update(
    theta: Float32Array,
    sum: Float32Array | OrderedSum,
    weight: number,
    step: number,
    options: StepOptions = {},
  ): void {
    if (weight === 0) return;
    const { scale = 1, rate = learningRateAt(this.spec, step, this.#stepsPerEpoch) } = options;
    const { kernel, bias } = this.#plans;
    for (const { constants } of [kernel, bias]) {
      constants[CONSTANT.scale] = scale;
      constants[CONSTANT.rate] = stepRate(this.spec.optimizer, rate, step);
    }
    kernel.constants[CONSTANT.keep] = 1 - rate * weightDecayOf(this.spec);
    for (const { from, to, plan } of this.#pieces) {
      plan.constants[CONSTANT.weight] = weight;
      this.#kernels.step(plan.rule, plan.constants, theta, sum, this.slots, from, to);
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

function checkAligned({ from }: Range): void {
  if (from % CHUNK !== 0)
    throw new RangeError(`norms are summed by chunks of ${CHUNK} values: a range cannot begin at ${from}`);
}

/** The parts of the segments that lie in the range; neighbours of one kind become one. */
function piecesOf(
  segments: readonly Segment[],
  range: Range,
  plans: Readonly<Record<'kernel' | 'bias', StepPlan>>,
): Piece[] {
  const pieces: Piece[] = [];
  for (const { from, to, kind, momentum } of segments) {
    const part = { from: Math.max(from, range.from) - range.from, to: Math.min(to, range.to) - range.from, kind };
    if (part.from >= part.to) continue;
    const plan = kind === 'statistic' ? descentPlan(1 - (momentum ?? DEFAULT_MOMENTUM)) : plans[kind];
    const last = pieces.at(-1);
    if (last?.plan === plan) pieces[pieces.length - 1] = { ...last, to: part.to };
    else pieces.push({ ...part, plan });
  }
  return pieces;
}

function plansOf(spec: UpdateSpec): Record<'kernel' | 'bias', StepPlan> {
  const plans = { kernel: stepPlan(spec.optimizer), bias: stepPlan(spec.optimizer) };
  plans.kernel.constants[CONSTANT.clip] = spec.clipValue ?? Infinity;
  plans.bias.constants[CONSTANT.clip] = spec.clipValue ?? Infinity;
  plans.kernel.constants[CONSTANT.l2] = spec.l2 ?? 0;
  plans.kernel.constants[CONSTANT.l1] = spec.l1 ?? 0;
  return plans;
}
