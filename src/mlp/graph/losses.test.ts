import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ComputeBackend, shardGradient } from '../backend.js';
import { loadBackend } from '../backends.js';
import { initialTheta } from '../layout.js';
import type { Network } from '../network.js';
import { referenceGradient } from '../reference.js';
import { largestDifference } from '../testing/backend-contract.js';
import { exampleData, exampleWeights } from '../testing/example-data.js';
import { computeSoftmax } from './losses.js';

/** What is computed on a GPU, here on the CPU. */
describe('softmax cross-entropy composed of ops that are deterministic on a GPU', () => {
  let backend: ComputeBackend;
  beforeAll(async () => {
    backend = await loadBackend('tensorflow');
    computeSoftmax('composed');
  });
  afterAll(() => computeSoftmax('fused'));

  it.each([0, 0.1])('with label smoothing %f', async (labelSmoothing) => {
    const loss = { kind: 'softmax-cross-entropy', labelSmoothing } as const;
    const network: Network = { inputs: 7, hidden: [{ units: 6, activation: 'relu' }], outputs: 4, loss };
    const data = { ...exampleData(network, 40, 1), weights: exampleWeights(40, 1) };
    const theta = initialTheta(network, 5).map((value) => value * 3);
    const rows = Int32Array.of(3, 39, 0, 17, 17, 8);
    const net = await backend.compile(network);
    net.loadShard(0, data);
    const { gradient, lossSum } = shardGradient(net, theta, { shard: 0, rows });
    const expected = referenceGradient(network, theta, data.features, data.labels, rows, {
      ...{ shard: 0, step: 0, weights: data.weights },
    });
    expect(largestDifference(gradient, expected.gradient)).toBeLessThan(5e-4);
    expect(Math.abs(lossSum / expected.lossSum - 1)).toBeLessThan(1e-5);
    net.dispose();
  });
});
