import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { OptimizerSpec } from '../../ps/optimizer/optimizer.js';
import { RangeOptimizer } from '../../ps/optimizer/range-optimizer.js';
import { type ComputeBackend, shardGradient } from '../backend.js';
import { layoutOf, segmentsOf } from '../layout.js';
import { labelKindOf, lossOf, type Network } from '../network.js';
import { largestDifference } from './backend-contract.js';

/** What torch_training.py recorded of one network, in float64. */
interface Recorded {
  readonly network: Network;
  readonly optimizer: OptimizerSpec;
  readonly start: readonly number[];
  readonly features: readonly number[];
  readonly labels: readonly number[];
  readonly weights?: readonly number[];
  /** Rows of each step. */
  readonly batches: readonly (readonly number[])[];
  /** Mean loss of each step, before its update and without penalties. */
  readonly losses: readonly number[];
  /** Theta after the first step and after the last. */
  readonly first: readonly number[];
  readonly last: readonly number[];
  /** What the network gives in the end, before softmax or sigmoid. */
  readonly values: readonly number[];
}

const recorded = JSON.parse(readFileSync(new URL('./torch-training.json', import.meta.url), 'utf8')) as Recorded[];

/** float32 against float64: of one step, and of what twelve make of it. */
const ONE_STEP = 2e-6;
const ALL_STEPS = 2e-5;

/** Goes through PyTorch's trainings step by step, on a backend, with updates by `RangeOptimizer`. */
export function torchTraining(load: () => Promise<ComputeBackend>): void {
  describe("PyTorch's training", () => {
    let backend: ComputeBackend;
    beforeAll(async () => {
      backend = await load();
    });

    it.each(recorded)('$network.hidden, $network.loss, $optimizer.kind', async (training) => {
      const { network, optimizer, batches } = training;
      const layout = layoutOf(network);
      const range = { from: 0, to: layout.length };
      const owner = new RangeOptimizer({ optimizer, l2: network.l2 }, segmentsOf(layout), range);
      const theta = Float32Array.from(training.start);
      const net = await backend.compile(network);
      const features = Float32Array.from(training.features);
      const labels = (labelKindOf(network) === 'classes' ? Int32Array : Float32Array).from(training.labels);
      net.loadShard(0, { features, labels, weights: training.weights && Float32Array.from(training.weights) });
      batches.forEach((rows, step) => {
        const batch = { shard: 0, rows: Int32Array.from(rows) };
        const { gradient, lossSum, weight } = shardGradient(net, theta, batch, { step });
        expect(Math.abs(lossSum / weight - training.losses[step]!)).toBeLessThan(ALL_STEPS);
        owner.update(theta, gradient, weight, step + 1);
        if (step === 0) expect(largestDifference(theta, training.first)).toBeLessThan(ONE_STEP);
      });
      expect(largestDifference(theta, training.last)).toBeLessThan(ALL_STEPS);
      const outputs = net.predict(theta, features, features.length / network.inputs);
      expect(largestDifference(outputs, meaningOf(network, training.values))).toBeLessThan(ALL_STEPS);
      net.dispose();
    });
  });
}

/** Probabilities of logits, by their definition. */
function meaningOf(network: Network, values: readonly number[]): number[] {
  const { kind } = lossOf(network.loss);
  if (kind === 'binary-cross-entropy') return values.map((value) => 1 / (1 + Math.exp(-value)));
  if (kind !== 'softmax-cross-entropy') return [...values];
  return values.map((value, i) => {
    const row = Math.floor(i / network.outputs) * network.outputs;
    const powers = values.slice(row, row + network.outputs).map(Math.exp);
    return Math.exp(value) / powers.reduce((a, b) => a + b);
  });
}
