import { dropoutMask } from './dropout.js';
import type { Layer, Parameter } from './layout.js';
import type { CompleteActivation } from './network.js';

/** Layers in plain float64 JavaScript, a row an array; part of the oracle in reference.ts. */
export type Rows = number[][];

/** A layer's function of x with theta at hand, and how a gradient goes back: adds to `gradient`, returns that of x. */
export interface ReferenceLayer {
  readonly y: Rows;
  back(dy: Rows, gradient: Float64Array): Rows;
}

/** What keys dropout; and the sum of the rows' weights, which statistics count with. */
export interface ReferenceTraining {
  readonly seed: number;
  readonly shard: number;
  readonly step: number;
  readonly weight: number;
}

export function referenceLayer(
  layer: Layer,
  theta: ArrayLike<number>,
  x: Rows,
  training: ReferenceTraining | undefined,
): ReferenceLayer {
  switch (layer.kind) {
    case 'dense':
      return dense(layer, theta, x);
    case 'activation': {
      const { f, derivative } = functionOf(layer.activation);
      return { y: map(x, f), back: (dy) => map(dy, (d, i, j) => d * derivative(x[i]![j]!)) };
    }
    case 'dropout': {
      if (!training) return { y: x, back: (dy) => dy };
      const { number, rate, units } = layer;
      const mask = dropoutMask({ ...training, number }, rate, x.length, units);
      const masked = (rows: Rows) => map(rows, (value, i, j) => value * mask[i * units + j]!);
      return { y: masked(x), back: masked };
    }
    case 'batch-normalization':
      return batchNormalization(layer, theta, x, training);
    case 'layer-normalization':
      return normalization(layer, theta, x, (rows) => rows.map((row) => row.map(() => mean(row))));
  }
}

function dense({ kernel, bias }: Extract<Layer, { kind: 'dense' }>, theta: ArrayLike<number>, x: Rows): ReferenceLayer {
  const [inputs, units] = kernel.shape as [number, number];
  const weight = (i: number, j: number) => kernel.offset + i * units + j;
  return {
    y: x.map((row) =>
      numbers(units, (j) => row.reduce((sum, value, i) => sum + value * theta[weight(i, j)]!, theta[bias.offset + j]!)),
    ),
    back(dy, gradient) {
      dy.forEach((row, r) => {
        row.forEach((d, j) => {
          gradient[bias.offset + j]! += d;
          for (let i = 0; i < inputs; i++) gradient[weight(i, j)]! += x[r]![i]! * d;
        });
      });
      return dy.map((row) => numbers(inputs, (i) => row.reduce((sum, d, j) => sum + d * theta[weight(i, j)]!, 0)));
    },
  };
}

function batchNormalization(
  layer: Extract<Layer, { kind: 'batch-normalization' }>,
  theta: ArrayLike<number>,
  x: Rows,
  training: ReferenceTraining | undefined,
): ReferenceLayer {
  const at = ({ offset }: Parameter, j: number) => theta[offset + j]!;
  if (!training) {
    const { gamma, beta, mean: moving, variance, epsilon } = layer;
    const y = map(x, (value, _i, j) => {
      const normal = (value - at(moving, j)) / Math.sqrt(at(variance, j) + epsilon);
      return at(gamma, j) * normal + at(beta, j);
    });
    return { y, back: () => [] };
  }
  const column = (rows: Rows, j: number) => rows.map((row) => row[j]!);
  const columnMeans = (rows: Rows) => map(rows, (_value, _i, j) => mean(column(rows, j)));
  const { y, back } = normalization(layer, theta, x, columnMeans);
  return {
    y,
    back(dy, gradient) {
      x[0]!.forEach((_, j) => {
        const values = column(x, j);
        const average = mean(values);
        const variance = mean(values.map((value) => (value - average) ** 2));
        gradient[layer.mean.offset + j]! += (at(layer.mean, j) - average) * training.weight;
        gradient[layer.variance.offset + j]! += (at(layer.variance, j) - variance) * training.weight;
      });
      return back(dy, gradient);
    },
  };
}

/** @param means of the values that are normalised together, at the place of each */
function normalization(
  { gamma, beta, epsilon }: { gamma: Parameter; beta: Parameter; epsilon: number },
  theta: ArrayLike<number>,
  x: Rows,
  means: (rows: Rows) => Rows,
): ReferenceLayer {
  const scale = (j: number) => theta[gamma.offset + j]!;
  const average = means(x);
  const centred = map(x, (value, i, j) => value - average[i]![j]!);
  const variance = means(map(centred, (value) => value ** 2));
  const normal = map(centred, (value, i, j) => value / Math.sqrt(variance[i]![j]! + epsilon));
  return {
    y: map(normal, (value, _i, j) => scale(j) * value + theta[beta.offset + j]!),
    back(dy, gradient) {
      dy.forEach((row, i) => {
        row.forEach((d, j) => {
          gradient[gamma.offset + j]! += d * normal[i]![j]!;
          gradient[beta.offset + j]! += d;
        });
      });
      const dNormal = map(dy, (d, _i, j) => d * scale(j));
      const along = means(map(dNormal, (d, i, j) => d * normal[i]![j]!));
      const level = means(dNormal);
      return map(dNormal, (d, i, j) => {
        const across = d - level[i]![j]! - normal[i]![j]! * along[i]![j]!;
        return across / Math.sqrt(variance[i]![j]! + epsilon);
      });
    },
  };
}

/** Of z, not of the function's value. */
export function functionOf(activation: CompleteActivation): {
  f: (z: number) => number;
  derivative: (z: number) => number;
} {
  switch (activation.kind) {
    case 'relu':
      return { f: (z) => Math.max(z, 0), derivative: (z) => (z > 0 ? 1 : 0) };
    case 'leaky-relu': {
      const { negativeSlope } = activation;
      return { f: (z) => (z > 0 ? z : negativeSlope * z), derivative: (z) => (z > 0 ? 1 : negativeSlope) };
    }
    case 'elu': {
      const { alpha } = activation;
      return {
        f: (z) => (z > 0 ? z : alpha * Math.expm1(z)),
        derivative: (z) => (z > 0 ? 1 : alpha * Math.exp(z)),
      };
    }
    case 'gelu':
      return activation.approximate ? GELU_BY_TANH : GELU;
    case 'tanh':
      return { f: Math.tanh, derivative: (z) => 1 - Math.tanh(z) ** 2 };
    case 'sigmoid':
      return { f: sigmoid, derivative: (z) => sigmoid(z) * (1 - sigmoid(z)) };
    case 'softplus':
      return { f: softplus, derivative: sigmoid };
    case 'linear':
      return { f: (z) => z, derivative: () => 1 };
  }
}

const GELU = {
  f: (z: number) => (z * (1 + erf(z / Math.SQRT2))) / 2,
  derivative: (z: number) => (1 + erf(z / Math.SQRT2)) / 2 + (z * Math.exp((-z * z) / 2)) / Math.sqrt(2 * Math.PI),
};

const GELU_BY_TANH = {
  f: (z: number) => (z * (1 + Math.tanh(inner(z)))) / 2,
  derivative: (z: number) => {
    const t = Math.tanh(inner(z));
    const slope = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * z * z);
    return (1 + t) / 2 + (z * (1 - t * t) * slope) / 2;
  },
};

function inner(z: number): number {
  return Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3);
}

export function sigmoid(z: number): number {
  return 1 / (1 + Math.exp(-z));
}

export function softplus(z: number): number {
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
}

/** 2 / sqrt(pi) * exp(-x²) * sum of 2^n x^(2n + 1) / (2n + 1)!!: all terms of one sign, so no digits are lost. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

function map(rows: Rows, fn: (value: number, i: number, j: number) => number): Rows {
  return rows.map((row, i) => row.map((value, j) => fn(value, i, j)));
}

function numbers(length: number, fn: (i: number) => number): number[] {
  return Array.from({ length }, (_, i) => fn(i));
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
