import { describe, expect, it } from 'vitest';
import { initialTheta, layoutOf } from './layout.js';
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

describe('layoutOf', () => {
  it('places kernels and biases one after the other', () => {
    expect(layoutOf(network).parameters).toEqual([
      { name: 'layer0/kernel', shape: [3, 4], offset: 0, size: 12 },
      { name: 'layer0/bias', shape: [4], offset: 12, size: 4 },
      { name: 'layer1/kernel', shape: [4, 2], offset: 16, size: 8 },
      { name: 'layer1/bias', shape: [2], offset: 24, size: 2 },
      { name: 'layer2/kernel', shape: [2, 5], offset: 26, size: 10 },
      { name: 'layer2/bias', shape: [5], offset: 36, size: 5 },
    ]);
    expect(layoutOf(network).length).toBe(41);
  });

  it('refuses widths that are no positive integers', () => {
    expect(() => layoutOf({ ...network, outputs: 0 })).toThrow('positive integers, got 3-4-2-0');
    expect(() => layoutOf({ ...network, inputs: 1.5 })).toThrow(RangeError);
  });
});

describe('initialTheta', () => {
  const values = (theta: Float32Array, i: number) => {
    const { offset, size } = layoutOf(network).parameters[i]!;
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

  it('depends on the seed, and a layer on itself alone', () => {
    expect(initialTheta(network, 1)).toEqual(initialTheta(network, 1));
    expect(initialTheta(network, 1)).not.toEqual(initialTheta(network, 2));
    const wider = initialTheta({ ...network, outputs: 9 }, 1);
    expect(values(wider, 0)).toEqual(values(initialTheta(network, 1), 0));
  });
});
