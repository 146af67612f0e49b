import { keyedRandom } from '../../rdd/random.js';
import type { Network } from '../network.js';

/** Features uniform in ±1, and labels: classes in turn, or values uniform in ±1. Equal arguments give equal data. */
export function exampleData(
  network: Network,
  rows: number,
  seed: number,
): { features: Float32Array; labels: Int32Array | Float32Array } {
  const random = keyedRandom(seed, 'example-data');
  const uniform = (length: number) => Float32Array.from({ length }, () => 2 * random.uniform() - 1);
  const features = uniform(rows * network.inputs);
  const labels =
    network.loss === 'softmax-cross-entropy'
      ? Int32Array.from({ length: rows }, (_, row) => (row + seed) % network.outputs)
      : uniform(rows * network.outputs);
  return { features, labels };
}
