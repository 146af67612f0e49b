import { layoutOf } from './layout.js';
import type { Activation, Network } from './network.js';
import type { OptimizerSpec } from './optimizers.js';

/**
 * A multilayer perceptron in plain float64 JavaScript, written from the formulas and for reading: the oracle that the
 * backends are tested against. It shares no code with them but the layout.
 */
const activations: Record<Activation, { f: (z: number) => number; derivative: (y: number) => number }> = {
  relu: { f: (z) => Math.max(z, 0), derivative: (y) => (y > 0 ? 1 : 0) },
  tanh: { f: Math.tanh, derivative: (y) => 1 - y * y },
  sigmoid: { f: (z) => 1 / (1 + Math.exp(-z)), derivative: (y) => y * (1 - y) },
  linear: { f: (z) => z, derivative: () => 1 },
};

type Vector = ArrayLike<number>;

/** Outputs of every layer for one row, that of the features first; the last layer's are logits or values. */
function forward(network: Network, theta: Vector, features: readonly number[]): number[][] {
  const values: number[][] = [[...features]];
  layoutOf(network).layers.forEach(({ kernel, bias }, layer) => {
    const { f } = activations[network.hidden[layer]?.activation ?? 'linear'];
    const input = values.at(-1)!;
    values.push(
      Array.from({ length: bias.size }, (_, j) => {
        let z = theta[bias.offset + j]!;
        for (let i = 0; i < input.length; i++) z += input[i]! * theta[kernel.offset + i * bias.size + j]!;
        return f(z);
      }),
    );
  });
  return values;
}

function softmax(logits: readonly number[]): number[] {
  const highest = Math.max(...logits);
  const powers = logits.map((z) => Math.exp(z - highest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}

const rowOf = (matrix: Vector, row: number, columns: number) =>
  Array.from({ length: columns }, (_, i) => matrix[row * columns + i]!);

/** Class probabilities, or values, row-major. */
export function referencePredict(network: Network, theta: Vector, features: Vector): Float64Array {
  const rows = features.length / network.inputs;
  const outputs = Array.from({ length: rows }, (_, row) => {
    const last = forward(network, theta, rowOf(features, row, network.inputs)).at(-1)!;
    return network.loss === 'softmax-cross-entropy' ? softmax(last) : last;
  });
  return Float64Array.from(outputs.flat());
}

/** Sums over the given rows, the L2 penalty once a row. */
export function referenceGradient(
  network: Network,
  theta: Vector,
  features: Vector,
  labels: Vector,
  rows: Iterable<number>,
): { gradient: Float64Array; lossSum: number } {
  const layout = layoutOf(network);
  const gradient = new Float64Array(layout.length);
  let lossSum = 0;
  for (const row of rows) {
    const values = forward(network, theta, rowOf(features, row, network.inputs));
    const { loss, delta } = compare(network, values.at(-1)!, labels, row);
    lossSum += loss;
    let dz = delta;
    for (let layer = layout.layers.length - 1; layer >= 0; layer--) {
      const { kernel, bias } = layout.layers[layer]!;
      const input = values[layer]!;
      const { derivative } = activations[network.hidden[layer - 1]?.activation ?? 'linear'];
      const below = input.map((y, i) => {
        let dy = 0;
        for (let j = 0; j < bias.size; j++) {
          gradient[kernel.offset + i * bias.size + j]! += y * dz[j]!;
          dy += theta[kernel.offset + i * bias.size + j]! * dz[j]!;
        }
        return dy * derivative(y);
      });
      for (let j = 0; j < bias.size; j++) gradient[bias.offset + j]! += dz[j]!;
      dz = below;
    }
    for (const { kernel } of layout.layers)
      for (let i = kernel.offset; i < kernel.offset + kernel.size; i++) {
        gradient[i]! += (network.l2 ?? 0) * theta[i]!;
        lossSum += 0.5 * (network.l2 ?? 0) * theta[i]! ** 2;
      }
  }
  return { gradient, lossSum };
}

function compare(network: Network, last: readonly number[], labels: Vector, row: number) {
  if (network.loss === 'softmax-cross-entropy') {
    const label = labels[row]!;
    const probabilities = softmax(last);
    return { loss: -Math.log(probabilities[label]!), delta: probabilities.map((p, j) => p - (j === label ? 1 : 0)) };
  }
  const errors = last.map((y, j) => y - labels[row * network.outputs + j]!);
  return {
    loss: errors.reduce((sum, error) => sum + error ** 2, 0) / network.outputs,
    delta: errors.map((error) => (2 * error) / network.outputs),
  };
}

/** One optimizer step on theta followed by its slots, as Keras writes it; returns the new state. */
export function referenceApply(optimizer: OptimizerSpec, state: Vector, gradient: Vector, step: number): Float64Array {
  const next = Float64Array.from(state);
  const n = gradient.length;
  for (let i = 0; i < n; i++) {
    const g = gradient[i]!;
    if (optimizer.kind === 'adam') {
      const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 } = optimizer;
      const m = beta1 * state[n + i]! + (1 - beta1) * g;
      const v = beta2 * state[2 * n + i]! + (1 - beta2) * g * g;
      const alpha = (learningRate * Math.sqrt(1 - beta2 ** step)) / (1 - beta1 ** step);
      next.set([state[i]! - (alpha * m) / (Math.sqrt(v) + epsilon)], i);
      next.set([m], n + i);
      next.set([v], 2 * n + i);
    } else if (optimizer.momentum) {
      const { learningRate, momentum, nesterov } = optimizer;
      const velocity = momentum * state[n + i]! - learningRate * g;
      next.set([state[i]! + (nesterov ? momentum * velocity - learningRate * g : velocity)], i);
      next.set([velocity], n + i);
    } else next.set([state[i]! - optimizer.learningRate * g], i);
  }
  return next;
}
