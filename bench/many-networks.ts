/**
 * Steps of 16 small networks on the same rows, with updates, one call each beside one call for all; on one thread.
 *
 *     npx tsx bench/many-networks.ts [repetitions, default 9]
 *
 * Interleaved; the least processor time of each.
 */
process.env.TF_NUM_INTRAOP_THREADS = '1';
process.env.TF_NUM_INTEROP_THREADS = '1';

import { initialTheta, layoutOf, segmentsOf } from '../src/mlp/layout.js';
import { loadLibrary, type TensorFlowLibrary } from '../src/mlp/native.js';
import { TensorFlowNetwork } from '../src/mlp/tensorflow-backend.js';
import { exampleData } from '../src/mlp/testing/example-data.js';
import { alignedFloats } from '../src/ps/float-bytes.js';
import { RangeOptimizer } from '../src/ps/optimizer/range-optimizer.js';
import { reluClassifier } from './common/networks.js';

const NETWORKS = 16;
const RESIDENT_ROWS = 8192;
const CALLS = 10;
const SHAPES = [
  [4, 16, 3],
  [43, 32, 16, 6],
  [228, 32, 6],
  [43, 128, 128, 6],
];

async function main(repetitions: number): Promise<void> {
  const library = await loadLibrary();
  console.log('| 16 networks, rows | one call each | one call | ratio |\n|---|---|---|---|');
  for (const widths of SHAPES)
    for (const rows of [32, 128]) {
      const steps = prepare(library, widths, rows);
      const least = steps.map(() => Number.POSITIVE_INFINITY);
      for (let i = 0; i < repetitions; i++)
        steps.forEach((step, k) => {
          step();
          least[k] = Math.min(least[k]!, microsecondsOf(step));
        });
      const [apart, together] = least as [number, number];
      const cells = [`${widths.join('-')}, ${rows}`, ...least.map((us) => `${us.toFixed(0)} µs`)];
      console.log(`| ${[...cells, (apart / together).toFixed(2)].join(' | ')} |`);
    }
}

function prepare(
  library: TensorFlowLibrary,
  widths: readonly number[],
  rowCount: number,
): [apart: () => void, together: () => void] {
  const network = reluClassifier(widths);
  const layout = layoutOf(network);
  const all = { from: 0, to: layout.length };
  const net = new TensorFlowNetwork(library, network);
  net.loadShard(0, exampleData(network, RESIDENT_ROWS, 1));
  const rows = Int32Array.from({ length: rowCount }, (_, i) => (i * 7) % RESIDENT_ROWS);
  const members = Array.from({ length: NETWORKS }, (_, seed) => {
    const [theta, sum] = [alignedFloats(layout.length), alignedFloats(layout.length)];
    theta.set(initialTheta(network, seed));
    const optimizer = { kind: 'adam', learningRate: 1e-4 * (seed + 1) } as const;
    const request = { theta, batches: [{ shard: 0, rows }], into: () => sum };
    return { theta, sum, request, owner: new RangeOptimizer({ optimizer }, segmentsOf(layout), all) };
  });
  let step = 0;
  const update = ({ theta, sum, owner }: (typeof members)[number]) => owner.update(theta, sum, rowCount, step);
  return [
    () => {
      step++;
      for (const member of members) {
        net.sums([member.request], 0, 1);
        update(member);
      }
    },
    () => {
      step++;
      net.sums(
        members.map(({ request }) => request),
        0,
        1,
      );
      members.forEach(update);
    },
  ];
}

function microsecondsOf(step: () => void): number {
  const start = process.cpuUsage();
  for (let i = 0; i < CALLS; i++) step();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / CALLS;
}

await main(Number(process.argv[2] ?? 9));
