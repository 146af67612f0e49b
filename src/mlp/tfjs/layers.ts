import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import type { Precision } from '../backend.js';
import { dropoutMask } from '../dropout.js';
import type { Layer } from '../layout.js';
import { activate, type Tfjs } from './activations.js';
import { bf16MatMul } from './bf16.js';

/** What a layer gives for its input, and what a gradient of that gives. */
export interface Applied {
  readonly y: Tensor2D;
  /** @returns gradients of the layer's parameters in their order, and, when asked, of its input */
  back(dy: Tensor2D): { readonly parameters: readonly Tensor[]; readonly dx: () => Tensor2D };
}

/** What layers need to know in training; absent, they predict. */
export interface TrainingBatch {
  /** Of products. Default float32. */
  readonly precision?: Precision;
  /** With shard and step: what keys dropout. */
  readonly seed: number;
  readonly shard: number;
  /** Updates made before. */
  readonly step: number;
  /** Sum of the rows' weights. */
  readonly weight: number;
}

type Of<K extends Layer['kind']> = Extract<Layer, { kind: K }>;

/** A layer is one entry. `parameters` in the order of `parametersOf`. */
type Apply<K extends Layer['kind']> = (
  tf: Tfjs,
  layer: Of<K>,
  parameters: readonly Tensor[],
  x: Tensor2D,
  training: TrainingBatch | undefined,
) => Applied;

const layers: { readonly [K in Layer['kind']]: Apply<K> } = {
  dense(tf, _layer, [kernel, bias], x, training) {
    const product = training?.precision === 'bf16' ? bf16MatMul : float32MatMul;
    return {
      y: tf.add(product(tf, x, kernel as Tensor2D), bias!),
      // Transposed beforehand: the wasm kernel of matMul takes a path ten times slower with its transpose flags.
      back: (dy) => ({
        parameters: [product(tf, tf.transpose(x), dy), tf.sum(dy, 0)],
        dx: () => product(tf, dy, tf.transpose(kernel as Tensor2D)),
      }),
    };
  },

  activation(tf, { activation }, _parameters, x) {
    const { y, back } = activate(tf, x, activation);
    return { y, back: (dy) => ({ parameters: [], dx: () => back(dy) }) };
  },

  dropout(tf, { rate, units, number }, _parameters, x, training) {
    if (!training) return { y: x, back: (dy) => ({ parameters: [], dx: () => dy }) };
    const mask = tf.tensor2d(dropoutMask({ ...training, number }, rate, x.shape[0], units), x.shape);
    return { y: tf.mul(x, mask), back: (dy) => ({ parameters: [], dx: () => tf.mul(dy, mask) }) };
  },

  'batch-normalization'(tf, { epsilon }, [gamma, beta, movingMean, movingVariance], x, training) {
    if (!training) {
      const scale = tf.mul(tf.rsqrt(tf.add(movingVariance!, epsilon)), gamma!);
      return { y: tf.add(tf.mul(tf.sub(x, movingMean!), scale), beta!), back: notInPrediction };
    }
    const mean = tf.mean(x, 0);
    const centred = tf.sub(x, mean);
    const variance = tf.mean(tf.square(centred), 0);
    const inverse = tf.rsqrt(tf.add(variance, epsilon));
    const normal = tf.mul(centred, inverse);
    return {
      y: tf.add(tf.mul(normal, gamma!), beta!),
      back(dy) {
        const dGamma = tf.sum(tf.mul(dy, normal), 0);
        const dBeta = tf.sum(dy, 0);
        // Plain descent on (moving - batch) at rate 1 - momentum is the moving average.
        const towards = (moving: Tensor, batch: Tensor) => tf.mul(tf.sub(moving, batch), training.weight);
        return {
          parameters: [dGamma, dBeta, towards(movingMean!, mean), towards(movingVariance!, variance)],
          dx() {
            const common = tf.div(tf.add(tf.mul(normal, dGamma), dBeta), x.shape[0]);
            return tf.mul(tf.sub(dy, common), tf.mul(inverse, gamma!));
          },
        };
      },
    };
  },

  'layer-normalization'(tf, { epsilon }, [gamma, beta], x) {
    const rowMean = (values: Tensor) => tf.mean(values, 1, true);
    const centred = tf.sub(x, rowMean(x));
    const inverse = tf.rsqrt(tf.add(rowMean(tf.square(centred)), epsilon));
    const normal = tf.mul(centred, inverse);
    return {
      y: tf.add(tf.mul(normal, gamma!), beta!),
      back: (dy) => ({
        parameters: [tf.sum(tf.mul(dy, normal), 0), tf.sum(dy, 0)],
        dx() {
          const dNormal = tf.mul(dy, gamma!);
          const common = tf.add(rowMean(dNormal), tf.mul(normal, rowMean(tf.mul(dNormal, normal))));
          return tf.mul(tf.sub(dNormal, common), inverse);
        },
      }),
    };
  },
};

function float32MatMul(tf: Tfjs, a: Tensor2D, b: Tensor2D): Tensor2D {
  return tf.matMul(a, b);
}

/** @param training absent: as in prediction, where only `y` may be used */
export function applyLayer(
  tf: Tfjs,
  layer: Layer,
  parameters: readonly Tensor[],
  x: Tensor2D,
  training: TrainingBatch | undefined,
): Applied {
  return (layers[layer.kind] as Apply<Layer['kind']>)(tf, layer as never, parameters, x, training);
}

function notInPrediction(): never {
  throw new Error('batch normalization has a gradient in training only');
}
