/**
 * One training step, gradients as one graph call and an update of theta, on one thread, beside the sgemm peak of the same library in the same run.
 *
 *     npx tsx bench/train-step.ts [repetitions, default 15]
 *
 * Peers are interleaved and medians compared, as a core of a shared machine varies by 20 % within moments. FLOP of a
 * step: 2 · rows · Σ in·out of the layers for the forward pass, once more for the gradient of the kernels, and once more
 * for that of the activations, in every layer but the first.
 */
process.env.TF_NUM_INTRAOP_THREADS = '1';
process.env.TF_NUM_INTEROP_THREADS = '1';

import type { Precision } from '../src/mlp/backend.js';
import { initialTheta, layoutOf, segmentsOf } from '../src/mlp/layout.js';
import { loadLibrary, type TensorFlowLibrary } from '../src/mlp/native.js';
import { sgemmProbe } from '../src/mlp/sgemm.js';
import { TensorFlowNetwork } from '../src/mlp/tensorflow-backend.js';
import { exampleData } from '../src/mlp/testing/example-data.js';
import { alignedFloats } from '../src/ps/float-bytes.js';
import { RangeOptimizer } from '../src/ps/optimizer/range-optimizer.js';
import { reluClassifier } from './common/networks.js';

const RESIDENT_ROWS = 8192;

const ADAM = { kind: 'adam', learningRate: 1e-4 } as const;

interface Case {
  readonly widths: readonly number[];
  readonly batch: number;
  /** Gradient shards, all in one call. */
  readonly shards: number;
  readonly precision: Precision;
  readonly calls: number;
}

const large = { widths: [784, 512, 512, 10], batch: 1024, calls: 8 };
const small = { widths: [784, 128, 64, 10], batch: 256, calls: 40 };
const cases: readonly Case[] = [
  ...[1, 8].map((shards) => ({ ...large, shards, precision: 'float32' as const })),
  ...[1, 8].map((shards) => ({ ...large, shards, precision: 'bf16' as const })),
  ...[1, 2, 4].map((shards) => ({ ...small, shards, precision: 'float32' as const })),
  ...[1, 2].map((shards) => ({ ...small, shards, precision: 'bf16' as const })),
  { widths: [228, 128, 64, 6], batch: 64, shards: 1, precision: 'float32', calls: 100 },
];

async function main(repetitions: number): Promise<void> {
  const library = await loadLibrary();
  const sgemm = sgemmProbe(library);
  const peers = cases.map((setting) => ({ ...setting, ...prepare(library, setting) }));
  for (const { step, calls } of peers) secondsPerCall(step, calls);

  const peaks: number[] = [];
  const times = peers.map(() => ({ step: [] as number[], gradient: [] as number[], update: [] as number[] }));
  for (let i = 0; i < repetitions; i++) {
    peaks.push(sgemm.measure());
    peers.forEach(({ step, gradient, update, calls }, peer) => {
      times[peer]!.step.push(secondsPerCall(step, calls));
      times[peer]!.gradient.push(secondsPerCall(gradient, calls));
      times[peer]!.update.push(secondsPerCall(update, calls));
    });
  }

  const peak = median(peaks);
  console.log(
    `TensorFlow ${library.version}, one thread, medians of ${repetitions}; sgemm ${peak.toFixed(0)} GFLOP/s\n`,
  );
  console.log(
    '| network, batch, shards, precision | step | rows/s | GFLOP/s | of sgemm | gradient alone | update alone |',
  );
  console.log('|---|---|---|---|---|---|---|');
  peers.forEach(({ widths, batch, shards, precision, flop }, peer) => {
    const { step, gradient, update } = times[peer]!;
    const seconds = median(step);
    const gflops = flop / seconds / 1e9;
    const cells = [
      `${widths.join('-')}, ${batch}, ${shards}, ${precision}`,
      microseconds(seconds),
      `${(batch / seconds / 1000).toFixed(1)}k`,
      gflops.toFixed(0),
      `${((100 * gflops) / peak).toFixed(0)} %`,
      microseconds(median(gradient)),
      microseconds(median(update)),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  });
}

function prepare(library: TensorFlowLibrary, { widths, batch, shards, precision }: Case) {
  const network = reluClassifier(widths);
  const layout = layoutOf(network);
  const net = new TensorFlowNetwork(library, network, { precision });
  const [theta, sum] = [alignedFloats(layout.length), alignedFloats(layout.length)];
  theta.set(initialTheta(network, 1));
  const owner = new RangeOptimizer({ optimizer: ADAM }, segmentsOf(layout), { from: 0, to: layout.length });
  const { features, labels } = exampleData(network, RESIDENT_ROWS, 1);
  for (let shard = 0; shard < shards; shard++) net.loadShard(shard, { features, labels });
  const rows = batch / shards;
  let calls = 0;
  const gradient = () => {
    calls++;
    const batches = Array.from({ length: shards }, (_, shard) => ({
      shard,
      rows: Int32Array.from({ length: rows }, (_, i) => (calls * rows + i * 7) % RESIDENT_ROWS),
    }));
    net.sums([{ theta, batches, into: () => sum }], 0, shards);
  };
  const update = () => owner.update(theta, sum, batch, calls + 1);
  const products = layout.parameters.map(({ kind, size }) => (kind === 'kernel' ? 2 * batch * size : 0));
  return {
    flop: 3 * products.reduce((a, b) => a + b) - products[0]!,
    gradient,
    update,
    step() {
      gradient();
      update();
    },
  };
}

/** Of processor time, which others on the machine change less than the clock's. */
function secondsPerCall(call: () => unknown, calls: number): number {
  const start = process.cpuUsage();
  for (let i = 0; i < calls; i++) call();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6 / calls;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

function microseconds(seconds: number): string {
  return `${(seconds * 1e6).toFixed(0)} µs`;
}

await main(Number(process.argv[2] ?? 15));
