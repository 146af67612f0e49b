/**
 * A member of an all-reduce in a process of its own, ordered about by its parent: it answers with its address, joins what it
 * is told to, and makes steps of a training whose gradients are functions of shard and step.
 */
import { createHash } from 'node:crypto';
import { nativeAddon } from '../../dist/native/addon.js';
import { HierarchicalExchange } from '../../dist/ps/allreduce/hierarchical-exchange.js';
import { SegmentMemory } from '../../dist/ps/allreduce/host-memory.js';
import { MeshExchange } from '../../dist/ps/allreduce/mesh-exchange.js';
import { planHierarchical } from '../../dist/ps/allreduce/plan-hierarchical.js';
import { planAllReduce } from '../../dist/ps/allreduce/planners.js';
import { SharedSegment, segmentBytes } from '../../dist/ps/allreduce/shared-segment.js';
import { joinMesh } from '../../dist/ps/mesh/join.js';
import { MeshListener } from '../../dist/ps/mesh/listener.js';
import { RangeOptimizer } from '../../dist/ps/optimizer/range-optimizer.js';
import { addGradientSums, mergeNodes, subtreeRoots } from '../../dist/ps/tree.js';

const listener = await MeshListener.listen('127.0.0.1');
const { signal } = new AbortController();
let training;
/** The shards' gradients, their memory kept from step to step. */
const vectors = new Map();

process.on('message', async (order) => {
  try {
    process.send({ ok: order.op === 'join' ? await join(order) : await steps(order) });
  } catch (error) {
    process.send({ failure: error.failure ?? { kind: 'user-error', message: error.stack } });
  }
});
process.on('disconnect', () => process.exit());
process.send({ ok: listener.address });

async function join({ rank, addresses, generation, algorithm, members, shards, length, clipNorm, hosts, files }) {
  await training?.exchange.close();
  const plan = hosts
    ? planHierarchical(members, hosts, shards, length)
    : planAllReduce(algorithm, { members, shards, length });
  const mesh = await joinMesh({ listener, rank, addresses, name: 'test', generation, step: 0, signal });
  const segments = [{ from: 0, to: length, kind: 'kernel' }];
  const spec = { optimizer: { kind: 'sgd', learningRate: 0.1 }, clipNorm };
  const optimizer = new RangeOptimizer(spec, segments, plan.owned[rank]);
  const theta = new Float32Array(length);
  const exchange = hosts
    ? new HierarchicalExchange({ plan, mesh, optimizer, memory: hostMemory(mesh, plan, members, files) })
    : new MeshExchange({ plan, mesh, shards, optimizer, theta });
  vectors.clear();
  training = { exchange, theta, shards, own: members[rank] };
}

/** Maps the files of the members of its host. */
function hostMemory({ rank, ended }, { hosts, shards, length }, members, files) {
  const group = hosts.find((ranks) => ranks.includes(rank));
  const segments = group.map((member) => {
    const shape = { length, nodes: subtreeRoots(members[member], shards).length };
    return new SharedSegment(nativeAddon().map(files[member], segmentBytes(shape)), shape);
  });
  return new SegmentMemory(group.indexOf(rank), segments, ended);
}

async function steps({ from, count, pauseMs = 0 }) {
  const { exchange, theta, shards, own } = training;
  for (let step = from; step < from + count; step++) {
    const leaves = own.map((index) => ({ level: 0, index, value: sumOf(step, index) }));
    const nodes = mergeNodes(leaves, shards, addGradientSums);
    await exchange.step(step, nodes, theta);
    if (pauseMs) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  globalThis.gc?.();
  const { rss, arrayBuffers } = process.memoryUsage();
  const peak = process.resourceUsage().maxRSS * 1024;
  return { hash: createHash('sha256').update(theta).digest('hex'), bytes: exchange.bytesSent, rss, arrayBuffers, peak };
}

/** The same whoever computes it. */
function sumOf(step, shard) {
  const { length } = training.theta;
  if (vectors.get(shard)?.length !== length) vectors.set(shard, new Float32Array(length));
  const gradient = vectors.get(shard);
  let state = (step * 7919 + shard * 104729 + 1) | 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    gradient[i] = state * 2 ** -31 * (1 + (i & 7));
  }
  return { gradient, rows: shard + 1, weight: shard + 1, lossSum: Math.sin(shard) };
}
