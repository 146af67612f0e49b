import type { Tensor2D } from '@tensorflow/tfjs-core';
import { vectorKernels } from '../../ps/vector/vector-kernels.js';
import type { Tfjs } from './activations.js';

/**
 * A product whose factors and results are rounded to bfloat16, in JavaScript, or on a GPU that cannot be read in the midst of a
 * computation by `split`: TensorFlow.js has no such type.
 */
export function bf16MatMul(tf: Tfjs, a: Tensor2D, b: Tensor2D): Tensor2D {
  return rounded(tf, tf.matMul(rounded(tf, a), rounded(tf, b)));
}

function rounded(tf: Tfjs, tensor: Tensor2D): Tensor2D {
  if (tf.getBackend() === 'webgpu') return split(tf, tensor);
  const values = tensor.dataSync<'float32'>();
  const halves = new Uint16Array(values.length);
  const { packBf16, unpackBf16 } = vectorKernels();
  packBf16(values, halves);
  const result = new Float32Array(values.length);
  unpackBf16(halves, result);
  return tf.tensor2d(result, tensor.shape);
}

/** 2^16 + 1: of 24 significant bits 8 are left. */
const SPLITTER = 65537;

/**
 * The nearest value of 8 significant bits, by Veltkamp's splitting (T. J. Dekker, A floating-point technique for extending the
 * available precision, 1971). Each op is a kernel of its own that stores float32, so no compiler can merge them. Differs
 * from bfloat16 in ties, and above 2^111, where it overflows.
 */
function split(tf: Tfjs, x: Tensor2D): Tensor2D {
  const scaled = tf.mul(x, SPLITTER);
  return tf.sub(scaled, tf.sub(scaled, x));
}
