import { describe, expect, it } from 'vitest';
import { initialTheta, layoutOf } from './layout.js';
import type { Network } from './network.js';
import { referenceApply, referenceGradient, referencePredict } from './reference.js';
import { functionOf } from './reference-layers.js';
import { exampleData, exampleWeights } from './testing/example-data.js';
import { ACTIVATION_FORMS, describeNetwork, EXAMPLE_NETWORKS, LOSS_FORMS } from './testing/example-networks.js';

describe('the float64 reference', () => {
  it.each(EXAMPLE_NETWORKS.map((network) => [describeNetwork(network), network] as const))(
    'has the gradient of its loss: %s',
    (_name, network) => {
      const { features, labels } = exampleData(network, 9, 1);
      const options = { seed: 5, shard: 3, step: 2, weights: exampleWeights(9, 1) };
      const rows = [0, 2, 5, 6, 8];
      const { parameters } = layoutOf(network);
      const statistics = parameters.filter(({ kind }) => kind === 'statistic');
      // Biases of zero put values on the corners of relu and of the absolute error.
      const theta = Float64Array.from(initialTheta(network, 3), (value, i) => value + 0.1 * Math.sin(i));
      const lossAt = (at: Float64Array) => referenceGradient(network, at, features, labels, rows, options).lossSum;
      const { gradient } = referenceGradient(network, theta, features, labels, rows, options);
      const h = 1e-6;
      gradient.forEach((derivative, i) => {
        if (statistics.some(({ offset, size }) => i >= offset && i < offset + size)) return;
        const [above, below] = [h, -h].map((step) => lossAt(theta.with(i, theta[i]! + step)));
        expect(derivative).toBeCloseTo((above! - below!) / (2 * h), 6);
      });
    },
  );

  it.each(ACTIVATION_FORMS.flatMap((activation) => LOSS_FORMS.map((loss) => [activation, loss] as const)))(
    'has it with every normalisation and dropout, in any direction: %j, %j',
    (activation, loss) => {
      for (const normalization of [undefined, 'batch', 'layer'] as const)
        for (const dropout of [0, 0.4]) {
          const layer = { units: 4, activation, normalization, dropout };
          const network: Network = { inputs: 3, hidden: [layer, { ...layer, units: 5 }], outputs: 3, loss };
          const { features, labels } = exampleData(network, 7, 2);
          const options = { seed: 1, shard: 2, step: 3, weights: exampleWeights(7, 2) };
          const layout = layoutOf(network);
          const theta = Float64Array.from(initialTheta(network, 4), (value, i) => value + 0.1 * Math.sin(i));
          const at = (position: Float64Array) =>
            referenceGradient(network, position, features, labels, [0, 1, 2, 4, 5, 6], options);
          const { gradient } = at(theta);
          const direction = Float64Array.from(theta, (_, i) => Math.cos(3 * i));
          for (const { kind, offset, size } of layout.parameters)
            if (kind === 'statistic') direction.fill(0, offset, offset + size);
          const h = 1e-6;
          const lossAt = (step: number) => at(theta.map((value, i) => value + step * direction[i]!)).lossSum;
          const slope = gradient.reduce((sum, value, i) => sum + value * direction[i]!, 0);
          expect(slope).toBeCloseTo((lossAt(h) - lossAt(-h)) / (2 * h), 5);
        }
    },
  );

  it('predicts by hand-computed values', () => {
    const network: Network = {
      inputs: 2,
      hidden: [{ units: 1, activation: 'relu' }],
      outputs: 2,
      loss: 'softmax-cross-entropy',
    };
    // h = relu(1·2 + 3·(-1) + 2) = 1; logits = (ln 3, 0)
    const theta = [2, -1, 2, Math.log(3), 0, 0, 0];
    const [first, second] = referencePredict(network, theta, [1, 3]);
    expect(first).toBeCloseTo(0.75, 12);
    expect(second).toBeCloseTo(0.25, 12);
    expect(referenceGradient(network, theta, [1, 3], [1], [0]).lossSum).toBeCloseTo(Math.log(4), 12);
  });

  it('knows the published values of its functions', () => {
    // Phi(1) = 0.8413447460685429, Phi(-2) = 0.022750131948179195 (tables of the normal distribution).
    const gelu = functionOf({ kind: 'gelu', approximate: false });
    expect(gelu.f(1)).toBeCloseTo(0.8413447460685429, 14);
    expect(gelu.f(-2)).toBeCloseTo(-2 * 0.022750131948179195, 14);
    expect(functionOf({ kind: 'gelu', approximate: true }).f(1)).toBeCloseTo(0.841192, 6);
    expect(functionOf({ kind: 'softplus' }).f(0)).toBeCloseTo(Math.LN2, 15);
    expect(functionOf({ kind: 'elu', alpha: 2 }).f(-1)).toBeCloseTo(2 * (1 / Math.E - 1), 15);
  });

  it('normalises a batch to mean 0 and variance 1, and moves its statistics', () => {
    const network: Network = {
      inputs: 1,
      hidden: [{ kind: 'batch-normalization', epsilon: 1e-12 }],
      outputs: 1,
      loss: 'mean-squared-error',
    };
    // gamma, beta, moving mean, moving variance, kernel, bias: values 1 and 5 become -1 and 1.
    const theta = [2, 1, 10, 3, 1, 0];
    const { gradient, lossSum } = referenceGradient(network, theta, [1, 5], [0, 0], [0, 1], { weights: [1, 3] });
    expect(lossSum).toBeCloseTo(1 * (-2 + 1) ** 2 + 3 * (2 + 1) ** 2, 8);
    expect([...gradient.subarray(2, 4)]).toEqual([(10 - 3) * 4, (3 - 4) * 4]);
    expect([...referencePredict(network, theta, [13])][0]).toBeCloseTo((2 * 3) / Math.sqrt(3) + 1, 10);
  });

  it('takes hand-computed optimizer steps', () => {
    expect([...referenceApply({ kind: 'sgd', learningRate: 0.5 }, [1], [2], 1)]).toEqual([0]);
    const momentum = { kind: 'sgd', learningRate: 0.5, momentum: 0.5 } as const;
    expect([...referenceApply(momentum, [1, 4], [2], 1)]).toEqual([2, 1]);
    expect([...referenceApply({ ...momentum, nesterov: true }, [1, 4], [2], 1)]).toEqual([0.5, 1]);
    // Adam's first step is the learning rate against the gradient's sign.
    const [theta] = referenceApply({ kind: 'adam', learningRate: 0.1 }, [1, 0, 0], [3], 1);
    expect(theta).toBeCloseTo(0.9, 6);
  });
});
