import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nativeAddon } from '../../native/addon.js';
import { assignShards } from '../assign-shards.js';
import { totalOf } from '../exchange.js';
import { RangeOptimizer } from '../optimizer/range-optimizer.js';
import { clipScale, sumInOrder } from '../optimizer/update-spec.js';
import { slices } from '../slices.js';
import { addGradientSums, type GradientSum, mergeNodes, reduceNodes, subtreeRoots, type ValueNode } from '../tree.js';
import { SharedExchange } from './shared-exchange.js';
import { SharedSegment, segmentBytes } from './shared-segment.js';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'shared-exchange-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const spec = { optimizer: { kind: 'sgd', learningRate: 0.5, momentum: 0.9 }, clipNorm: 1 } as const;
const optimizer = (length: number, range = { from: 0, to: length }) =>
  new RangeOptimizer(spec, [{ from: 0, to: length, kind: 'kernel' }], range);

/** Values whose float32 sum depends on the order of addition. */
function leaf(index: number, step: number, length: number): ValueNode<GradientSum> {
  const gradient = Float32Array.from({ length }, (_, i) => Math.sin(index * 31 + i + step) * 10 ** ((index + i) % 7));
  return {
    level: 0,
    index,
    value: { gradient, lossSum: index + step / 3, rows: 2, weight: 2.5, spread: { shards: 1, between: index } },
  };
}

/** Members that map the same files, as processes would, in one process. */
function members(length: number, shards: number, count: number, signal = new AbortController().signal) {
  const owned = assignShards(shards, count).map(({ from, to }) =>
    Array.from({ length: to - from }, (_, k) => from + k),
  );
  const shapes = owned.map((own) => ({ length, nodes: subtreeRoots(own, shards).length }));
  const folder = mkdtempSync(join(directory, 'segments-'));
  for (const [rank, shape] of shapes.entries())
    writeFileSync(join(folder, `${rank}`), Buffer.alloc(segmentBytes(shape)));
  return slices(length, count).map((range, rank) => {
    const map = (shape: (typeof shapes)[number], k: number) =>
      new SharedSegment(nativeAddon()!.map(join(folder, `${k}`), segmentBytes(shape)), shape);
    const exchange = new SharedExchange(
      { rank, segments: shapes.map(map), shards, measure: true },
      optimizer(length, range),
      signal,
    );
    return { shards: owned[rank]!, exchange };
  });
}

describe('an exchange in shared memory', () => {
  it('gives every member the bits of the canonical tree, whatever their number', () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({ length: fc.integer({ min: 1, max: 20_000 }), shards: fc.integer({ min: 1, max: 9 }) }),
        fc.integer({ min: 1, max: 5 }),
        async ({ length, shards }, count) => {
          const expected = new Float32Array(length).fill(1);
          const alone = optimizer(length);
          const all = members(length, shards, Math.min(count, shards));
          const thetas = all.map(() => new Float32Array(length).fill(1));
          for (let step = 0; step < 3; step++) {
            const leaves = (own: readonly number[]) =>
              mergeNodes(
                own.map((index) => leaf(index, step, length)),
                shards,
                addGradientSums,
              );
            const total = reduceNodes(leaves([...Array(shards).keys()]), shards, addGradientSums)!;
            const square = sumInOrder(alone.norms(total.gradient));
            const scale = clipScale(1, alone.norms(total.gradient), total.weight);
            alone.update(expected, total.gradient, total.weight, step + 1, { scale });
            const totals = await Promise.all(
              all.map(({ shards: own, exchange }, rank) => exchange.step(step, leaves(own), thetas[rank]!)),
            );
            for (const each of totals) expect(each).toEqual({ ...totalOf(total), square });
            for (const theta of thetas) expect(theta).toEqual(expected);
          }
          const kept = all.flatMap(({ exchange }) => exchange.state());
          expect(kept.flatMap(({ slots }) => [...slots[0]!])).toEqual([...alone.slots[0]!]);
        },
      ),
      { numRuns: 25 },
    ));

  it('lets a member keep theta where all read it', async () => {
    const [one, other] = members(10_000, 2, 2);
    const theta = new Float32Array(10_000);
    const nodes = (index: number) => [leaf(index, 0, 10_000)];
    await Promise.all([
      one!.exchange.step(0, nodes(0), one!.exchange.homes.theta),
      other!.exchange.step(0, nodes(1), theta),
    ]);
    expect(one!.exchange.homes.theta).toEqual(theta);
    expect(theta.some((value) => value !== 0)).toBe(true);
  });

  it('ends the wait for a member that never comes', async () => {
    const ending = new AbortController();
    const [one] = members(10, 2, 2, ending.signal);
    const step = one!.exchange.step(0, [leaf(0, 0, 10)], new Float32Array(10));
    ending.abort(new Error('member 1 is lost'));
    await expect(step).rejects.toThrow('member 1 is lost');
  });
});
