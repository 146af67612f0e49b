import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { RangeOptimizer } from '../ps/optimizer/range-optimizer.js';
import { addGradientSums, type GradientSum, mergeNodes, type ValueNode } from '../ps/tree.js';
import { shardGradient } from './backend.js';
import { GraphBuilder } from './graph/graph-builder.js';
import { gather, placeholder } from './graph/ops.js';
import { GraphSession } from './graph/session.js';
import { initialTheta } from './layout.js';
import { loadLibrary, loadNative, nativeState, type TensorFlow, type TensorFlowLibrary } from './native.js';
import type { Network } from './network.js';
import { sgemmProbe } from './sgemm.js';
import { loadTensorFlowBackend, TensorFlowNetwork } from './tensorflow-backend.js';
import { backendContract, largestDifference } from './testing/backend-contract.js';
import { exampleData } from './testing/example-data.js';
import { torchTraining } from './testing/torch-training.js';

process.env.TF_NUM_INTRAOP_THREADS = '1';
process.env.TF_NUM_INTEROP_THREADS = '1';

const network: Network = {
  inputs: 228,
  hidden: [
    { units: 128, activation: 'relu', normalization: 'layer', dropout: 0.2 },
    { units: 64, activation: 'tanh' },
  ],
  outputs: 6,
  loss: 'softmax-cross-entropy',
};

describe.runIf(nativeState().installed)('TensorFlow', () => {
  let library: TensorFlowLibrary;
  let tf: TensorFlow;
  backendContract(
    async () => {
      library = await loadLibrary();
      tf = await loadNative();
      return loadTensorFlowBackend();
    },
    () => tf.memory().numTensors,
  );

  torchTraining(() => loadTensorFlowBackend());

  it('finds operations on many small networks at once to have the bits of one by one, and uses them', () => {
    const small: Network = { ...network, hidden: [{ units: 24, activation: 'relu' }] };
    const net = new TensorFlowNetwork(library, small);
    net.loadShard(0, exampleData(small, 100, 1));
    const rows = Int32Array.from({ length: 32 }, (_, i) => i);
    const requests = [1, 2, 3].map((seed) => ({ theta: initialTheta(small, seed), batches: [{ shard: 0, rows }] }));
    const calls = vi.spyOn(GraphSession.prototype, 'call');
    const first = net.sums(requests, 0, 1);
    expect(net.sums(requests, 0, 1)).toEqual(first);
    const [apart, stacked, again, ...others] = calls.mock.calls.map(([call]) => call);
    expect(others).toEqual([]);
    expect(again).toBe(stacked);
    expect(again).not.toBe(apart);
    calls.mockRestore();
    net.dispose();
  });

  // Softmax and tanh are approximated differently at a tensor's end: a length that is no multiple of a register's shows it.
  it.each(['relu', 'tanh'] as const)(
    'gives many small networks the bits of one by one, step after step: %s',
    (activation) => {
      const small: Network = { ...network, inputs: 43, hidden: [{ units: 19, activation }] };
      const net = new TensorFlowNetwork(library, small);
      net.loadShard(0, exampleData(small, 500, 1));
      const thetas = [1, 2, 3, 4].map((seed) => initialTheta(small, seed));
      const all = { from: 0, to: thetas[0]!.length, kind: 'kernel' } as const;
      const optimizers = thetas.map(
        (_, m) => new RangeOptimizer({ optimizer: { kind: 'adam', learningRate: 0.01 * (m + 1) } }, [all], all),
      );
      for (let step = 0; step < 60; step++) {
        const rows = Int32Array.from({ length: 37 }, (_, i) => (i * 17 + step * 31) % 500);
        const requests = thetas.map((theta) => ({ theta, batches: [{ shard: 0, rows }] }));
        const together = net.sums(requests, step, 1);
        expect(together).toEqual(requests.map((request) => net.sums([request], step, 1)[0]));
        thetas.forEach((theta, m) => {
          optimizers[m]!.update(theta, together[m]![0]!.value.gradient, 37, step + 1);
        });
      }
      net.dispose();
    },
  );

  it('makes one program for shards by themselves, as where some give a step no rows', () => {
    const net = new TensorFlowNetwork(library, network);
    const shards = [0, 1, 2, 3, 5];
    for (const shard of shards) net.loadShard(shard, exampleData(network, 10, shard));
    const batches = shards.map((shard) => ({ shard, rows: Int32Array.of(...(shard === 2 ? [] : [shard, 7])) }));
    const theta = initialTheta(network, 1);
    const extended = vi.spyOn(GraphSession.prototype, 'extend');
    const [sums] = net.sums([{ theta, seed: 4, batches }], 3, 6);
    expect(extended).toHaveBeenCalledTimes(1);
    extended.mockRestore();
    const together = (own: typeof batches) => net.sums([{ theta, seed: 4, batches: own }], 3, 6)[0]!;
    expect(sums!.map(({ level, index }) => [level, index])).toEqual([
      [2, 0],
      [0, 5],
    ]);
    const [left, third] = together(batches.filter(({ shard }) => shard !== 2 && shard !== 5));
    expect(sums![0]!.value.gradient).toEqual(left!.value.gradient.map((value, i) => value + third!.value.gradient[i]!));
    expect(sums![1]!.value).toEqual(together(batches.slice(-1))[0]!.value);
    net.dispose();
  });

  it('computes many shards in parts that share programs, to the bits of a tree over all of them', () => {
    const small: Network = { ...network, inputs: 5, hidden: [{ units: 3, activation: 'relu', dropout: 0.2 }] };
    const net = new TensorFlowNetwork(library, small);
    const G = 140;
    const batches = Array.from({ length: G }, (_, shard) => {
      net.loadShard(shard, exampleData(small, 6, shard));
      return { shard, rows: Int32Array.of(shard % 6, 5) };
    });
    const theta = initialTheta(small, 1);
    const own = batches.filter(({ shard }) => shard > 10); // a part without its first shards
    const leaves = own.map(({ shard, rows }) => {
      const [[node]] = net.sums([{ theta, seed: 4, batches: [{ shard, rows }] }], 3, G) as [[ValueNode<GradientSum>]];
      return node;
    });
    const expected = mergeNodes(leaves, G, addGradientSums);
    const extended = vi.spyOn(GraphSession.prototype, 'extend');
    for (const step of [2, 3]) {
      const [sums] = net.sums([{ theta, seed: 4, batches: own }], step, G);
      if (step === 3) expect(sums).toEqual(expected);
    }
    expect(extended).toHaveBeenCalledTimes(3); // shards 11 to 63, 64 to 127, 128 to 139
    net.sums([{ theta, seed: 4, batches: batches.slice(0, 64) }], 3, G); // as 64 to 127
    expect(extended).toHaveBeenCalledTimes(3);
    extended.mockRestore();
    net.dispose();
  });

  it('goes on after a call that failed', () => {
    const g = new GraphBuilder();
    const from = placeholder(g, 'from', 'float32', [-1]);
    const rows = placeholder(g, 'rows', 'int32', [-1]);
    const session = new GraphSession(library, g.nodes, {
      gather: { inputs: { from, rows }, outputs: { gathered: gather(g, from, rows) } },
    });
    const feeds = (row: number) => ({
      from: { values: Float32Array.of(1, 2), shape: [2] },
      rows: { values: Int32Array.of(row), shape: [1] },
    });
    expect(session.run('gather', feeds(1))).toEqual([Float32Array.of(2)]);
    expect(() => session.run('gather', feeds(2))).toThrow('is not in [0, 2)');
    expect(() => session.run('gather', { ...feeds(0), from: { values: Float32Array.of(1), shape: [2] } })).toThrow(
      'shape',
    );
    expect(session.run('gather', feeds(0))).toEqual([Float32Array.of(1)]);
    session.dispose();
  });

  it('measures the peak of its products', () => {
    const sgemm = sgemmProbe(library, 256);
    expect(sgemm.measure()).toBeGreaterThan(0.1);
    sgemm.dispose();
  });

  it('gives the bits of a shard that another process gives', async () => {
    const { features, labels } = exampleData(network, 500, 4);
    const net = new TensorFlowNetwork(library, network);
    net.loadShard(7, { features, labels });
    const rows = Int32Array.from({ length: 64 }, (_, i) => i * 5);
    const here = shardGradient(net, initialTheta(network, 2), { shard: 7, rows }, { step: 11 });
    const there = gradientElsewhere({ backend: 'tensorflow', network, rows: [...rows] });
    expect(there.lossSum).toBe(here.lossSum);
    expect(there.gradient).toEqual(here.gradient);
  });

  it('agrees with TF.js on WebAssembly, in a process of its own', async () => {
    const { features, labels } = exampleData(network, 500, 4);
    const net = new TensorFlowNetwork(library, network);
    net.loadShard(7, { features, labels });
    const rows = Int32Array.from({ length: 200 }, (_, i) => i * 2);
    const here = shardGradient(net, initialTheta(network, 2), { shard: 7, rows }, { step: 11 });
    const there = gradientElsewhere({ backend: 'tfjs-wasm', network, rows: [...rows] });
    expect(there.lossSum).toBeCloseTo(here.lossSum, 3);
    expect(largestDifference(there.gradient, here.gradient)).toBeLessThan(1e-3);
  });
});

/** Example data of seed 4, 500 rows; initial theta of seed 2. */
function gradientElsewhere(request: { backend: string; network: Network; rows: number[] }) {
  const script = fileURLToPath(new URL('./testing/gradient-process.ts', import.meta.url));
  const output = execFileSync(process.execPath, ['--import', 'tsx', script, JSON.stringify(request)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const { lossSum, gradient } = JSON.parse(output.toString()) as { lossSum: number; gradient: string };
  const bytes = Uint8Array.from(Buffer.from(gradient, 'base64'));
  return { lossSum, gradient: new Float32Array(bytes.buffer) };
}
