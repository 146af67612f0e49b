import { describe, expect, it } from 'vitest';
import { initialTheta } from './layout.js';
import { ACTIVATIONS, type Loss, type Network } from './network.js';
import { referenceApply, referenceGradient, referencePredict } from './reference.js';
import { exampleData } from './testing/example-data.js';

const losses: Loss[] = ['softmax-cross-entropy', 'mean-squared-error'];

describe('the float64 reference', () => {
  it.each(ACTIVATIONS.flatMap((activation) => losses.map((loss) => [activation, loss] as const)))(
    'has the gradient of its loss: %s, %s',
    (activation, loss) => {
      const network: Network = { inputs: 4, hidden: [{ units: 5, activation }], outputs: 3, loss, l2: 0.1 };
      const { features, labels } = exampleData(network, 6, 1);
      const theta = Float64Array.from(initialTheta(network, 3));
      const lossAt = (at: Float64Array) => referenceGradient(network, at, features, labels, [0, 2, 5]).lossSum;
      const { gradient } = referenceGradient(network, theta, features, labels, [0, 2, 5]);
      const h = 1e-6;
      gradient.forEach((derivative, i) => {
        const [above, below] = [h, -h].map((step) => lossAt(theta.with(i, theta[i]! + step)));
        expect(derivative).toBeCloseTo((above! - below!) / (2 * h), 6);
      });
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
