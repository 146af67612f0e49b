import { beforeAll, expect, it } from 'vitest';
import type { CompiledNetwork, CompileOptions, ComputeBackend, ShardData } from '../backend.js';
import { initialTheta, layoutOf } from '../layout.js';
import type { Network } from '../network.js';
import { slotCount } from '../optimizer-step.js';
import type { OptimizerSpec } from '../optimizers.js';
import { referenceApply, referenceGradient, referencePredict } from '../reference.js';
import { exampleData, exampleWeights } from './example-data.js';
import { describeNetwork, EXAMPLE_NETWORKS } from './example-networks.js';

/** float32 against a float64 oracle, values of order one to ten. */
const TOLERANCE = 2e-4;

const SGD: OptimizerSpec = { kind: 'sgd', learningRate: 0.1 };
const NETWORK: Network = {
  inputs: 7,
  hidden: [
    { units: 6, activation: 'relu' },
    { units: 5, activation: 'relu' },
  ],
  outputs: 3,
  loss: 'softmax-cross-entropy',
};
const OPTIMIZERS: readonly OptimizerSpec[] = [
  SGD,
  { kind: 'sgd', learningRate: 0.1, momentum: 0.9 },
  { kind: 'sgd', learningRate: 0.1, momentum: 0.9, nesterov: true },
  { kind: 'adam', learningRate: 0.01 },
  { kind: 'adam', learningRate: 0.02, beta1: 0.8, beta2: 0.99, epsilon: 1e-3 },
];

/**
 * What every compute backend must do, against the float64 reference.
 *
 * @param residents how many tensors the backend's library holds now: a call must leave none behind
 */
export function backendContract(load: () => Promise<ComputeBackend>, residents: () => number): void {
  let backend: ComputeBackend;
  beforeAll(async () => {
    backend = await load();
  });

  async function compiled(
    network: Network,
    optimizer: OptimizerSpec = SGD,
    options?: CompileOptions,
  ): Promise<CompiledNetwork> {
    const result = await backend.compile(network, optimizer, options);
    const state = new Float32Array(result.stateLength);
    state.set(initialTheta(network, 5));
    result.setState(state);
    return result;
  }

  it.each(EXAMPLE_NETWORKS.map((network) => [describeNetwork(network), network] as const))(
    'computes gradients, losses and outputs of %s',
    async (_name, network) => {
      const { features, labels } = exampleData(network, 40, 1);
      const theta = initialTheta(network, 5).map((value, i) => value + 0.1 * Math.sin(i));
      const net = await compiled(network, SGD, { seed: 8 });
      net.setTheta(theta);
      for (const weights of [undefined, exampleWeights(40, 1)]) {
        net.loadShard(2, { features, labels, weights });
        for (const rows of [Int32Array.of(3, 39, 0, 17, 17, 8), Int32Array.of(4)]) {
          const { gradient, lossSum, weight } = net.gradient(2, rows, 9);
          const options = { seed: 8, shard: 2, step: 9, weights };
          const expected = referenceGradient(network, theta, features, labels, rows, options);
          expect(largestDifference(gradient, expected.gradient)).toBeLessThan(TOLERANCE);
          expect(lossSum).toBeCloseTo(expected.lossSum, 4);
          expect(weight).toBeCloseTo(expected.weight, 5);
        }
      }
      expect(largestDifference(net.predict(features, 40), referencePredict(network, theta, features))).toBeLessThan(
        1e-5,
      );
      net.dispose();
    },
  );

  it('drops the same values for the same seed, step, shard and layer only, and none in prediction', async () => {
    const network: Network = { ...NETWORK, hidden: [{ units: 6, activation: 'relu', dropout: 0.5 }] };
    const { features, labels } = exampleData(network, 40, 1);
    const rows = Int32Array.from({ length: 40 }, (_, row) => row);
    const lossWith = async (seed: number, shard: number, step: number) => {
      const net = await compiled(network, SGD, { seed });
      net.loadShard(shard, { features, labels });
      net.gradient(shard, rows, step + 1);
      const { lossSum } = net.gradient(shard, rows, step);
      net.dispose();
      return lossSum;
    };
    const loss = await lossWith(1, 2, 3);
    expect(await lossWith(1, 2, 3)).toBe(loss);
    for (const other of [await lossWith(2, 2, 3), await lossWith(1, 3, 3), await lossWith(1, 2, 4)])
      expect(other).not.toBe(loss);
    const [dropping, plain] = [
      await compiled(network),
      await compiled({ ...NETWORK, hidden: [{ units: 6, activation: 'relu' }] }),
    ];
    expect(dropping.predict(features, 40)).toEqual(plain.predict(features, 40));
    dropping.dispose();
    plain.dispose();
  });

  it.each(OPTIMIZERS.map((optimizer) => [JSON.stringify(optimizer), optimizer] as const))(
    'takes steps of %s as Keras does',
    async (_name, optimizer) => {
      const network = NETWORK;
      const net = await compiled(network, optimizer);
      expect(net.stateLength).toBe(layoutOf(network).length * (1 + slotCount(optimizer)));
      let expected: Float64Array = Float64Array.from(net.state());
      for (let step = 1; step <= 5; step++) {
        const gradient = Float32Array.from({ length: layoutOf(network).length }, (_, i) => Math.sin(i + step));
        net.apply(gradient, step);
        expected = referenceApply(optimizer, expected, gradient, step);
      }
      expect(largestDifference(net.state(), expected)).toBeLessThan(2e-6);
      net.dispose();
    },
  );

  it('keeps shards apart, replaces and drops them', async () => {
    const network = NETWORK;
    const net = await compiled(network);
    const rows = Int32Array.of(0, 1, 2);
    const data = [1, 2].map((seed) => exampleData(network, 10, seed));
    data.forEach(({ features, labels }, shard) => {
      net.loadShard(shard, { features, labels });
    });
    const [first, second] = [net.gradient(0, rows, 0), net.gradient(1, rows, 0)];
    expect(first.lossSum).not.toBe(second.lossSum);
    net.loadShard(0, data[1]!);
    expect(net.gradient(0, rows, 0)).toEqual(second);
    net.dropShard(0);
    net.dropShard(0);
    expect(() => net.gradient(0, rows, 0)).toThrow('shard 0 is not loaded (loaded: 1)');
    expect(net.gradient(1, rows, 0)).toEqual(second);
    net.dispose();
  });

  it('keeps nothing of the arrays it was given', async () => {
    const network = NETWORK;
    const net = await compiled(network, { kind: 'adam', learningRate: 0.1 });
    const rows = Int32Array.of(0, 1, 2);
    // Large and page-aligned arrays are the ones a library would use in place.
    const { features, labels } = exampleData(network, 20_000, 1);
    const state = net.state();
    net.setState(state);
    net.loadShard(0, { features, labels });
    const before = { sums: net.gradient(0, rows, 0), outputs: net.predict(features.subarray(7, 21), 2) };
    const copy = features.slice(7, 21);
    features.fill(Number.NaN);
    labels.fill(0);
    state.fill(Number.NaN);
    expect({ sums: net.gradient(0, rows, 0), outputs: net.predict(copy, 2) }).toEqual(before);
    before.sums.gradient.fill(1);
    net.state().fill(Number.NaN);
    net.theta().fill(Number.NaN);
    expect(net.gradient(0, rows, 0).lossSum).toBe(before.sums.lossSum);
    net.dispose();
  });

  it('reads and writes its state', async () => {
    const network = NETWORK;
    const net = await compiled(network, { kind: 'adam', learningRate: 0.1 });
    const state = Float32Array.from({ length: net.stateLength }, (_, i) => i);
    net.setState(state);
    expect(net.state()).toEqual(state);
    expect(net.theta()).toEqual(state.slice(0, layoutOf(network).length));
    const theta = new Float32Array(layoutOf(network).length).fill(-1);
    net.setTheta(theta);
    expect(net.theta()).toEqual(theta);
    expect(net.state().slice(theta.length)).toEqual(state.slice(theta.length));
    net.dispose();
  });

  it('gives the same bits for the same shard, whatever was computed before', async () => {
    const network = NETWORK;
    const { features, labels } = exampleData(network, 300, 3);
    const rows = Int32Array.from({ length: 64 }, (_, i) => (i * 7) % 300);
    const [one, other] = [await compiled(network), await compiled(network)];
    one.loadShard(0, { features, labels });
    other.loadShard(9, { features, labels });
    other.gradient(9, rows.slice(0, 13), 0);
    other.predict(features, 300);
    expect(other.gradient(9, rows, 0)).toEqual(one.gradient(0, rows, 0));
    one.dispose();
    other.dispose();
  });

  it('adds nothing for no rows, and predicts nothing of nothing', async () => {
    const network = NETWORK;
    const net = await compiled(network);
    net.loadShard(0, { features: new Float32Array(0), labels: new Int32Array(0) });
    const none = { gradient: new Float32Array(layoutOf(network).length), lossSum: 0, weight: 0 };
    expect(net.gradient(0, new Int32Array(0), 0)).toEqual(none);
    expect(net.predict(new Float32Array(0), 0)).toEqual(new Float32Array(0));
    net.dispose();
  });

  it('refuses shards, rows and labels that do not fit', async () => {
    const network = NETWORK;
    const net = await compiled(network);
    const { features, labels } = exampleData(network, 4, 1);
    net.loadShard(0, { features, labels });
    expect(() => net.gradient(0, Int32Array.of(4), 0)).toThrow('shard 0 has 4 rows, row 4 was asked for');
    expect(() => net.gradient(0, Int32Array.of(-1), 0)).toThrow(RangeError);
    const load = (data: Partial<ShardData>) => () => net.loadShard(1, { features, labels, ...data });
    expect(load({ features: features.subarray(1) })).toThrow('27 features are not rows of 7 inputs');
    expect(load({ labels: labels.subarray(1) })).toThrow('4 rows need 4 labels, got 3');
    expect(load({ labels: Int32Array.of(0, 1, 3, 0) })).toThrow('row 2 has class 3');
    expect(load({ labels: Float32Array.of(0, 0, 0, 0) })).toThrow(TypeError);
    expect(load({ weights: Float32Array.of(1) })).toThrow('4 rows need 4 weights, got 1');
    expect(load({ weights: Float32Array.of(1, 1, -1, 1) })).toThrow('row 2 has weight -1');
    expect(() => net.setState(new Float32Array(5))).toThrow('state must have 101 values, got 5');
    expect(() => net.setTheta(new Float32Array(5))).toThrow('theta must have 101 values, got 5');
    expect(() => net.apply(new Float32Array(5), 1)).toThrow('gradient must have 101 values, got 5');
    expect(() => net.predict(features, 3)).toThrow('features must have 21 values, got 28');
    net.dispose();
  });

  it('leaves no tensor behind', async () => {
    const network = NETWORK;
    const { features, labels } = exampleData(network, 20, 1);
    const atStart = residents();
    const net = await compiled(network, { kind: 'adam', learningRate: 0.1 });
    const round = (step: number) => {
      net.loadShard(0, { features, labels });
      const { gradient } = net.gradient(0, Int32Array.of(1, 2), 0);
      net.apply(gradient, step);
      net.predict(features, 20);
      net.setTheta(net.theta());
      net.setState(net.state());
      net.gradient(0, Int32Array.of(1, 2), 0);
    };
    round(1);
    const afterOne = residents();
    for (let step = 2; step < 6; step++) round(step);
    expect(residents()).toBe(afterOne);
    net.dispose();
    expect(residents()).toBe(atStart);
  });
}

export function largestDifference(left: ArrayLike<number>, right: ArrayLike<number>): number {
  expect(left.length).toBe(right.length);
  let largest = 0;
  for (let i = 0; i < left.length; i++) {
    const difference = Math.abs(left[i]! - right[i]!);
    // NaN is a difference too.
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}
