import { tmpdir } from 'node:os';
import { beforeAll, expect, it } from 'vitest';
import { nativeAddon } from '../../native/addon.js';
import { addGradientSums, type GradientSum, mergeNodes } from '../../ps/tree.js';
import {
  type CompiledNetwork,
  type CompileOptions,
  type ComputeBackend,
  type ShardData,
  type SumRequest,
  shardGradient,
} from '../backend.js';
import { initialTheta } from '../layout.js';
import type { Network } from '../network.js';
import { referenceGradient, referencePredict } from '../reference.js';
import { matrixInFile } from '../shard-matrix.js';
import { exampleData, exampleWeights } from './example-data.js';
import { describeNetwork, EXAMPLE_NETWORKS } from './example-networks.js';

/** float32 against a float64 oracle, values of order one to ten. */
const TOLERANCE = 2e-4;

const NETWORK: Network = {
  inputs: 7,
  hidden: [
    { units: 6, activation: 'relu' },
    { units: 5, activation: 'relu' },
  ],
  outputs: 3,
  loss: 'softmax-cross-entropy',
};
/** Of norms; a factor's rounding is 2^-9 of it at most, and deep networks add some up. */
const BF16_TOLERANCE = 0.03;

/** A network with its first weights. */
interface Trial {
  readonly net: CompiledNetwork;
  readonly theta: Float32Array;
  gradient(shard: number, rows: Int32Array, step?: number, seed?: number): GradientSum;
}

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

  async function compiled(network: Network, options?: CompileOptions): Promise<Trial> {
    const net = await backend.compile(network, options);
    const theta = initialTheta(network, 5);
    const gradient = (shard: number, rows: Int32Array, step = 0, seed?: number) =>
      shardGradient(net, theta, { shard, rows }, { step, seed });
    return { net, theta, gradient };
  }

  it.each(EXAMPLE_NETWORKS.map((network) => [describeNetwork(network), network] as const))(
    'computes gradients, losses and outputs of %s',
    async (_name, network) => {
      const { features, labels } = exampleData(network, 40, 1);
      const theta = initialTheta(network, 5).map((value, i) => value + 0.1 * Math.sin(i));
      const net = await backend.compile(network);
      for (const weights of [undefined, exampleWeights(40, 1)]) {
        net.loadShard(2, { features, labels, weights });
        for (const rows of [Int32Array.of(3, 39, 0, 17, 17, 8), Int32Array.of(4)]) {
          const { gradient, lossSum, weight } = shardGradient(net, theta, { shard: 2, rows }, { step: 9, seed: 8 });
          const options = { seed: 8, shard: 2, step: 9, weights };
          const expected = referenceGradient(network, theta, features, labels, rows, options);
          expect(largestDifference(gradient, expected.gradient)).toBeLessThan(TOLERANCE);
          expect(lossSum).toBeCloseTo(expected.lossSum, 4);
          expect(weight).toBeCloseTo(expected.weight, 5);
        }
      }
      const outputs = net.predict(theta, features, 40);
      expect(largestDifference(outputs, referencePredict(network, theta, features))).toBeLessThan(1e-5);
      net.dispose();
    },
  );

  it('drops the same values for the same seed, step, shard and layer only, and none in prediction', async () => {
    const network: Network = { ...NETWORK, hidden: [{ units: 6, activation: 'relu', dropout: 0.5 }] };
    const { features, labels } = exampleData(network, 40, 1);
    const rows = Int32Array.from({ length: 40 }, (_, row) => row);
    const lossWith = async (seed: number, shard: number, step: number) => {
      const { net, gradient } = await compiled(network);
      net.loadShard(shard, { features, labels });
      gradient(shard, rows, step + 1, seed);
      const { lossSum } = gradient(shard, rows, step, seed);
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
    const outputs = ({ net, theta }: Trial) => net.predict(theta, features, 40);
    expect(outputs(dropping)).toEqual(outputs(plain));
    dropping.net.dispose();
    plain.net.dispose();
  });

  it('keeps shards apart, replaces and drops them', async () => {
    const { net, gradient } = await compiled(NETWORK);
    const rows = Int32Array.of(0, 1, 2);
    const data = [1, 2].map((seed) => exampleData(NETWORK, 10, seed));
    data.forEach(({ features, labels }, shard) => {
      net.loadShard(shard, { features, labels });
    });
    const [first, second] = [gradient(0, rows), gradient(1, rows)];
    expect(first.lossSum).not.toBe(second.lossSum);
    net.loadShard(0, data[1]!);
    expect(gradient(0, rows)).toEqual(second);
    net.dropShard(0);
    net.dropShard(0);
    expect(() => gradient(0, rows)).toThrow('shard 0 is not loaded (loaded: 1)');
    expect(gradient(1, rows)).toEqual(second);
    net.dispose();
  });

  it('keeps nothing of the arrays it was given', async () => {
    const { net, theta, gradient } = await compiled(NETWORK);
    const rows = Int32Array.of(0, 1, 2);
    // Large and page-aligned arrays are the ones a library would use in place.
    const { features, labels } = exampleData(NETWORK, 20_000, 1);
    net.loadShard(0, { features, labels });
    const given = theta.slice();
    const before = { sums: gradient(0, rows), outputs: net.predict(theta, features.subarray(7, 21), 2) };
    const copy = features.slice(7, 21);
    features.fill(Number.NaN);
    labels.fill(0);
    theta.fill(Number.NaN);
    const sums = shardGradient(net, given, { shard: 0, rows });
    expect({ sums, outputs: net.predict(given, copy, 2) }).toEqual(before);
    before.sums.gradient.fill(1);
    expect(shardGradient(net, given, { shard: 0, rows }).gradient).toEqual(sums.gradient);
    net.dispose();
  });

  it.each(['float32', 'bf16'] as const)(
    'computes the same with arrays it is given to keep, and with files: %s',
    async (precision) => {
      const { net, gradient } = await compiled(NETWORK, { precision });
      const { features, labels } = exampleData(NETWORK, 300, 3);
      const weights = exampleWeights(300, 3);
      const rows = Int32Array.from({ length: 64 }, (_, i) => (i * 7) % 300);
      net.loadShard(0, { features, labels, weights });
      const copied = gradient(0, rows);
      net.loadShard(0, { features, labels, weights, given: 'kept' });
      expect(gradient(0, rows)).toEqual(copied);
      if (nativeAddon()) {
        const matrix = matrixInFile(300, NETWORK.inputs, tmpdir());
        for (const [from, to] of [
          [0, 100 * 7],
          [100 * 7, 300 * 7],
        ])
          matrix.append(features.subarray(from, to));
        net.loadShard(0, { features: matrix.finish(), labels, weights, given: 'streamed' });
        net.prefetch?.([{ shard: 0, rows }]);
        expect(gradient(0, rows)).toEqual(copied);
        net.loadShard(0, { features, labels, weights });
        expect(gradient(0, rows)).toEqual(copied);
      }
      net.dispose();
    },
  );

  it('gives the same bits for the same shard, whatever was computed before', async () => {
    const { features, labels } = exampleData(NETWORK, 300, 3);
    const rows = Int32Array.from({ length: 64 }, (_, i) => (i * 7) % 300);
    const [one, other] = [await compiled(NETWORK), await compiled(NETWORK)];
    one.net.loadShard(0, { features, labels });
    other.net.loadShard(9, { features, labels });
    other.gradient(9, rows.slice(0, 13));
    other.net.predict(other.theta, features, 300);
    expect(other.gradient(9, rows)).toEqual(one.gradient(0, rows));
    one.net.dispose();
    other.net.dispose();
  });

  it.each(['float32', 'bf16'] as const)(
    'adds the gradients of shards along the canonical tree, in one call for several networks: %s',
    async (precision) => {
      const hidden = [{ units: 33, activation: 'gelu', normalization: 'batch', dropout: 0.3 } as const, 17];
      const network: Network = { ...NETWORK, hidden: hidden.map((l) => (typeof l === 'number' ? { units: l } : l)) };
      const { net } = await compiled(network, { precision });
      const G = 7;
      const batches = [0, 1, 2, 3, 4, 6].map((shard) => {
        net.loadShard(shard, { ...exampleData(network, 50, shard), weights: exampleWeights(50, shard) });
        // Of three lengths: each is a program more to compile.
        return { shard, rows: Int32Array.from({ length: 20 + (shard % 3) }, (_, i) => (i * 7 + shard) % 50) };
      });
      const without = batches.map((batch) => (batch.shard === 2 ? { ...batch, rows: new Int32Array(0) } : batch));
      const requests = [
        { theta: initialTheta(network, 1), batches, seed: 3 },
        { theta: initialTheta(network, 2), batches, seed: 4 },
        { theta: initialTheta(network, 2), batches: batches.slice(1, 4), seed: 3 },
      ];
      const alone = ({ theta, batches: own, seed }: SumRequest) => {
        const leaves = own.map((batch) => {
          const value = shardGradient(net, theta, batch, { step: 5, seed });
          return { level: 0, index: batch.shard, value };
        });
        return mergeNodes(leaves, G, addGradientSums);
      };
      const expected = requests.map(alone);
      expect(net.sums(requests, 5, G)).toEqual(expected);
      const request = { ...requests[0]!, batches: without };
      const expectedWithout = alone(request);
      expect(net.sums([request], 5, G)).toEqual([expectedWithout]);
      const home = new Float32Array(request.theta.length);
      for (const [own, sums] of [
        [batches, expected[0]],
        [without, expectedWithout],
      ] as const) {
        const into = ({ level }: { level: number }) => (level === 2 ? home : undefined);
        const [nodes] = net.sums([{ ...request, batches: own, into }], 5, G);
        expect(nodes![0]!.value.gradient).toBe(home);
        expect(nodes).toEqual(sums);
      }
      net.dispose();
    },
  );

  it.each([5, 8])('keeps the order of the tree among %i shards', async (G) => {
    const { net, theta, gradient } = await compiled(NETWORK);
    const rows = Int32Array.from({ length: 30 }, (_, i) => i);
    const batches = Array.from({ length: G }, (_, shard) => {
      net.loadShard(shard, exampleData(NETWORK, 30, shard));
      return { shard, rows };
    });
    const leaves = batches.map(({ shard }) => ({ level: 0, index: shard, value: gradient(shard, rows) }));
    const [nodes] = net.sums([{ theta, batches }], 0, G);
    expect(nodes).toEqual(mergeNodes(leaves, G, addGradientSums));
    net.dispose();
  });

  it('computes many small networks at once to the bits each has alone', async () => {
    const hidden = [{ units: 6, activation: 'elu', dropout: 0.3 } as const, { units: 5, activation: 'tanh' } as const];
    const { net } = await compiled({ ...NETWORK, hidden });
    const weights = exampleWeights(50, 1);
    net.loadShard(0, { ...exampleData(NETWORK, 50, 0), weights });
    net.loadShard(1, exampleData(NETWORK, 50, 1));
    const rows = (seed: number) => Int32Array.from({ length: 20 + seed }, (_, i) => (i * 7 + seed) % 50);
    const [shared, one, other] = [
      [rows(0), rows(1)],
      [rows(0), rows(1)],
      [rows(0), rows(1).reverse()],
    ];
    for (const orders of [
      [shared, shared, shared],
      [shared, one, other],
    ]) {
      const requests = orders.map((order, m) => ({
        theta: initialTheta({ ...NETWORK, hidden }, m),
        batches: order.map((rows, shard) => ({ shard, rows })),
        seed: m,
      }));
      const alone = requests.map((request) => net.sums([request], 4, 2)[0]!);
      for (let again = 0; again < 3; again++) expect(net.sums(requests, 4, 2)).toEqual(alone);
      const homes = requests.map(({ theta }) => new Float32Array(theta.length));
      net.sums(
        requests.map((request, m) => ({ ...request, into: () => homes[m] })),
        4,
        2,
      );
      expect(homes).toEqual(alone.map(([node]) => node!.value.gradient));
    }
    net.dispose();
  });

  it('rounds factors and products to bfloat16 when asked to', async () => {
    for (const network of EXAMPLE_NETWORKS) {
      const net = await backend.compile(network, { precision: 'bf16' });
      const data = exampleData(network, 40, 1);
      net.loadShard(0, data);
      const theta = initialTheta(network, 5);
      const rows = Int32Array.from({ length: 40 }, (_, row) => row);
      const { gradient, lossSum } = shardGradient(net, theta, { shard: 0, rows });
      const expected = referenceGradient(network, theta, data.features, data.labels, rows, { shard: 0, step: 0 });
      const size = Math.hypot(...expected.gradient);
      const difference = Math.hypot(...expected.gradient.map((value, i) => value - gradient[i]!));
      expect(difference / size).toBeLessThan(BF16_TOLERANCE);
      expect(difference).toBeGreaterThan(0);
      expect(Math.abs(lossSum / expected.lossSum - 1)).toBeLessThan(BF16_TOLERANCE);
      net.dispose();
    }
  });

  it('adds nothing for no rows, and predicts nothing of nothing', async () => {
    const { net, theta, gradient } = await compiled(NETWORK);
    net.loadShard(0, { features: new Float32Array(0), labels: new Int32Array(0) });
    const none = { gradient: new Float32Array(theta.length), lossSum: 0, rows: 0, weight: 0 };
    expect(gradient(0, new Int32Array(0))).toEqual(none);
    expect(net.predict(theta, new Float32Array(0), 0)).toEqual(new Float32Array(0));
    net.dispose();
  });

  it('refuses shards, rows and labels that do not fit', async () => {
    const { net, theta, gradient } = await compiled(NETWORK);
    const { features, labels } = exampleData(NETWORK, 4, 1);
    net.loadShard(0, { features, labels });
    expect(() => gradient(0, Int32Array.of(4))).toThrow('shard 0 has 4 rows, row 4 was asked for');
    expect(() => gradient(0, Int32Array.of(-1))).toThrow(RangeError);
    const load = (data: Partial<ShardData>) => () => net.loadShard(1, { features, labels, ...data });
    expect(load({ features: features.subarray(1) })).toThrow('27 features are not rows of 7 inputs');
    expect(load({ labels: labels.subarray(1) })).toThrow('4 rows need 4 labels, got 3');
    expect(load({ labels: Int32Array.of(0, 1, 3, 0) })).toThrow('row 2 has class 3');
    expect(load({ labels: Float32Array.of(0, 0, 0, 0) })).toThrow(TypeError);
    expect(load({ weights: Float32Array.of(1) })).toThrow('4 rows need 4 weights, got 1');
    expect(load({ weights: Float32Array.of(1, 1, -1, 1) })).toThrow('row 2 has weight -1');
    const batch = { shard: 0, rows: Int32Array.of(0) };
    expect(() => shardGradient(net, new Float32Array(5), batch)).toThrow('theta must have 101 values, got 5');
    expect(() => net.predict(new Float32Array(5), features, 4)).toThrow('theta must have 101 values, got 5');
    expect(() => net.predict(theta, features, 3)).toThrow('features must have 21 values, got 28');
    net.dispose();
  });

  it('leaves no tensor behind', async () => {
    const { features, labels } = exampleData(NETWORK, 20, 1);
    const atStart = residents();
    const { net, theta, gradient } = await compiled(NETWORK);
    const round = () => {
      net.loadShard(0, { features, labels });
      gradient(0, Int32Array.of(1, 2));
      net.predict(theta, features, 20);
    };
    round();
    const afterOne = residents();
    for (let again = 0; again < 4; again++) round();
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
