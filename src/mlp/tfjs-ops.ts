import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { Layout } from './layout.js';
import type { Activation, Loss, Network } from './network.js';

/** TensorFlow.js, whatever backend it computes on. */
export type Tfjs = typeof import('@tensorflow/tfjs-core');

/** An activation is one entry: its function, and the gradient through it (y is its output). */
interface ActivationOps {
  forward(tf: Tfjs, z: Tensor2D): Tensor2D;
  gradient(tf: Tfjs, dy: Tensor2D, y: Tensor2D): Tensor2D;
}

const activations: Readonly<Record<Activation, ActivationOps>> = {
  relu: { forward: (tf, z) => tf.relu(z), gradient: (tf, dy, y) => tf.mul(dy, tf.step(y)) },
  tanh: {
    forward: (tf, z) => tf.tanh(z),
    gradient: (tf, dy, y) => tf.mul(dy, tf.sub(1, tf.square(y))),
  },
  sigmoid: {
    forward: (tf, z) => tf.sigmoid(z),
    gradient: (tf, dy, y) => tf.mul(dy, tf.mul(y, tf.sub(1, y))),
  },
  linear: { forward: (_tf, z) => z, gradient: (_tf, dy) => dy },
};

/** Labels as a matrix [rows, outputs]: values, or ones at the classes. */
interface LossOps {
  /** Losses of the rows, and the gradient of their sum. */
  compare(tf: Tfjs, values: Tensor2D, labels: Tensor2D): { perRow: Float32Array; gradient: Tensor2D };
  output(tf: Tfjs, values: Tensor2D): Tensor2D;
}

const losses: Readonly<Record<Loss, LossOps>> = {
  'softmax-cross-entropy': {
    compare(tf, values, labels) {
      const shifted: Tensor2D = tf.sub(values, tf.max(values, 1, true));
      const powers = tf.exp(shifted);
      const sums = tf.sum(powers, 1, true);
      const own = tf.sum(tf.mul(shifted, labels), 1, true);
      const perRow = tf.sub(tf.log(sums), own).dataSync<'float32'>();
      return { perRow, gradient: tf.sub(tf.div(powers, sums), labels) };
    },
    output: (tf, values) => tf.softmax(values),
  },
  'mean-squared-error': {
    compare(tf, values, labels) {
      const difference: Tensor2D = tf.sub(values, labels);
      const perRow = tf.mean(tf.square(difference), 1).dataSync<'float32'>();
      return { perRow, gradient: tf.mul(difference, 2 / values.shape[1]) };
    },
    output: (_tf, values) => values,
  },
};

export interface LayerTensors {
  readonly kernel: Tensor2D;
  /** [1, units]. */
  readonly bias: Tensor2D;
}

export interface GradientSums {
  readonly gradient: Float32Array;
  readonly lossSum: number;
}

function forward(tf: Tfjs, network: Network, layers: readonly LayerTensors[], features: Tensor2D): Tensor2D[] {
  const values = [features];
  layers.forEach(({ kernel, bias }, i) => {
    const { forward: activate } = activations[network.hidden[i]?.activation ?? 'linear'];
    values.push(activate(tf, tf.add(tf.matMul(values.at(-1)!, kernel), bias)));
  });
  return values;
}

export function tfjsPredict(tf: Tfjs, network: Network, layers: readonly LayerTensors[], features: Tensor2D): Tensor2D {
  return losses[network.loss].output(tf, forward(tf, network, layers, features).at(-1)!);
}

/** Sums over the rows, without the L2 penalty. To be called inside `tf.tidy`. */
export function tfjsGradient(
  tf: Tfjs,
  network: Network,
  layout: Layout,
  layers: readonly LayerTensors[],
  features: Tensor2D,
  labels: Tensor2D,
): GradientSums {
  const values = forward(tf, network, layers, features);
  const compared = losses[network.loss].compare(tf, values.at(-1)!, labels);
  const gradient = new Float32Array(layout.length);
  let dz = compared.gradient;
  for (let i = layers.length - 1; i >= 0; i--) {
    const { kernel, bias } = layout.layers[i]!;
    // Transposed beforehand: the wasm kernel of matMul takes a path ten times slower with its transpose flags.
    gradient.set(tf.matMul(tf.transpose(values[i]!), dz).dataSync(), kernel.offset);
    gradient.set(tf.sum(dz, 0).dataSync(), bias.offset);
    if (i > 0) {
      const { gradient: through } = activations[network.hidden[i - 1]!.activation];
      dz = through(tf, tf.matMul(dz, tf.transpose(layers[i]!.kernel)), values[i]!);
    }
  }
  return { gradient, lossSum: compared.perRow.reduce((sum, loss) => sum + loss, 0) };
}
