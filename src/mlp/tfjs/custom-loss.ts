import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { Network } from '../network.js';
import type { Tfjs } from './activations.js';
import { type Compared, output } from './losses.js';

/**
 * A loss of one's own, of TensorFlow.js operations that can be differentiated: of predictions and labels, each [rows, outputs],
 * the losses of the rows, [rows]; a matrix is averaged over its columns, and a single number is the mean over the rows.
 * Predictions are probabilities of classes or labels, or values; labels zeros and ones, or values.
 *
 * @param tf TensorFlow.js as it computes here: a function that travels cannot bring it along
 * @example (predictions, labels, tf) => tf.mean(tf.logcosh(tf.sub(predictions, labels)), 1)
 */
export type CustomLoss = (predictions: Tensor2D, labels: Tensor2D, tf: Tfjs) => Tensor;

/** Losses of the rows by such a function, and the gradient of their weighted sum, by automatic differentiation. */
export function compareBy(
  loss: CustomLoss,
  tf: Tfjs,
  network: Network,
  values: Tensor2D,
  labels: Tensor2D,
  weights: Tensor1D | undefined,
): Compared {
  const weighted = (of: Tensor2D) => {
    const each = perRow(tf, called(loss, output(tf, network, of), labels, tf), of.shape[0], weights !== undefined);
    return weights ? tf.mul(each, weights) : each;
  };
  const gradient = gradientOf(tf, (of) => tf.sum(weighted(of as Tensor2D)), values) as Tensor2D;
  return { perRow: weighted(values) as Tensor1D, gradient };
}

function called(loss: CustomLoss, ...given: Parameters<CustomLoss>): Tensor {
  try {
    return loss(...given);
  } catch (error) {
    throw new Error(`the loss function threw: ${(error as Error | null)?.message ?? error}`, { cause: error });
  }
}

function gradientOf(tf: Tfjs, sum: (of: Tensor) => Tensor, values: Tensor2D): Tensor {
  try {
    return tf.grad(sum)(values);
  } catch (error) {
    if (!(error as Error).message.startsWith('Cannot compute gradient')) throw error;
    throw new TypeError(
      'the loss function has no gradient: it must make its losses of the predictions by operations of tf that can be differentiated',
      { cause: error },
    );
  }
}

function perRow(tf: Tfjs, losses: Tensor, rows: number, weighted: boolean): Tensor {
  if (typeof losses?.rank !== 'number')
    throw new TypeError(`the loss function must return a tensor, not ${kindOf(losses)}`);
  if (losses.rank === 0) {
    if (weighted)
      throw new TypeError('the loss function returned one number: where rows have weights it must return one a row');
    return tf.mul(losses, tf.ones([rows]));
  }
  if (losses.shape[0] !== rows || losses.rank > 2)
    throw new TypeError(
      `the loss function must return a loss a row, a tensor of shape [${rows}], and returned one of [${losses.shape.join(', ')}]`,
    );
  return losses.rank === 2 ? tf.mean(losses, 1) : losses;
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : value instanceof Promise ? 'a promise: it cannot be async' : typeof value;
}
