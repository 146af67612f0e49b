import type { Tensor2D } from '@tensorflow/tfjs-core';
import { vectorKernels } from '../../ps/vector/vector-kernels.js';
import type { Tfjs } from './activations.js';

/** A product whose factors and results are rounded to bfloat16, in JavaScript: TensorFlow.js has no such type. */
export function bf16MatMul(tf: Tfjs, a: Tensor2D, b: Tensor2D): Tensor2D {
  return rounded(tf, tf.matMul(rounded(tf, a), rounded(tf, b)));
}

function rounded(tf: Tfjs, tensor: Tensor2D): Tensor2D {
  const values = tensor.dataSync<'float32'>();
  const halves = new Uint16Array(values.length);
  const { packBf16, unpackBf16 } = vectorKernels();
  packBf16(values, halves);
  const result = new Float32Array(values.length);
  unpackBf16(halves, result);
  return tf.tensor2d(result, tensor.shape);
}
