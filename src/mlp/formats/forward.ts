import type { CompleteActivation } from '../network.js';
import type { InferencePlan, InferenceStep } from './inference.js';

/**
 * Network outputs in plain JavaScript: class probabilities or values, rows x outputs. Sums are made in float64, layers
 * are kept in float32, so that results agree with TensorFlow's to a few units of the last place of float32.
 *
 * @param features row-major, rows x inputs
 * @throws RangeError when the matrix has another size
 */
export function forward(plan: InferencePlan, features: Float32Array | Float64Array, rows: number): Float32Array {
  if (features.length !== rows * plan.inputs)
    throw new RangeError(
      `${rows} rows of ${plan.inputs} features need ${rows * plan.inputs} values, got ${features.length}`,
    );
  const outputs = new Float32Array(rows * plan.outputs);
  for (let row = 0; row < rows; row++) {
    let values: Row = features.subarray(row * plan.inputs, (row + 1) * plan.inputs);
    for (const step of plan.steps) values = apply(step, values);
    outputs.set(values, row * plan.outputs);
  }
  return outputs;
}

type Row = Float32Array | Float64Array;

function apply(step: InferenceStep, x: Row): Float32Array {
  switch (step.kind) {
    case 'standardize':
      return Float32Array.from(x, (value, i) => (value - step.mean[i]!) / step.deviation[i]!);
    case 'dense':
      return dense(x, step.kernel, step.bias);
    case 'batch-normalization': {
      const { gamma, beta, mean, variance, epsilon } = step;
      return Float32Array.from(x, (value, i) =>
        normalized(value, mean[i]!, variance[i]!, epsilon, gamma[i]!, beta[i]!),
      );
    }
    case 'layer-normalization': {
      const { gamma, beta, epsilon } = step;
      const mean = sum(x) / x.length;
      const variance = sum(x, (value) => (value - mean) ** 2) / x.length;
      return Float32Array.from(x, (value, i) => normalized(value, mean, variance, epsilon, gamma[i]!, beta[i]!));
    }
    case 'activation':
      return Float32Array.from(x, elementwise(step.activation));
    case 'softmax': {
      let highest = Number.NEGATIVE_INFINITY;
      for (let i = 0; i < x.length; i++) highest = Math.max(highest, x[i]!);
      const total = sum(x, (value) => Math.exp(value - highest));
      return Float32Array.from(x, (value) => Math.exp(value - highest) / total);
    }
  }
}

function dense(x: Row, kernel: Float32Array, bias: Float32Array): Float32Array {
  const units = bias.length;
  const sums = Float64Array.from(bias);
  for (let i = 0; i < x.length; i++) {
    const value = x[i]!;
    for (let j = 0, k = i * units; j < units; j++, k++) sums[j]! += value * kernel[k]!;
  }
  return Float32Array.from(sums);
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

function sum(values: Row, fn: (value: number) => number = (value) => value): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += fn(values[i]!);
  return total;
}
