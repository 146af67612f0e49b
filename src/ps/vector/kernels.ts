/**
 * Rules of a step, in the order of `native/kernels.cc`. Each says in which order its float32 operations are made: that of
 * TensorFlow's CPU kernels of the same name (`tensorflow/core/kernels/training_ops.cc`).
 */
export const STEP_RULES = [
  'descent',
  'momentum',
  'nesterov',
  'adagrad',
  'rmsprop',
  'rmsprop-centered',
  'adam',
  'adam-amsgrad',
] as const;
export type StepRule = (typeof STEP_RULES)[number];

/** Where each constant of a step lies in its array. `a`, `b`, `c` are the rule's own. */
export const CONSTANT = { weight: 0, scale: 1, clip: 2, l2: 3, l1: 4, keep: 5, rate: 6, a: 7, b: 8, c: 9 } as const;
export const CONSTANTS = 10;

/** In an order of additions: the last two sums are added, the later one to the earlier. */
export const ADD = -1;

/**
 * A sum that need not be there yet: vectors, and the order of their additions in postfix notation (numbers of vectors, and
 * `ADD`).
 *
 * @example { vectors: [a, b, c], order: Int32Array.of(0, 1, ADD, 2, ADD) } // (a + b) + c
 */
export interface OrderedSum {
  readonly vectors: readonly Float32Array[];
  readonly order: Int32Array;
}

/**
 * Loops over flat float32 vectors. Two implementations give equal bits (of NaNs, only that they are NaN): every float32
 * operation is rounded on its own, in the order written at each function, and sums in float64 have a fixed order.
 * Vectors may begin at any element of any buffer, shared memory too. Lengths are not checked: callers do that once.
 */
export interface VectorKernels {
  readonly name: 'native' | 'javascript';

  /** `target += source`. */
  addInto(target: Float32Array, source: Float32Array): void;
  /** `target += factor * source`, the product rounded first; the factor is rounded to float32. */
  addScaled(target: Float32Array, factor: number, source: Float32Array): void;
  /** `x *= factor`, which is rounded to float32. */
  scale(x: Float32Array, factor: number): void;

  /**
   * A gradient sum becomes an update of theta, elements [from, to) of all arrays:
   * `g = sum / weight`; `* scale`; clipped to ±`clip`; `+ l2 * theta`; `+ l1 * sign(theta)`; `theta *= keep`; then the rule.
   * Constants of no effect (scale 1, clip Infinity, l2 0, l1 0, keep 1) are passed over. What is below the least normal
   * number, 2^-126, is kept in a slot as 0: averages that fade away would take processors many times as long for ever.
   *
   * @param constants by `CONSTANT`
   * @param sum unchanged
   * @param slots the rule's
   */
  step(
    rule: StepRule,
    constants: Float32Array,
    theta: Float32Array,
    sum: Float32Array | OrderedSum,
    slots: readonly Float32Array[],
    from: number,
    to: number,
  ): void;

  /**
   * Of each chunk of `CHUNK` elements, from the vector's beginning, the sum of squares in float64: element i in lane
   * i mod 16, each lane ascending; then lanes l and l + 8 are added, l and l + 4, l and l + 2, l and l + 1.
   */
  sumSquares(x: Float32Array, out: Float64Array): void;
  /** The sum of products in float64: within chunks as `sumSquares`, chunks in ascending order. */
  dot(x: Float32Array, y: Float32Array): number;
  /** The largest magnitude; NaN when there is one; 0 of an empty vector. */
  absMax(x: Float32Array): number;
  /** Index of the first element that is NaN or infinite, or -1. */
  firstNonFinite(x: Float32Array): number;

  /** bfloat16, rounded to nearest, ties to even; NaNs stay NaN, signs are kept. */
  packBf16(x: Float32Array, out: Uint16Array): void;
  /** Exact. */
  unpackBf16(x: Uint16Array, out: Float32Array): void;
}
