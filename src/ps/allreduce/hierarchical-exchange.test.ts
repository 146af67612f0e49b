import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seeded } from '../../../test/support/seeded.js';
import { assignShards } from '../assign-shards.js';
import type { StepTotal } from '../exchange.js';
import { memoryMeshes } from '../mesh/testing/memory-mesh.js';
import { RangeOptimizer, type UpdateSpec } from '../optimizer/range-optimizer.js';
import { CHUNK } from '../slices.js';
import { addGradientSums, type GradientSum, mergeNodes, type ValueNode } from '../tree.js';
import { HierarchicalExchange } from './hierarchical-exchange.js';
import type { HostMemory } from './host-memory.js';
import { messageBytes } from './plan.js';
import { planHierarchical } from './plan-hierarchical.js';

const STEPS = 3;
const SPEC: UpdateSpec = { optimizer: { kind: 'adam', learningRate: 0.1 } };
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const dealt = (shards: number, members: number) => assignShards(shards, members).map(({ from, to }) => range(from, to));

/** The memory of so many members of a host in one thread. */
function hostMemories(members: number, length: number): HostMemory[] {
  const theta = new Float32Array(length);
  const written: ValueNode<GradientSum>[][] = [];
  let waiting: (() => void)[] = [];
  return range(0, members).map((place) => ({
    theta,
    sums: [],
    write(nodes) {
      written[place] = [...nodes];
    },
    read() {
      const nodes = written.flat();
      return {
        vectors: nodes.map(({ level, index, value }) => ({ level, index, value: { from: 0, values: value.gradient } })),
        totals: nodes,
      };
    },
    async meet() {
      const all = new Promise<void>((resolve) => void waiting.push(resolve));
      if (waiting.length === members) {
        for (const resolve of waiting) resolve();
        waiting = [];
      }
      await all;
    },
  }));
}

function shardSum(seed: number, step: number, shard: number, length: number): GradientSum {
  const random = seeded(seed * 1009 + step * 101 + shard);
  const gradient = Float32Array.from({ length }, () => (random() - 0.5) * 10 ** Math.floor(random() * 6));
  const spread = { shards: 1, between: random() };
  return { gradient, lossSum: random() * 10 ** (shard % 9), rows: shard + 1, weight: shard + random(), spread };
}

/** @param hosts members of each */
async function train(hosts: readonly number[], shards: number, length: number, seed: number, spec = SPEC) {
  const names = hosts.flatMap((members, host) => Array<string>(members).fill(`host ${host}`));
  const members = dealt(shards, names.length);
  const plan = planHierarchical(members, names, shards, length);
  const random = seeded(seed);
  const meshes = memoryMeshes(names.length, () => Math.floor(random() * 3));
  const memories = hosts.flatMap((count) => hostMemories(count, length));
  const segments = [{ from: 0, to: length, kind: 'kernel' as const }];
  const runs = members.map(async (own, rank) => {
    const optimizer = new RangeOptimizer(spec, segments, plan.owned[rank]!);
    const [mesh, memory] = [meshes[rank]!, memories[rank]!];
    const exchange = new HierarchicalExchange({ plan, mesh, memory, optimizer, measure: true });
    // Every other member keeps weights of its own beside the shared ones.
    const theta = rank % 2 ? exchange.homes.theta : new Float32Array(length);
    const totals: StepTotal[] = [];
    for (let step = 0; step < STEPS; step++) {
      const leaves = own.map((index) => ({ level: 0, index, value: shardSum(seed, step, index, length) }));
      totals.push(await exchange.step(step, mergeNodes(leaves, shards, addGradientSums), theta));
    }
    await exchange.close();
    return { theta: theta.slice(), totals, bytes: exchange.bytesSent, state: exchange.state() };
  });
  return { plan, members: await Promise.all(runs) };
}

describe('HierarchicalExchange', () => {
  it('gives the bits of one member alone for any number of members on any number of hosts', async () => {
    const settings = fc.record({
      hosts: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
      shards: fc.integer({ min: 1, max: 16 }),
      length: fc.oneof(fc.constantFrom(0, 1, 5), fc.integer({ min: 1, max: 5 * CHUNK + 7 })),
      spec: fc.constantFrom<UpdateSpec>(SPEC, { ...SPEC, clipNorm: 0.5 }),
      seed: fc.nat(1000),
    });
    await fc.assert(
      fc.asyncProperty(settings, async ({ hosts, shards, length, spec, seed }) => {
        const alone = (await train([1], shards, length, seed, spec)).members[0]!;
        const { plan, members } = await train(hosts, shards, length, seed, spec);
        for (const [rank, { theta, totals, bytes, state }] of members.entries()) {
          expect(Buffer.from(theta.buffer).equals(Buffer.from(alone.theta.buffer))).toBe(true);
          expect(totals).toEqual(alone.totals);
          const sent = [...plan.reduce, ...plan.gather].filter(({ from }) => from === rank);
          expect(bytes).toBe(STEPS * sent.reduce((sum, message) => sum + messageBytes(message), 0));
          const { from, theta: owned } = state[0]!;
          expect(owned).toEqual(alone.theta.subarray(from, from + owned.length));
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe('planHierarchical', () => {
  it('sends 2 (H - 1) / H · D bytes a host, spread evenly over its members, however many these are', () => {
    for (const [hosts, each] of [
      [2, 1],
      [2, 4],
      [4, 2],
      [4, 4],
    ] as const) {
      const length = hosts * each * CHUNK;
      const names = range(0, hosts * each).map((rank) => `${Math.floor(rank / each)}`);
      const plan = planHierarchical(dealt(16, hosts * each), names, 16, length);
      const bytes = names.map((_, rank) =>
        [...plan.reduce, ...plan.gather]
          .filter(({ from }) => from === rank)
          .reduce((sum, message) => sum + messageBytes(message), 0),
      );
      expect(bytes).toEqual(names.map(() => (2 * (hosts - 1) * 4 * length) / hosts / each));
    }
  });
});
