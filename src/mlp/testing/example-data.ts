import { keyedRandom } from '../../rdd/random.js';
import { labelKindOf, lossOf, type Network } from '../network.js';

/**
 * Features uniform in ±1, and labels: classes in turn, or values uniform in ±1 (of binary cross-entropy: 0 and 1). Equal
 * arguments give equal data.
 */
export function exampleData(
  network: Network,
  rows: number,
  seed: number,
): { features: Float32Array; labels: Int32Array | Float32Array } {
  const random = keyedRandom(seed, 'example-data');
  const uniform = (length: number) => Float32Array.from({ length }, () => 2 * random.uniform() - 1);
  const features = uniform(rows * network.inputs);
  if (labelKindOf(network) === 'classes')
    return { features, labels: Int32Array.from({ length: rows }, (_, row) => (row + seed) % network.outputs) };
  const values = uniform(rows * network.outputs);
  const binary = lossOf(network.loss).kind === 'binary-cross-entropy';
  return { features, labels: binary ? values.map((value) => (value > 0 ? 1 : 0)) : values };
}

/** Weights of rows in 0 … 2, some of them 0. */
export function exampleWeights(rows: number, seed: number): Float32Array {
  const random = keyedRandom(seed, 'example-weights');
  return Float32Array.from({ length: rows }, (_, row) => (row % 7 === 3 ? 0 : 2 * random.uniform()));
}
