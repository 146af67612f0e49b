import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Network } from './network.js';
import { defaultShards, epochOrder, numericalPlan, shardRows, stepRowCount, stepRows } from './numerical-plan.js';

const network: Network = { inputs: 2, hidden: [], outputs: 2, loss: 'softmax-cross-entropy' };
const base = {
  rows: 1000,
  batchSize: 256,
  epochs: 3,
  seed: 1,
  network,
  optimizer: { kind: 'adam', learningRate: 0.001 },
} as const;

const plans = fc
  .record({ rows: fc.integer({ min: 1, max: 400 }), batchSize: fc.integer({ min: 1, max: 500 }) })
  .chain(({ rows, batchSize }) =>
    fc.integer({ min: 1, max: 70 }).map((shards) => ({ ...base, rows, batchSize, shards })),
  )
  .map(numericalPlan);

const times = <T>(count: number, make: (k: number) => T) => Array.from({ length: count }, (_, k) => make(k));

describe('numericalPlan', () => {
  it('gives every row exactly once per epoch, for any rows, batch and shards', () => {
    fc.assert(
      fc.property(plans, fc.integer({ min: 0, max: 5 }), (plan, epoch) => {
        const seen = new Uint8Array(plan.rows);
        for (let shard = 0; shard < plan.shards; shard++) {
          const order = epochOrder(plan, epoch, shard);
          for (let step = 0; step < plan.stepsPerEpoch; step++) {
            const rows = stepRows(plan, epoch, shard, step, order);
            expect(rows.length).toBe(stepRowCount(plan, shard, step));
            for (const local of rows) seen[local * plan.shards + shard]!++;
          }
        }
        expect(seen.every((times) => times === 1)).toBe(true);
      }),
    );
  });

  it('makes steps of nearly equal size', () => {
    fc.assert(
      fc.property(plans, (plan) => {
        const sizes = Array.from({ length: plan.stepsPerEpoch }, (_, step) =>
          Array.from({ length: plan.shards }, (_, shard) => stepRowCount(plan, shard, step)).reduce((a, b) => a + b),
        );
        expect(sizes.reduce((a, b) => a + b, 0)).toBe(plan.rows);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(plan.shards);
      }),
    );
  });

  it('makes steps of nearly equal size of shards that have a row or two', () => {
    for (const [rows, batchSize, shards] of [
      [100, 10, 100],
      [150, 10, 100],
      [7, 2, 64],
    ] as const) {
      const plan = numericalPlan({ ...base, rows, batchSize, shards });
      const sizes = times(plan.stepsPerEpoch, (step) =>
        times(shards, (shard) => stepRowCount(plan, shard, step)).reduce((a, b) => a + b),
      );
      expect(sizes.reduce((a, b) => a + b)).toBe(rows);
      expect(Math.max(...sizes)).toBeLessThan(2 * batchSize);
      expect(Math.min(...sizes)).toBeGreaterThan(0);
    }
  });

  it('deals rows in turn', () => {
    const plan = numericalPlan({ ...base, rows: 10, shards: 4 });
    expect([0, 1, 2, 3].map((shard) => shardRows(plan, shard))).toEqual([3, 3, 2, 2]);
    const few = numericalPlan({ ...base, rows: 2, shards: 4 });
    expect([0, 1, 2, 3].map((shard) => shardRows(few, shard))).toEqual([1, 1, 0, 0]);
    expect(stepRows(few, 0, 3, 0)).toHaveLength(0);
  });

  it('shuffles anew in every epoch and shard, always the same', () => {
    const plan = numericalPlan({ ...base, shards: 2 });
    expect(stepRows(plan, 1, 0, 2)).toEqual(stepRows(plan, 1, 0, 2, epochOrder(plan, 1, 0)));
    expect(epochOrder(plan, 1, 0)).not.toEqual(epochOrder(plan, 2, 0));
    expect(epochOrder(plan, 1, 0)).not.toEqual(epochOrder(plan, 1, 1));
  });

  it('leaves about 128 rows a shard and step', () => {
    const cases: [rows: number, batch: number, shards: number][] = [
      [8000, 256, 2],
      [8000, 1024, 8],
      [8000, 200, 1],
      [8000, 400, 2],
      [100, 1024, 1],
      [1_000_000, 100_000, 64],
      [1, 1, 1],
    ];
    for (const [rows, batch, shards] of cases) expect(defaultShards(rows, batch)).toBe(shards);
    expect(numericalPlan(base).shards).toBe(2);
  });

  it('has a hash of its content alone', () => {
    const plan = numericalPlan(base);
    expect(plan.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(numericalPlan({ ...base, shards: 2 }).hash).toBe(plan.hash);
    const reordered = { learningRate: 0.001, kind: 'adam' } as const;
    expect(numericalPlan({ ...base, optimizer: reordered }).hash).toBe(plan.hash);
    const changes = [
      { seed: 2 },
      { rows: 1001 },
      { shards: 4 },
      { precision: 'bf16' as const },
      { network: { ...network, l2: 0.1 } },
    ];
    const hashes = changes.map((change) => numericalPlan({ ...base, ...change }).hash);
    expect(new Set([plan.hash, ...hashes]).size).toBe(6);
  });

  it('refuses what is no positive integer, by name', () => {
    expect(() => numericalPlan({ ...base, rows: 0 })).toThrow(
      'rows must be a positive integer, got 0 (no training rows?)',
    );
    expect(() => numericalPlan({ ...base, batchSize: 2.5 })).toThrow('batchSize');
    expect(() => numericalPlan({ ...base, shards: -1 })).toThrow('shards');
    expect(() => numericalPlan({ ...base, seed: Number.NaN })).toThrow('seed');
  });
});
