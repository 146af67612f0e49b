import { describe, expect, it } from 'vitest';
import type { Network } from './network.js';
import { checkNetwork } from './network-checks.js';
import { EXAMPLE_NETWORKS } from './testing/example-networks.js';

const check = (parts: object) => () =>
  checkNetwork({ inputs: 4, hidden: [], outputs: 3, loss: 'softmax-cross-entropy', ...parts } as Network);

describe('checkNetwork', () => {
  it('takes every network that makes sense', () => {
    for (const network of EXAMPLE_NETWORKS) checkNetwork(network);
    check({
      hidden: [{ units: 3, kernelInitializer: { kind: 'orthogonal', gain: 2 }, biasInitializer: 'ones' }],
      kernelInitializer: 'he-normal',
      l1: 0.1,
      classWeights: undefined,
    })();
  });

  it.each([
    [{ outputs: 0 }, 'network widths must be positive integers, got 4-0'],
    [{ hidden: [{ units: 2.5 }] }, 'positive integers, got 4-2.5-3'],
    [{ hiden: [] }, 'network has no "hiden"; it takes inputs, hidden, outputs'],
    [{ hidden: [{ activation: 'relu' }] }, 'hidden[0] needs units, or the kind of another layer'],
    [
      { hidden: [{ units: 3, activation: 'rleu' }] },
      "hidden[0].activation must be one of relu, leaky-relu, elu, gelu, tanh, sigmoid, softplus, linear, not 'rleu'",
    ],
    [
      { hidden: [{ units: 3, activation: { kind: 'elu', slope: 1 } }] },
      'hidden[0].activation has no "slope"; it takes alpha',
    ],
    [{ hidden: [{ units: 3, dropuot: 0.5 }] }, 'hidden[0] has no "dropuot"'],
    [{ hidden: [{ units: 3, dropout: 1 }] }, 'dropout of hidden[0] must be a number from 0 to below 1, not 1'],
    [{ hidden: [{ kind: 'dropout' }] }, 'hidden[0] needs a rate'],
    [{ hidden: [{ kind: 'activation' }] }, 'hidden[0] needs an activation'],
    [{ hidden: [{ kind: 'conv' }] }, 'hidden[0] must be one of dense, batch-normalization, layer-normalization, '],
    [{ hidden: [{ units: 3, normalization: 'group' }] }, 'hidden[0].normalization must be one of batch, layer, '],
    [
      { hidden: [{ units: 3, normalization: { kind: 'layer-normalization', momentum: 0.9 } }] },
      'hidden[0].normalization has no "momentum"; it takes epsilon',
    ],
    [{ hidden: [{ kind: 'batch-normalization', momentum: 2 }] }, 'momentum of hidden[0] must be a number from 0'],
    [{ loss: 'cross-entropy' }, 'loss must be one of softmax-cross-entropy, binary-cross-entropy, mean-squared-error'],
    [{ loss: { kind: 'huber', delta: 0 } }, 'delta of loss must be a number above 0, not 0'],
    [{ outputs: 1 }, 'softmax cross-entropy needs two outputs or more'],
    [{ loss: { kind: 'binary-cross-entropy', positiveWeights: [1] } }, 'positiveWeights must have 3 numbers, got 1'],
    [{ classWeights: [1, 2] }, 'classWeights must have 3 numbers, got 2'],
    [{ classWeights: [1, 2, -1] }, 'classWeights of network must be an array of numbers of at least 0'],
    [
      { loss: 'binary-cross-entropy', classWeights: [1, 2, 3] },
      'classWeights need one class a row; binary-cross-entropy with 3 outputs has none (loss.positiveWeights weigh its outputs)',
    ],
    [{ l2: -1 }, 'l2 of network must be a number of at least 0, not -1'],
    [{ kernelInitializer: 'he' }, 'network.kernelInitializer must be one of glorot-uniform'],
    [
      { kernelInitializer: { kind: 'he-normal', gain: 1 } },
      'network.kernelInitializer has no "gain"; it takes nothing more',
    ],
  ])('refuses %j', (parts, message) => {
    expect(check(parts)).toThrow(message);
  });
});
