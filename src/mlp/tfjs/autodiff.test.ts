import { createRequire } from 'node:module';
import type { Scalar, Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepareShard } from '../checks.js';
import { initialTheta, layoutOf, type Parameter } from '../layout.js';
import { labelKindOf, type Network } from '../network.js';
import { largestDifference } from '../testing/backend-contract.js';
import { exampleData, exampleWeights } from '../testing/example-data.js';
import { ACTIVATION_FORMS, describeNetwork, EXAMPLE_NETWORKS, LOSS_FORMS } from '../testing/example-networks.js';
import type { Tfjs } from './activations.js';
import { readGradient, tfjsGradient, tfjsLosses } from './gradient.js';

/**
 * The gradients written by hand against TensorFlow.js' own differentiation of the same forward pass. Its core carries no
 * gradients of operations: the whole library does, an optional package that comes with the native part's.
 */
const require = createRequire(import.meta.url);
const differentiates = (() => {
  try {
    return require.resolve('@tensorflow/tfjs') !== '';
  } catch {
    return false;
  }
})();

describe.runIf(differentiates)('gradients written by hand', () => {
  const tf = require('@tensorflow/tfjs-core') as Tfjs;
  beforeAll(async () => {
    require('@tensorflow/tfjs');
    require('@tensorflow/tfjs-backend-wasm');
    await tf.setBackend('wasm');
  });

  it.each(EXAMPLE_NETWORKS.map((network) => [describeNetwork(network), network] as const))(
    'are those of automatic differentiation: %s',
    (_name, network) => compareOn(network),
  );

  it.each(ACTIVATION_FORMS.flatMap((activation) => LOSS_FORMS.map((loss) => [activation, loss] as const)))(
    'are so with every normalisation and dropout: %j, %j',
    (activation, loss) => {
      for (const normalization of [undefined, 'batch', 'layer'] as const)
        for (const dropout of [0, 0.4]) {
          const layer = { units: 4, activation, normalization, dropout };
          compareOn({ inputs: 3, hidden: [layer, { ...layer, units: 5 }], outputs: 3, loss });
        }
    },
  );

  function compareOn(network: Network): void {
    const layout = layoutOf(network);
    const theta = initialTheta(network, 5).map((value, i) => value + 0.1 * Math.sin(i));
    const data = { ...exampleData(network, 20, 1), weights: exampleWeights(20, 1) };
    const { features, labels, weights } = prepareShard(network, 0, data);
    const tensorOf = ({ offset, size, shape }: Parameter) => tf.tensor(theta.slice(offset, offset + size), [...shape]);
    const byParameter = (tensors: readonly Tensor[]) => new Map(layout.parameters.map((p, i) => [p, tensors[i]!]));
    tf.tidy(() => {
      const targets: Tensor =
        labelKindOf(network) === 'classes'
          ? tf.cast(tf.equal(tf.expandDims(tf.tensor1d(labels), 1), tf.range(0, network.outputs, 1)), 'float32')
          : tf.tensor(labels, [20, network.outputs]);
      const batch = {
        ...{ seed: 1, shard: 2, step: 3, weight: 1 },
        features: tf.tensor2d(features, [20, network.inputs]),
        labels: targets as Tensor2D,
        weights: tf.tensor1d(weights!) as Tensor1D,
      };
      const tensors = layout.parameters.map(tensorOf);
      const written = readGradient(layout, tfjsGradient(tf, network, layout, byParameter(tensors), batch));
      // A statistic takes no part in a training batch's loss, and has no derivative.
      const weighty = layout.parameters.filter(({ kind }) => kind !== 'statistic');
      const lossOf = (...varied: Tensor[]) => {
        const all = layout.parameters.map((p, i) => varied[weighty.indexOf(p)] ?? tensors[i]!);
        return tf.sum(tfjsLosses(tf, network, layout, byParameter(all), batch)) as Scalar;
      };
      const { value, grads } = tf.valueAndGrads(lossOf)(weighty.map((p) => tensors[layout.parameters.indexOf(p)]!));
      expect(value.dataSync()[0]).toBeCloseTo(written.lossSum, 4);
      weighty.forEach(({ offset, size }, i) => {
        const own = written.gradient.subarray(offset, offset + size);
        expect(largestDifference(own, grads[i]!.dataSync())).toBeLessThan(1e-4);
      });
    });
  }
});
