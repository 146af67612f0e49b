import { describe, expect, it } from 'vitest';
import { initialTheta, layoutOf, segmentsOf } from './layout.js';
import type { Network } from './network.js';

const network: Network = {
  inputs: 3,
  hidden: [
    { units: 4, activation: 'relu' },
    { units: 2, activation: 'tanh' },
  ],
  outputs: 5,
  loss: 'softmax-cross-entropy',
};

const normalised: Network = {
  ...network,
  hidden: [
    { kind: 'dropout', rate: 0.1 },
    {
      units: 4,
      activation: 'gelu',
      normalization: { kind: 'batch-normalization', momentum: 0.9 },
      dropout: 0.5,
      biasInitializer: 'ones',
    },
    { kind: 'layer-normalization', epsilon: 0.1 },
  ],
};

describe('layoutOf', () => {
  it('places kernels and biases one after the other', () => {
    const { parameters, length } = layoutOf(network);
    expect(parameters.map(({ name, shape, offset, size, kind }) => [name, shape, offset, size, kind])).toEqual([
      ['layer0/kernel', [3, 4], 0, 12, 'kernel'],
      ['layer0/bias', [4], 12, 4, 'bias'],
      ['layer1/kernel', [4, 2], 16, 8, 'kernel'],
      ['layer1/bias', [2], 24, 2, 'bias'],
      ['layer2/kernel', [2, 5], 26, 10, 'kernel'],
      ['layer2/bias', [5], 36, 5, 'bias'],
    ]);
    expect(length).toBe(41);
  });

  it('takes blocks apart, every default filled in', () => {
    const { layers, parameters, length } = layoutOf(normalised);
    expect(layers.map(({ kind }) => kind)).toEqual([
      ...['dropout', 'dense', 'batch-normalization', 'activation', 'dropout', 'layer-normalization', 'dense'],
    ]);
    expect(layers[0]).toEqual({ kind: 'dropout', rate: 0.1, units: 3, number: 0 });
    expect(layers[2]).toMatchObject({ momentum: 0.9, epsilon: 1e-3 });
    expect(layers[3]).toEqual({ kind: 'activation', activation: { kind: 'gelu', approximate: false } });
    expect(layers[4]).toEqual({ kind: 'dropout', rate: 0.5, units: 4, number: 1 });
    expect(parameters.map(({ name, offset }) => [name, offset])).toEqual([
      ['layer1/kernel', 0],
      ['layer1/bias', 12],
      ['layer1/gamma', 16],
      ['layer1/beta', 20],
      ['layer1/moving-mean', 24],
      ['layer1/moving-variance', 28],
      ['layer2/gamma', 32],
      ['layer2/beta', 36],
      ['layer3/kernel', 40],
      ['layer3/bias', 60],
    ]);
    expect(length).toBe(65);
  });

  it('leaves out dropout of nothing, and keeps the draws of the others', () => {
    const hidden = [
      { kind: 'dropout', rate: 0 },
      { kind: 'dropout', rate: 0.5 },
    ] as const;
    expect(layoutOf({ ...network, hidden }).layers[0]).toEqual({ kind: 'dropout', rate: 0.5, units: 3, number: 1 });
  });

  it('refuses widths that are no positive integers', () => {
    expect(() => layoutOf({ ...network, outputs: 0 })).toThrow('positive integers, got 3-4-2-0');
    expect(() => layoutOf({ ...network, inputs: 1.5 })).toThrow(RangeError);
  });
});

describe('segmentsOf', () => {
  it('joins neighbours of one kind', () => {
    expect(segmentsOf(layoutOf(normalised))).toEqual([
      { from: 0, to: 12, kind: 'kernel' },
      { from: 12, to: 24, kind: 'bias' },
      { from: 24, to: 32, kind: 'statistic', momentum: 0.9 },
      { from: 32, to: 40, kind: 'bias' },
      { from: 40, to: 60, kind: 'kernel' },
      { from: 60, to: 65, kind: 'bias' },
    ]);
  });
});

describe('initialTheta', () => {
  const values = (theta: Float32Array, i: number, of = network) => {
    const { offset, size } = layoutOf(of).parameters[i]!;
    return theta.slice(offset, offset + size);
  };

  it('draws kernels within their limits and leaves biases at zero', () => {
    const theta = initialTheta(network, 1);
    const limits = [Math.sqrt(6 / 3), 0, Math.sqrt(6 / (4 + 2)), 0, Math.sqrt(6 / (2 + 5)), 0];
    limits.forEach((limit, i) => {
      const largest = Math.max(...values(theta, i).map(Math.abs));
      expect(largest).toBeLessThanOrEqual(Math.fround(limit));
      expect(largest).toBeGreaterThanOrEqual(limit / 2);
    });
    expect(Math.max(...values(initialTheta(network, 1, 'glorot-uniform'), 0).map(Math.abs))).toBeLessThan(
      Math.sqrt(6 / 7),
    );
  });

  it('begins normalisation as the identity, and takes initialisers of layers before those of the network', () => {
    const theta = initialTheta({ ...normalised, biasInitializer: { kind: 'constant', value: 3 } }, 1, 'zeros');
    const expected = [0, 1, 1, 0, 0, 1, 1, 0, 0, 3];
    expected.forEach((value, i) => {
      expect(new Set(values(theta, i, normalised))).toEqual(new Set([value]));
    });
  });

  it('depends on the seed, and a layer on itself alone', () => {
    expect(initialTheta(network, 1)).toEqual(initialTheta(network, 1));
    expect(initialTheta(network, 1)).not.toEqual(initialTheta(network, 2));
    const wider = initialTheta({ ...network, outputs: 9 }, 1);
    expect(values(wider, 0)).toEqual(values(initialTheta(network, 1), 0));
  });
});
