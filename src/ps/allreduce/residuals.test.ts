import fc from 'fast-check';
import { expect, it } from 'vitest';
import { seeded } from '../../../test/support/seeded.js';
import { memoryMeshes } from '../mesh/testing/memory-mesh.js';
import { RangeOptimizer } from '../optimizer/range-optimizer.js';
import { CHUNK } from '../slices.js';
import { inherited, sumOf } from '../wire/residuals.js';
import { ThresholdCodec, TopKCodec } from '../wire/sparse.js';
import type { WireCodec } from '../wire/wire-codec.js';
import { MeshExchange } from './mesh-exchange.js';
import { planAllReduce } from './planners.js';

const LENGTH = 3 * CHUNK + 100;
const STEPS = 3;

/** Some generations of plain descent by the whole sum, each of so many members, who go on with what was left over. */
async function train(generations: readonly number[], codecOf: () => WireCodec, seed: number) {
  const given = new Float64Array(LENGTH);
  let theta: Float32Array = new Float32Array(LENGTH);
  let left: readonly Float32Array[] = [];
  let step = 0;
  for (const members of generations) {
    const shards = Array.from({ length: members }, (_, shard) => [shard]);
    const plan = planAllReduce('sliced', { members: shards, shards: members, length: LENGTH, merged: true });
    const segments = [{ from: 0, to: LENGTH, kind: 'kernel' as const }];
    const meshes = memoryMeshes(members);
    const ends = await Promise.all(
      meshes.map(async (mesh, rank) => {
        const codec = codecOf();
        const own = theta.slice();
        const owed = sumOf(inherited(left, members, rank));
        if (owed) codec.residual!.set(owed);
        const optimizer = new RangeOptimizer(
          { optimizer: { kind: 'sgd', learningRate: 1 } },
          segments,
          plan.owned[rank]!,
        );
        const exchange = new MeshExchange({ plan, mesh, shards: members, optimizer, theta: own, codec });
        for (let at = step; at < step + STEPS; at++) {
          const random = seeded(seed * 1000 + at * 10 + rank);
          const gradient = Float32Array.from({ length: LENGTH }, () => random() - 0.5);
          for (let i = 0; i < LENGTH; i++) given[i]! += gradient[i]!;
          const value = { gradient, rows: 1, weight: 1 / members, lossSum: 0 };
          await exchange.step(at, [{ level: 0, index: rank, value }], own);
        }
        return { theta: own, residual: exchange.residual! };
      }),
    );
    for (const end of ends) expect(Buffer.from(end.theta.buffer).equals(Buffer.from(ends[0]!.theta.buffer))).toBe(true);
    [theta, left] = [ends[0]!.theta, ends.map(({ residual }) => residual)];
    step += STEPS;
  }
  const residual = sumOf(left)!;
  return { given, arrived: theta.map((value) => -value), residual };
}

it('nothing is lost when the number of members changes: updates and residuals add up to all sums that were given', async () => {
  const counts = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
  const codecs = fc.constantFrom(
    () => new TopKCodec(0.02, LENGTH),
    () => new ThresholdCodec(0.4, LENGTH),
  );
  await fc.assert(
    fc.asyncProperty(counts, codecs, fc.nat(99), async (generations, codecOf, seed) => {
      const { given, arrived, residual } = await train(generations, codecOf, seed);
      let apart = 0;
      given.forEach((value, i) => {
        apart = Math.max(apart, Math.abs(arrived[i]! + residual[i]! - value));
      });
      expect(apart).toBeLessThan(1e-4);
    }),
    { numRuns: 12 },
  );
});

it('and what was left over a range is never kept by its owner, who sends it to nobody', async () => {
  const { given, arrived, residual } = await train([3, 1], () => new TopKCodec(0.02, LENGTH), 1);
  expect(residual.every((value) => value === 0)).toBe(true);
  expect(Math.max(...given.map((value, i) => Math.abs(arrived[i]! - value)))).toBeLessThan(1e-4);
});
