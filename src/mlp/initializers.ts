import type { Random } from '../rdd/random.js';

/**
 * How parameters begin: names, formulas and defaults of Keras.
 *
 * - `glorot-*` (Glorot and Bengio 2010), `he-*` (He et al. 2015), `lecun-*` (LeCun et al. 1998): variance 2 / (in + out),
 *   2 / in, 1 / in, drawn uniformly or from a normal distribution cut at two deviations (whose variance is then right).
 * - `orthogonal` (Saxe et al. 2014): orthonormal rows or columns, whichever are fewer, times `gain` (1).
 *   Takes 2 · long · short² operations: seconds from some thousand units on.
 * - `random-normal`, `truncated-normal`: mean 0, deviation 0.05; `random-uniform`: ±0.05; `constant`: 0.
 */
export type Initializer = InitializerName | InitializerSpec;

export const INITIALIZERS = [
  'glorot-uniform',
  'glorot-normal',
  'he-uniform',
  'he-normal',
  'lecun-uniform',
  'lecun-normal',
  'orthogonal',
  'zeros',
  'ones',
  'constant',
  'random-normal',
  'random-uniform',
  'truncated-normal',
] as const;
export type InitializerName = (typeof INITIALIZERS)[number];

export type InitializerSpec =
  | { readonly kind: Exclude<InitializerName, 'orthogonal' | 'constant' | `random-${string}` | 'truncated-normal'> }
  | { readonly kind: 'orthogonal'; readonly gain?: number }
  | { readonly kind: 'constant'; readonly value?: number }
  | { readonly kind: 'random-normal' | 'truncated-normal'; readonly mean?: number; readonly deviation?: number }
  | { readonly kind: 'random-uniform'; readonly low?: number; readonly high?: number };

/** Standard deviation of a standard normal distribution cut at ±2. */
const CUT_DEVIATION = 0.8796256610342398;

/**
 * Values of a kernel `[in, out]` or a vector `[units]` (whose fans are both its length, as in Keras), row-major.
 *
 * @example drawInitial('he-normal', [784, 128], keyedRandom(seed, 'initial-theta', 0))
 */
export function drawInitial(initializer: Initializer, shape: readonly number[], random: Random): Float32Array {
  const spec: InitializerSpec = typeof initializer === 'string' ? { kind: initializer } : initializer;
  const [fanIn, fanOut] = [shape[0]!, shape.at(-1)!];
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  const filled = (draw: () => number) => Float32Array.from({ length: size }, draw);
  const scaled = (kind: string, scale: number, fan: number) => {
    if (kind.endsWith('uniform')) {
      const limit = Math.sqrt((3 * scale) / fan);
      return filled(() => (2 * random.uniform() - 1) * limit);
    }
    const deviation = Math.sqrt(scale / fan) / CUT_DEVIATION;
    return filled(() => deviation * cutNormal(random));
  };
  switch (spec.kind) {
    case 'glorot-uniform':
    case 'glorot-normal':
      return scaled(spec.kind, 2, fanIn + fanOut);
    case 'he-uniform':
    case 'he-normal':
      return scaled(spec.kind, 2, fanIn);
    case 'lecun-uniform':
    case 'lecun-normal':
      return scaled(spec.kind, 1, fanIn);
    case 'orthogonal':
      return orthogonal(fanIn, size / fanIn, spec.gain ?? 1, random);
    case 'zeros':
      return new Float32Array(size);
    case 'ones':
      return new Float32Array(size).fill(1);
    case 'constant':
      return new Float32Array(size).fill(spec.value ?? 0);
    case 'random-normal':
      return filled(() => (spec.mean ?? 0) + (spec.deviation ?? 0.05) * normal(random));
    case 'truncated-normal':
      return filled(() => (spec.mean ?? 0) + (spec.deviation ?? 0.05) * cutNormal(random));
    case 'random-uniform': {
      const { low = -0.05, high = 0.05 } = spec;
      return filled(() => low + (high - low) * random.uniform());
    }
  }
}

/** Standard normal by Marsaglia's polar method (1964): of Math's functions only log and sqrt, so equal on every machine. */
function normal(random: Random): number {
  for (;;) {
    const u = 2 * random.uniform() - 1;
    const v = 2 * random.uniform() - 1;
    const s = u * u + v * v;
    if (s > 0 && s < 1) return u * Math.sqrt((-2 * Math.log(s)) / s);
  }
}

function cutNormal(random: Random): number {
  for (;;) {
    const draw = normal(random);
    if (Math.abs(draw) <= 2) return draw;
  }
}

/**
 * The short side's vectors, normal at first, made orthonormal one after the other (modified Gram-Schmidt, which is the QR
 * decomposition with a positive diagonal of R: uniform over orthogonal matrices, Mezzadri 2007).
 */
function orthogonal(rows: number, columns: number, gain: number, random: Random): Float32Array {
  const [long, short] = [Math.max(rows, columns), Math.min(rows, columns)];
  const vectors = Array.from({ length: short }, () => Float64Array.from({ length: long }, () => normal(random)));
  vectors.forEach((vector, k) => {
    const length = Math.sqrt(dot(vector, vector));
    for (let i = 0; i < long; i++) vector[i]! /= length;
    for (const later of vectors.slice(k + 1)) {
      const along = dot(vector, later);
      for (let i = 0; i < long; i++) later[i]! -= along * vector[i]!;
    }
  });
  const values = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) {
      const value = rows < columns ? vectors[i]![j]! : vectors[j]![i]!;
      values[i * columns + j] = gain * value;
    }
  return values;
}

function dot(left: Float64Array, right: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < left.length; i++) sum += left[i]! * right[i]!;
  return sum;
}
