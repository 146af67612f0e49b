import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import type { CompleteActivation } from '../network.js';

/** TensorFlow.js, whatever backend it computes on. */
export type Tfjs = typeof import('@tensorflow/tfjs-core');

/** What a function gives, and how a gradient goes back through it. */
export interface Activated {
  readonly y: Tensor2D;
  back(dy: Tensor2D): Tensor2D;
}

/** An activation is one entry. */
type Activate<K> = (tf: Tfjs, z: Tensor2D, activation: Extract<CompleteActivation, { kind: K }>) => Activated;

const activations: { readonly [K in CompleteActivation['kind']]: Activate<K> } = {
  relu: (tf, z) => ({ y: tf.relu(z), back: (dy) => tf.mul(dy, tf.step(z)) }),
  tanh(tf, z) {
    const y = tf.tanh(z);
    return { y, back: (dy) => tf.mul(dy, tf.sub(1, tf.square(y))) };
  },
  sigmoid(tf, z) {
    const y = tf.sigmoid(z);
    return { y, back: (dy) => tf.mul(dy, tf.mul(y, tf.sub(1, y))) };
  },
  softplus: (tf, z) => ({ y: tf.softplus(z), back: (dy) => tf.mul(dy, tf.sigmoid(z)) }),
  linear: (_tf, z) => ({ y: z, back: (dy) => dy }),
  'leaky-relu': (tf, z, { negativeSlope }) => ({
    y: tf.leakyRelu(z, negativeSlope),
    back: (dy) => tf.where(tf.greater(z, 0), dy, tf.mul(dy, negativeSlope)),
  }),
  elu(tf, z, { alpha }) {
    const below = () => tf.mul(tf.elu(tf.minimum(z, 0)), alpha);
    const y: Tensor2D = alpha === 1 ? tf.elu(z) : tf.add(tf.relu(z), below());
    return { y, back: (dy) => tf.where(tf.greater(z, 0), dy, tf.mul(dy, tf.add(y, alpha))) };
  },
  gelu: (tf, z, { approximate }) => (approximate ? geluByTanh(tf, z) : geluByErf(tf, z)),
};

export function activate(tf: Tfjs, z: Tensor, activation: CompleteActivation): Activated {
  return (activations[activation.kind] as Activate<typeof activation.kind>)(tf, z as Tensor2D, activation as never);
}

/** y = z P with P = (1 + erf(z / sqrt 2)) / 2, and dy/dz = P + z p, p the normal density. */
function geluByErf(tf: Tfjs, z: Tensor2D): Activated {
  const probability = tf.mul(tf.add(tf.erf(tf.mul(z, Math.SQRT1_2)), 1), 0.5);
  return {
    y: tf.mul(z, probability),
    back(dy) {
      const density = tf.mul(tf.exp(tf.mul(tf.square(z), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return tf.mul(dy, tf.add(probability, tf.mul(z, density)));
    },
  };
}

/** y = z P with P = (1 + t) / 2, t = tanh(c (z + a z³)), and dy/dz = P + z (1 - t²) c (1 + 3 a z²) / 2. */
function geluByTanh(tf: Tfjs, z: Tensor2D): Activated {
  const [c, a] = [Math.sqrt(2 / Math.PI), 0.044715];
  const square = tf.square(z);
  const t = tf.tanh(tf.mul(z, tf.add(tf.mul(square, c * a), c)));
  const probability = tf.mul(tf.add(t, 1), 0.5);
  return {
    y: tf.mul(z, probability),
    back(dy) {
      const inner = tf.add(tf.mul(square, 1.5 * c * a), 0.5 * c);
      const through = tf.mul(tf.sub(1, tf.square(t)), tf.mul(z, inner));
      return tf.mul(dy, tf.add(probability, through));
    },
  };
}
