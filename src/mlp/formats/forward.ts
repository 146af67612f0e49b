import type { CompleteActivation } from '../network.js';
import type { InferencePlan, InferenceStep } from './inference.js';

/** Rows that go through the layers together: their values stay in the processor's caches. */
const BLOCK = 64;

/**
 * Network outputs in plain JavaScript: class probabilities or values, rows x outputs. Sums are made in float64, layers
 * are kept in float32, so that results agree with TensorFlow's to a few units of the last place of float32. A row's
 * result does not depend on the rows around it.
 *
 * @param features row-major, rows x inputs
 * @throws RangeError when the matrix has another size
 */
export function forward(plan: InferencePlan, features: Float32Array | Float64Array, rows: number): Float32Array {
  const { inputs, outputs, steps } = plan;
  if (features.length !== rows * inputs)
    throw new RangeError(`${rows} rows of ${inputs} features need ${rows * inputs} values, got ${features.length}`);
  const all = new Float32Array(rows * outputs);
  for (let first = 0; first < rows; first += BLOCK) {
    const count = Math.min(BLOCK, rows - first);
    const block: Matrix = features.subarray(first * inputs, (first + count) * inputs);
    all.set(
      steps.reduce<Matrix>((x, step) => apply(step, x, count), block),
      first * outputs,
    );
  }
  return all;
}

/** Row-major. */
type Matrix = Float32Array | Float64Array;

function apply(step: InferenceStep, x: Matrix, rows: number): Float32Array {
  const width = x.length / rows;
  switch (step.kind) {
    case 'standardize':
      return Float32Array.from(x, (value, i) => (value - step.mean[i % width]!) / step.deviation[i % width]!);
    case 'dense':
      return dense(x, rows, step.kernel, step.bias);
    case 'batch-normalization': {
      const { gamma, beta, mean, variance, epsilon } = step;
      return Float32Array.from(x, (value, i) => {
        const k = i % width;
        return normalized(value, mean[k]!, variance[k]!, epsilon, gamma[k]!, beta[k]!);
      });
    }
    case 'layer-normalization': {
      const { gamma, beta, epsilon } = step;
      return rowByRow(x, rows, (row) => {
        const mean = sum(row) / width;
        const variance = sum(row, (value) => (value - mean) ** 2) / width;
        return (value, k) => normalized(value, mean, variance, epsilon, gamma[k]!, beta[k]!);
      });
    }
    case 'activation':
      return Float32Array.from(x, elementwise(step.activation));
    case 'softmax':
      return rowByRow(x, rows, (row) => {
        let highest = Number.NEGATIVE_INFINITY;
        for (let i = 0; i < row.length; i++) highest = Math.max(highest, row[i]!);
        const total = sum(row, (value) => Math.exp(value - highest));
        return (value) => Math.exp(value - highest) / total;
      });
  }
}

/** @param of gives, for a row, what becomes of its values */
function rowByRow(x: Matrix, rows: number, of: (row: Matrix) => (value: number, k: number) => number): Float32Array {
  const width = x.length / rows;
  const result = new Float32Array(x.length);
  for (let at = 0; at < x.length; at += width) {
    const row = x.subarray(at, at + width);
    const value = of(row);
    for (let k = 0; k < width; k++) result[at + k] = value(row[k]!, k);
  }
  return result;
}

function dense(x: Matrix, rows: number, kernel: Float32Array, bias: Float32Array): Float32Array {
  const result = new Float32Array(rows * bias.length);
  let row = 0;
  for (; row + 4 <= rows; row += 4) denseOfFour(x, rows, row, kernel, bias, result);
  for (; row < rows; row++) denseOfOne(x, rows, row, kernel, bias, result);
  return result;
}

function denseOfOne(
  x: Matrix,
  rows: number,
  row: number,
  kernel: Float32Array,
  bias: Float32Array,
  into: Float32Array,
) {
  const [inputs, units] = [x.length / rows, bias.length];
  const sums = Float64Array.from(bias);
  for (let i = 0, k = 0; i < inputs; i++) {
    const value = x[row * inputs + i]!;
    for (let j = 0; j < units; j++, k++) sums[j]! += value * kernel[k]!;
  }
  into.set(sums, row * units);
}

/** The same for four rows at once: a weight is fetched and widened once for all of them. */
function denseOfFour(
  x: Matrix,
  rows: number,
  row: number,
  kernel: Float32Array,
  bias: Float32Array,
  into: Float32Array,
) {
  const [inputs, units] = [x.length / rows, bias.length];
  const all = [0, 1, 2, 3].map(() => Float64Array.from(bias));
  const [a, b, c, d] = all as [Float64Array, Float64Array, Float64Array, Float64Array];
  for (let i = 0, k = 0; i < inputs; i++) {
    const at = row * inputs + i;
    const [xa, xb, xc, xd] = [x[at]!, x[at + inputs]!, x[at + 2 * inputs]!, x[at + 3 * inputs]!];
    for (let j = 0; j < units; j++, k++) {
      const weight = kernel[k]!;
      a[j]! += xa * weight;
      b[j]! += xb * weight;
      c[j]! += xc * weight;
      d[j]! += xd * weight;
    }
  }
  all.forEach((sums, r) => void into.set(sums, (row + r) * units));
}

function normalized(x: number, mean: number, variance: number, epsilon: number, gamma: number, beta: number): number {
  return (gamma * (x - mean)) / Math.sqrt(variance + epsilon) + beta;
}

/** @example elementwise({ kind: 'leaky-relu', negativeSlope: 0.2 })(-1) // -0.2 */
export function elementwise(activation: CompleteActivation): (x: number) => number {
  switch (activation.kind) {
    case 'relu':
      return (x) => Math.max(x, 0);
    case 'leaky-relu':
      return (x) => (x > 0 ? x : activation.negativeSlope * x);
    case 'elu':
      return (x) => (x > 0 ? x : activation.alpha * Math.expm1(x));
    case 'gelu':
      return activation.approximate
        ? (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
        : (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2));
    case 'tanh':
      return Math.tanh;
    case 'sigmoid':
      return (x) => 1 / (1 + Math.exp(-x));
    case 'softplus':
      return (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
    case 'linear':
      return (x) => x;
  }
}

/** The error function by its Taylor series; from 4 on it is 1 to float32's last place (1 - erf(4) = 1.5e-8). */
function erf(x: number): number {
  if (Math.abs(x) >= 4) return Math.sign(x);
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-12; n++) {
    term *= -(x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
}

function sum(values: Matrix, fn: (value: number) => number = (value) => value): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += fn(values[i]!);
  return total;
}
