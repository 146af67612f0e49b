/**
 * One training step as one graph call, on one thread, beside the sgemm peak of the same library in the same run.
 *
 *     npx tsx bench/train-step.ts [repetitions, default 15]
 *
 * Peers are interleaved and medians compared, as a core of a shared machine varies by 20 % within moments. FLOP of a
 * step: 2 · rows · Σ in·out of the layers for the forward pass, once more for the gradient of the kernels, and once more
 * for that of the activations, in every layer but the first.
 */
process.env.TF_NUM_INTRAOP_THREADS = '1';
process.env.TF_NUM_INTEROP_THREADS = '1';

import { initialTheta, layoutOf } from '../src/mlp/layout.js';
import { loadedVersion, loadNative } from '../src/mlp/native.js';
import type { Network } from '../src/mlp/network.js';
import { sgemmProbe } from '../src/mlp/sgemm.js';
import { TensorFlowNetwork } from '../src/mlp/tensorflow-backend.js';
import { exampleData } from '../src/mlp/testing/example-data.js';

const RESIDENT_ROWS = 8192;

const cases = [
  { widths: [784, 512, 512, 10], batch: 1024, calls: 4 },
  { widths: [784, 128, 64, 10], batch: 256, calls: 50 },
  { widths: [228, 128, 64, 6], batch: 256, calls: 50 },
  { widths: [228, 128, 64, 6], batch: 64, calls: 200 },
];

async function main(repetitions: number): Promise<void> {
  const tf = await loadNative();
  const sgemm = sgemmProbe(tf);
  const peers = cases.map((setting) => ({ ...setting, ...prepare(tf, setting.widths, setting.batch) }));
  for (const { step, calls } of peers) secondsPerCall(step, calls);

  const peaks: number[] = [];
  const times = peers.map(() => ({ step: [] as number[], gradient: [] as number[], apply: [] as number[] }));
  for (let i = 0; i < repetitions; i++) {
    peaks.push(sgemm.measure());
    peers.forEach(({ step, gradient, apply, calls }, peer) => {
      times[peer]!.step.push(secondsPerCall(step, calls));
      times[peer]!.gradient.push(secondsPerCall(gradient, calls));
      times[peer]!.apply.push(secondsPerCall(apply, calls));
    });
  }

  const peak = median(peaks);
  console.log(
    `TensorFlow ${loadedVersion(tf)}, one thread, medians of ${repetitions}; sgemm ${peak.toFixed(0)} GFLOP/s\n`,
  );
  console.log('| network, batch | step | rows/s | GFLOP/s | of sgemm | gradient alone | update alone |');
  console.log('|---|---|---|---|---|---|---|');
  peers.forEach(({ widths, batch, flop }, peer) => {
    const { step, gradient, apply } = times[peer]!;
    const seconds = median(step);
    const gflops = flop / seconds / 1e9;
    const cells = [
      `${widths.join('-')}, ${batch}`,
      microseconds(seconds),
      `${(batch / seconds / 1000).toFixed(1)}k`,
      gflops.toFixed(0),
      `${((100 * gflops) / peak).toFixed(0)} %`,
      microseconds(median(gradient)),
      microseconds(median(apply)),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  });
}

function prepare(tf: Awaited<ReturnType<typeof loadNative>>, widths: readonly number[], batch: number) {
  const network: Network = {
    inputs: widths[0]!,
    hidden: widths.slice(1, -1).map((units) => ({ units, activation: 'relu' })),
    outputs: widths.at(-1)!,
    loss: 'softmax-cross-entropy',
  };
  const net = new TensorFlowNetwork(tf, network, { kind: 'adam', learningRate: 1e-4 });
  net.setTheta(initialTheta(network, 1));
  const { features, labels } = exampleData(network, RESIDENT_ROWS, 1);
  net.loadShard(0, { features, labels });
  let calls = 0;
  const rows = () => {
    calls++;
    return Int32Array.from({ length: batch }, (_, i) => (calls * batch + i * 7) % RESIDENT_ROWS);
  };
  const mean = new Float32Array(layoutOf(network).length).fill(1e-6);
  const products = layoutOf(network).parameters.map(({ kind, size }) => (kind === 'kernel' ? 2 * batch * size : 0));
  return {
    flop: 3 * products.reduce((a, b) => a + b) - products[0]!,
    step: () => net.train(0, rows(), calls),
    gradient: () => net.gradient(0, rows(), 0),
    apply: () => net.apply(mean, calls + 1),
  };
}

function secondsPerCall(call: () => unknown, calls: number): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < calls; i++) call();
  return Number(process.hrtime.bigint() - start) / 1e9 / calls;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

function microseconds(seconds: number): string {
  return `${(seconds * 1e6).toFixed(0)} µs`;
}

await main(Number(process.argv[2] ?? 15));
