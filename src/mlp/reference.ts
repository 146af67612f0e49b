import { type Layout, layoutOf } from './layout.js';
import { type CompleteLoss, lossOf, type Network } from './network.js';
import { type ReferenceTraining, type Rows, referenceLayer, sigmoid, softplus } from './reference-layers.js';

export { referenceApply } from '../ps/optimizer/testing/reference-step.js';

/**
 * A multilayer perceptron in plain float64 JavaScript, written from the formulas and for reading: the oracle that the
 * backends are tested against. It shares no code with them but the layout and the draws of dropout.
 */
type Vector = ArrayLike<number>;

/** Class probabilities, probabilities of labels, or values, row-major. */
export function referencePredict(network: Network, theta: Vector, features: Vector): Float64Array {
  const rows = features.length / network.inputs;
  const x = Array.from({ length: rows }, (_, row) => rowOf(features, row, network.inputs));
  const { kind } = lossOf(network.loss);
  const outputs = forward(layoutOf(network), theta, x, undefined)
    .at(-1)!
    .y.map((values) => {
      if (kind === 'softmax-cross-entropy') return softmax(values);
      return kind === 'binary-cross-entropy' ? values.map(sigmoid) : values;
    });
  return Float64Array.from(outputs.flat());
}

export interface ReferenceOptions {
  /** What keys dropout; defaults 0. */
  readonly seed?: number;
  readonly shard?: number;
  readonly step?: number;
  /** Of the rows. */
  readonly weights?: Vector;
}

/** Weighted sums over the given rows; statistics' as `ShardGradient` says. Penalties on the weights are the update's. */
export function referenceGradient(
  network: Network,
  theta: Vector,
  features: Vector,
  labels: Vector,
  rows: Iterable<number>,
  { seed = 0, shard = 0, step = 0, weights }: ReferenceOptions = {},
): { gradient: Float64Array; lossSum: number; weight: number } {
  const layout = layoutOf(network);
  const chosen = [...rows];
  const own = chosen.map((row) => (weights?.[row] ?? 1) * (network.classWeights?.[labels[row]!] ?? 1));
  const weight = own.reduce((sum, value) => sum + value, 0);
  const x = chosen.map((row) => rowOf(features, row, network.inputs));
  const layers = forward(layout, theta, x, { seed, shard, step, weight });

  const gradient = new Float64Array(layout.length);
  let lossSum = 0;
  let dy: Rows = layers.at(-1)!.y.map((values, i) => {
    const { loss, delta } = compare(network, values, labels, chosen[i]!);
    lossSum += own[i]! * loss;
    return delta.map((d) => own[i]! * d);
  });
  for (const layer of layers.toReversed()) dy = layer.back(dy, gradient);
  return { gradient, lossSum, weight };
}

/** Adds the gradient of 0.5 l2 |W|² to a mean gradient, in place. */
export function addReferencePenalty(network: Network, theta: Vector, mean: Float64Array): Float64Array {
  for (const { kind, offset, size } of layoutOf(network).parameters)
    for (let i = offset; kind === 'kernel' && i < offset + size; i++) mean[i]! += (network.l2 ?? 0) * theta[i]!;
  return mean;
}

function forward({ layers }: Layout, theta: Vector, features: Rows, training: ReferenceTraining | undefined) {
  let x = features;
  return layers.map((layer) => {
    const applied = referenceLayer(layer, theta, x, training);
    x = applied.y;
    return applied;
  });
}

/** Loss of a row and its gradient by the network's last values. */
function compare(network: Network, values: readonly number[], labels: Vector, row: number) {
  const loss = lossOf(network.loss);
  if (loss.kind === 'softmax-cross-entropy') return crossEntropy(values, labels[row]!, loss.labelSmoothing);
  const { outputs } = network;
  const each = values.map((value, j) => compareValue(loss, value, labels[row * outputs + j]!, j));
  return {
    loss: each.reduce((sum, output) => sum + output.loss, 0) / outputs,
    delta: each.map((output) => output.derivative / outputs),
  };
}

function crossEntropy(logits: readonly number[], label: number, smoothing: number) {
  const probabilities = softmax(logits);
  const targets = logits.map((_, j) => smoothing / logits.length + (j === label ? 1 - smoothing : 0));
  return {
    loss: -targets.reduce((sum, target, j) => sum + target * Math.log(probabilities[j]!), 0),
    delta: probabilities.map((p, j) => p - targets[j]!),
  };
}

type ValueLoss = Exclude<CompleteLoss, { kind: 'softmax-cross-entropy' }>;

function compareValue(loss: ValueLoss, value: number, label: number, j: number): { loss: number; derivative: number } {
  const d = value - label;
  switch (loss.kind) {
    case 'binary-cross-entropy': {
      const target = label * (1 - loss.labelSmoothing) + loss.labelSmoothing / 2;
      const positive = (loss.positiveWeights?.[j] ?? 1) * target;
      return {
        loss: positive * softplus(-value) + (1 - target) * softplus(value),
        derivative: (1 - target) * sigmoid(value) - positive * sigmoid(-value),
      };
    }
    case 'mean-squared-error':
      return { loss: d ** 2, derivative: 2 * d };
    case 'mean-absolute-error':
      return { loss: Math.abs(d), derivative: Math.sign(d) };
    case 'huber': {
      const { delta } = loss;
      if (Math.abs(d) <= delta) return { loss: 0.5 * d ** 2, derivative: d };
      return { loss: delta * (Math.abs(d) - 0.5 * delta), derivative: delta * Math.sign(d) };
    }
  }
}

function softmax(logits: readonly number[]): number[] {
  const highest = Math.max(...logits);
  const powers = logits.map((z) => Math.exp(z - highest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}

function rowOf(matrix: Vector, row: number, columns: number): number[] {
  return Array.from({ length: columns }, (_, i) => matrix[row * columns + i]!);
}
