import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seeded } from '../../../test/support/seeded.js';
import { assignShards } from '../assign-shards.js';
import type { StepTotal } from '../exchange.js';
import { memoryMeshes } from '../mesh/testing/memory-mesh.js';
import { RangeOptimizer, type UpdateSpec } from '../optimizer/range-optimizer.js';
import { sumInOrder } from '../optimizer/update-spec.js';
import { CHUNK } from '../slices.js';
import { addGradientSums, type GradientSum, mergeNodes, reduceNodes, type ValueNode } from '../tree.js';
import { Bf16Codec } from '../wire/bf16.js';
import { TopKCodec } from '../wire/sparse.js';
import type { WireCodec } from '../wire/wire-codec.js';
import { MeshExchange } from './mesh-exchange.js';
import { type Algorithm, bytesSentBy } from './plan.js';
import { planAllReduce } from './planners.js';

interface Setting {
  readonly shards: number;
  readonly members: number;
  readonly length: number;
  readonly algorithm: Algorithm;
  readonly spec?: UpdateSpec;
  readonly codec?: (length: number) => WireCodec;
}

const STEPS = 3;
const MOMENTUM: UpdateSpec = { optimizer: { kind: 'sgd', learningRate: 0.1, momentum: 0.9 } };
const PLAIN: UpdateSpec = { optimizer: { kind: 'sgd', learningRate: 1 } };

/** Values whose float32 sum depends on the order of addition. */
function shardSum(seed: number, step: number, shard: number, length: number): GradientSum {
  const random = seeded(seed * 1009 + step * 101 + shard);
  const gradient = Float32Array.from({ length }, () => (random() - 0.5) * 10 ** Math.floor(random() * 6));
  const spread = { shards: 1, between: random() };
  return { gradient, lossSum: random() * 10 ** (shard % 9), rows: shard + 1, weight: shard + random(), spread };
}

/** Some steps of training with momentum, each member a promise of its own. */
async function train({ shards, members, length, algorithm, codec, spec = MOMENTUM }: Setting, seed: number) {
  const random = seeded(seed);
  const dealt = assignShards(shards, members).map(({ from, to }) =>
    Array.from({ length: to - from }, (_, i) => from + i),
  );
  const plan = planAllReduce(algorithm, { members: dealt, shards, length, ...(codec && { merged: true }) });
  const meshes = memoryMeshes(members, () => Math.floor(random() * 3));
  const segments = [{ from: 0, to: length, kind: 'kernel' as const }];
  const runs = dealt.map(async (own, rank) => {
    const theta = Float32Array.from({ length }, (_, i) => Math.sin(i));
    const exchange = new MeshExchange({
      ...{ plan, mesh: meshes[rank]!, shards, theta, measure: true },
      optimizer: new RangeOptimizer(spec, segments, plan.owned[rank]!),
      ...(codec && { codec: codec(length) }),
    });
    const totals: StepTotal[] = [];
    for (let step = 0; step < STEPS; step++) {
      const leaves = own.map(
        (index): ValueNode<GradientSum> => ({ level: 0, index, value: shardSum(seed, step, index, length) }),
      );
      totals.push(await exchange.step(step, mergeNodes(leaves, shards, addGradientSums), theta));
    }
    await exchange.close();
    return { theta, totals, bytes: exchange.bytesSent, state: exchange.state() };
  });
  return { plan, members: await Promise.all(runs) };
}

const settings = (algorithms: readonly Algorithm[]) =>
  fc.record({
    shards: fc.integer({ min: 1, max: 16 }),
    members: fc.integer({ min: 1, max: 9 }),
    length: fc.oneof(fc.constantFrom(0, 1, 5), fc.integer({ min: 1, max: 3 * CHUNK + 7 })),
    algorithm: fc.constantFrom(...algorithms),
    spec: fc.constantFrom<UpdateSpec>(MOMENTUM, { ...MOMENTUM, clipNorm: 0.5 }),
  });

describe('MeshExchange', () => {
  it('gives the bits of one member alone, in the canonical plans, and counts the bytes that the plan predicts', async () => {
    await fc.assert(
      fc.asyncProperty(settings(['sliced', 'halving-doubling']), fc.nat(1000), async (setting, seed) => {
        const alone = (await train({ ...setting, members: 1 }, seed)).members[0]!;
        const { plan, members } = await train(setting, seed);
        for (const [rank, { theta, totals, bytes, state }] of members.entries()) {
          expect(Buffer.from(theta.buffer).equals(Buffer.from(alone.theta.buffer))).toBe(true);
          expect(totals).toEqual(alone.totals);
          expect(bytes).toBe(STEPS * bytesSentBy(rank, plan));
          const [{ from, slots }] = state as [(typeof state)[0]];
          const whole = alone.state[0]!.slots;
          slots.forEach((slot, k) => void expect(slot).toEqual(whole[k]!.subarray(from, from + slot.length)));
        }
      }),
      { numRuns: 40 },
    );
  });

  it('tells all members how far the gradients of shards lie apart, and the square of their sum', async () => {
    const length = 2 * CHUNK + 1;
    const { members } = await train({ shards: 5, members: 3, length, algorithm: 'sliced' }, 1);
    const leaves = Array.from({ length: 5 }, (_, index) => ({ level: 0, index, value: shardSum(1, 0, index, length) }));
    const sum = reduceNodes(leaves, 5, addGradientSums)!;
    const optimizer = new RangeOptimizer(PLAIN, [{ from: 0, to: length, kind: 'kernel' }], { from: 0, to: length });
    const square = sumInOrder(optimizer.norms(sum.gradient));
    for (const { totals } of members) expect(totals[0]).toMatchObject({ square, spread: sum.spread });
    expect(sum.spread!.shards).toBe(5);
  });

  it('sums in rank order on the plain ring: equal weights for all, close to the canonical ones', async () => {
    await fc.assert(
      fc.asyncProperty(settings(['ring']), fc.nat(1000), async (setting, seed) => {
        const alone = (await train({ ...setting, members: 1 }, seed)).members[0]!;
        const { plan, members } = await train(setting, seed);
        for (const [rank, { theta, totals, bytes }] of members.entries()) {
          expect(theta).toEqual(members[0]!.theta);
          const apart = theta.reduce((most, value, i) => Math.max(most, Math.abs(value - alone.theta[i]!)), 0);
          expect(apart).toBeLessThan(0.05);
          totals.forEach(({ rows }, step) => void expect(rows).toBe(alone.totals[step]!.rows));
          expect(totals).toEqual(members[0]!.totals);
          expect(bytes).toBe(STEPS * bytesSentBy(rank, plan));
        }
      }),
      { numRuns: 20 },
    );
  });

  it('sends half the bytes of sums in bfloat16, and all of the weights', async () => {
    for (const algorithm of ['sliced', 'ring'] as const) {
      const setting = { shards: 4, members: 4, length: 4 * CHUNK, algorithm };
      const exact = await train(setting, 1);
      const rounded = await train({ ...setting, codec: () => new Bf16Codec() }, 1);
      for (const [rank, { theta, bytes }] of rounded.members.entries()) {
        expect(bytes).toBe((exact.members[rank]!.bytes * 3) / 4);
        expect(theta).toEqual(rounded.members[0]!.theta);
        expect(theta).not.toEqual(exact.members[0]!.theta);
      }
    }
  });

  it('keeps all members at the same weights when sums are sparse', async () => {
    const setting = { shards: 5, members: 3, length: 3 * CHUNK + 5, algorithm: 'sliced' as const };
    const { members } = await train({ ...setting, codec: (length) => new TopKCodec(0.01, length) }, 3);
    for (const { theta } of members) expect(theta).toEqual(members[0]!.theta);
    expect(members[1]!.bytes).toBeLessThan((await train(setting, 3)).members[1]!.bytes * 0.6);
  });

  it('refuses sums that were not planned, and the others do not wait for ever', async () => {
    const members = [[0], [1]];
    const plan = planAllReduce('sliced', { members, shards: 2, length: 4 });
    const meshes = memoryMeshes(2);
    const exchanges = meshes.map((mesh, rank) => {
      const optimizer = new RangeOptimizer(
        { optimizer: { kind: 'sgd', learningRate: 1 } } as never,
        [],
        plan.owned[rank]!,
      );
      return new MeshExchange({ plan, mesh, shards: 2, optimizer, theta: new Float32Array(4) });
    });
    const good = { level: 0, index: 0, value: shardSum(1, 0, 0, 4) };
    const waiting = exchanges[0]!.step(0, [good], new Float32Array(4));
    const other = exchanges[1]!.step(0, [good], new Float32Array(4));
    await expect(other).rejects.toThrow('member 1 gives other sums than those planned');
    await expect(waiting).rejects.toThrow('member 1 gives other sums than those planned');
  });

  it('checks its options', () => {
    const plan = planAllReduce('halving-doubling', { members: [[0], [1]], shards: 2, length: 4, merged: true });
    const [mesh] = memoryMeshes(2);
    const made = (range: { from: number; to: number }, length: number, codec?: WireCodec) => () =>
      new MeshExchange({
        ...{ plan, mesh: mesh!, shards: 2, optimizer: new RangeOptimizer(PLAIN, [], range) },
        ...{ theta: new Float32Array(length), codec },
      });
    const owned = plan.owned[0]!;
    expect(made({ from: 0, to: 2 }, 4)).toThrow("its optimizer's range is 0 to 2");
    expect(made(owned, 5)).toThrow('the plan is for 4 values, theta has 5');
    expect(made(owned, 4, new Bf16Codec())).toThrow('wire format bf16 does not go with halving-doubling');
  });
});
