import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { type CompleteLoss, lossOf, type Network } from '../network.js';
import type { Tfjs } from './activations.js';

/** Losses of the rows, [rows], and the gradient of their sum, of the outputs' shape. */
export interface Compared {
  readonly perRow: Tensor1D;
  readonly gradient: Tensor2D;
}

/** Labels are a matrix [rows, outputs]: values, or ones at the classes. */
interface LossOps<L> {
  compare(tf: Tfjs, values: Tensor2D, labels: Tensor2D, loss: L): Compared;
  output(tf: Tfjs, values: Tensor2D): Tensor2D;
}

/** A loss of each value, averaged over a row's outputs. */
function meanOverOutputs<L>(
  of: (tf: Tfjs, values: Tensor2D, labels: Tensor2D, loss: L) => { loss: Tensor; derivative: Tensor },
): LossOps<L>['compare'] {
  return (tf, values, labels, loss) => {
    const each = of(tf, values, labels, loss);
    return { perRow: tf.mean(each.loss, 1), gradient: tf.div(each.derivative, values.shape[1]) };
  };
}

const losses: { readonly [K in CompleteLoss['kind']]: LossOps<Extract<CompleteLoss, { kind: K }>> } = {
  'softmax-cross-entropy': {
    compare(tf, values, labels, { labelSmoothing }) {
      const targets = smoothed(tf, labels, labelSmoothing, labelSmoothing / values.shape[1]);
      const shifted: Tensor2D = tf.sub(values, tf.max(values, 1, true));
      const powers = tf.exp(shifted);
      const sums = tf.sum(powers, 1, true);
      const perRow = tf.sub(tf.log(tf.squeeze(sums, [1])), tf.sum(tf.mul(shifted, targets), 1)) as Tensor1D;
      return { perRow, gradient: tf.sub(tf.div(powers, sums), targets) };
    },
    output: (tf, values) => tf.softmax(values),
  },
  'binary-cross-entropy': {
    // (1 - y) z + q softplus(-z) with q = 1 - y + p y, p the weight of the positive part; derivative q sigmoid(z) - p y.
    compare: meanOverOutputs((tf, values, labels, { labelSmoothing, positiveWeights }) => {
      const targets = smoothed(tf, labels, labelSmoothing, labelSmoothing / 2);
      const positive = positiveWeights ? tf.mul(targets, [...positiveWeights]) : targets;
      const rest = tf.sub(1, targets);
      const both = tf.add(rest, positive);
      return {
        loss: tf.add(tf.mul(rest, values), tf.mul(both, tf.softplus(tf.neg(values)))),
        derivative: tf.sub(tf.mul(both, tf.sigmoid(values)), positive),
      };
    }),
    output: (tf, values) => tf.sigmoid(values),
  },
  'mean-squared-error': {
    compare: meanOverOutputs((tf, values, labels) => {
      const difference = tf.sub(values, labels);
      return { loss: tf.square(difference), derivative: tf.mul(difference, 2) };
    }),
    output: (_tf, values) => values,
  },
  'mean-absolute-error': {
    compare: meanOverOutputs((tf, values, labels) => {
      const difference = tf.sub(values, labels);
      return { loss: tf.abs(difference), derivative: tf.sign(difference) };
    }),
    output: (_tf, values) => values,
  },
  huber: {
    // m (|d| - m / 2) with m = min(|d|, delta): both cases in one.
    compare: meanOverOutputs((tf, values, labels, { delta }) => {
      const difference = tf.sub(values, labels);
      const size = tf.abs(difference);
      const cut = tf.minimum(size, delta);
      return {
        loss: tf.mul(cut, tf.sub(size, tf.mul(cut, 0.5))),
        derivative: tf.maximum(tf.minimum(difference, delta), -delta),
      };
    }),
    output: (_tf, values) => values,
  },
};

const opsOf = (loss: CompleteLoss) => losses[loss.kind] as LossOps<CompleteLoss>;

/** @param weights of the rows, [rows]; absent: each counts once */
export function compare(
  tf: Tfjs,
  network: Network,
  values: Tensor2D,
  labels: Tensor2D,
  weights: Tensor1D | undefined,
): Compared {
  const loss = lossOf(network.loss);
  const { perRow, gradient } = opsOf(loss).compare(tf, values, labels, loss);
  if (!weights) return { perRow, gradient };
  return { perRow: tf.mul(perRow, weights), gradient: tf.mul(gradient, tf.expandDims(weights, 1)) };
}

/** Class probabilities, probabilities of labels, or values. */
export function output(tf: Tfjs, network: Network, values: Tensor2D): Tensor2D {
  return opsOf(lossOf(network.loss)).output(tf, values);
}

function smoothed(tf: Tfjs, targets: Tensor2D, smoothing: number, added: number): Tensor2D {
  return smoothing === 0 ? targets : tf.add(tf.mul(targets, 1 - smoothing), added);
}
