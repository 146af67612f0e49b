import { describe, expect, it } from 'vitest';
import { alignedFloats } from '../ps/float-bytes.js';
import { addGradientSums, reduceNodes } from '../ps/tree.js';
import type { CompiledNetwork } from './backend.js';
import { loadBackend } from './backends.js';
import { initialTheta } from './layout.js';
import { firstState, ManyNetworks } from './many-networks.js';
import { nativeState } from './native.js';
import type { Network } from './network.js';
import { epochOrder, type NumericalPlan, numericalPlan, shardRows, stepRows } from './numerical-plan.js';
import { exampleData } from './testing/example-data.js';
import { rangeOptimizer } from './updater.js';

process.env.TF_NUM_INTRAOP_THREADS = '1';
process.env.TF_NUM_INTEROP_THREADS = '1';

const network: Network = {
  inputs: 6,
  hidden: [{ units: 8, activation: 'relu', dropout: 0.2 }],
  outputs: 3,
  loss: 'softmax-cross-entropy',
};
const rows = 230;
const planOf = (learningRate: number, seed: number, change: Partial<Parameters<typeof numericalPlan>[0]> = {}) =>
  numericalPlan({
    ...{ rows, batchSize: 64, epochs: 3, shards: 3, network, seed },
    optimizer: { kind: 'adam', learningRate },
    ...change,
  });

async function loaded(plan: NumericalPlan): Promise<CompiledNetwork> {
  const net = await (await loadBackend(nativeState().installed ? 'tensorflow' : 'tfjs-wasm')).compile(network);
  const data = exampleData(network, rows, 1);
  for (let shard = 0; shard < plan.shards; shard++) {
    const own = Array.from({ length: shardRows(plan, shard) }, (_, i) => shard + i * plan.shards);
    const features = Float32Array.from(own.flatMap((row) => [...data.features.subarray(row * 6, row * 6 + 6)]));
    net.loadShard(shard, { features, labels: Int32Array.from(own, (row) => data.labels[row]!) });
  }
  return net;
}

const firstTheta = ({ seed }: NumericalPlan) => {
  const theta = alignedFloats(initialTheta(network, seed).length);
  theta.set(initialTheta(network, seed));
  return theta;
};

function together(net: CompiledNetwork, plans: readonly NumericalPlan[]) {
  const many = new ManyNetworks(
    net,
    plans.map((plan) => firstState(plan, firstTheta(plan))),
  );
  while (!many.done) many.step();
  return many.results();
}

/** The numbers of a training, one shard after the other. */
function alone(net: CompiledNetwork, plan: NumericalPlan): Float32Array {
  const theta = firstTheta(plan);
  const optimizer = rangeOptimizer(plan);
  for (let step = 0; step < plan.epochs * plan.stepsPerEpoch; step++) {
    const epoch = Math.floor(step / plan.stepsPerEpoch);
    const nodes = [0, 1, 2].flatMap((shard) => {
      const own = stepRows(plan, epoch, shard, step % plan.stepsPerEpoch, epochOrder(plan, epoch, shard));
      return net.sums([{ theta, batches: [{ shard, rows: own }], seed: plan.seed }], step, plan.shards)[0]!;
    });
    const { gradient, weight } = reduceNodes(nodes, plan.shards, addGradientSums)!;
    optimizer.update(theta, gradient, weight, step + 1);
  }
  return theta;
}

describe('networks trained together', () => {
  it('go on from any step with what they had come to', async () => {
    const plans = [planOf(0.01, 1), planOf(0.02, 2, { optimizer: { kind: 'sgd', learningRate: 0.1, momentum: 0.9 } })];
    const net = await loaded(plans[0]!);
    const expected = together(net, plans);
    let states = plans.map((plan) => firstState(plan, firstTheta(plan)));
    const losses: number[][] = [[], []];
    for (const [from, until] of [
      [0, 5],
      [5, 8],
      [8, 12],
    ] as const) {
      const many = new ManyNetworks(net, states, { from, until });
      while (!many.done) many.step();
      const results = many.results();
      results.forEach((result, m) => void losses[m]!.push(...result.losses));
      states = results.map(({ theta, optimizer, partial }, m) => ({ plan: plans[m]!, theta, optimizer, partial }));
    }
    expect(states.map(({ theta }) => [...theta])).toEqual(expected.map(({ theta }) => [...theta]));
    expect(losses).toEqual(expected.map((result) => result.losses));
    net.dispose();
  });

  it('go through the numbers of those trained alone: rates, seeds, optimizers and penalties of their own', async () => {
    const plans = [
      planOf(0.01, 1),
      planOf(0.03, 1),
      planOf(0.01, 2, { update: { l2: 0.01 } }),
      planOf(0.01, 3, { optimizer: { kind: 'sgd', learningRate: 0.1, momentum: 0.9 } }),
    ];
    const net = await loaded(plans[0]!);
    const results = together(net, plans);
    expect(results.map(({ theta }) => [...theta])).toEqual(plans.map((plan) => [...alone(net, plan)]));
    for (const { losses } of results) expect(losses).toHaveLength(3);
    net.dispose();
  });

  it('leave one that diverges behind, with the last weights that were numbers', async () => {
    const plans = [planOf(0.01, 1), planOf(1e30, 1), planOf(0.02, 1)];
    const net = await loaded(plans[0]!);
    const results = together(net, plans);
    expect(results[1]!.diverged).toMatchObject({ goodStep: 0 });
    expect([...results[1]!.theta]).toEqual([...initialTheta(network, 1)]);
    for (const m of [0, 2]) expect([...results[m]!.theta]).toEqual([...alone(net, plans[m]!)]);
    net.dispose();
  });
});
