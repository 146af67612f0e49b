import { describe, expect, it } from 'vitest';
import type { Blocks } from '../protocol/block.js';
import type { SlotContext } from '../protocol/program.js';
import { addGradientSums, type GradientSum, mergeNodes, type ValueNode } from '../ps/tree.js';
import type { Batch } from './backend.js';
import { numericalPlan } from './numerical-plan.js';
import { Replica } from './replica.js';
import { exampleData } from './testing/example-data.js';
import type { TrainingSpec } from './training-spec.js';

const ROWS = 50;
const network = {
  inputs: 5,
  hidden: [{ units: 7, activation: 'tanh' }],
  outputs: 3,
  loss: 'softmax-cross-entropy',
} as const;
const optimizer = { kind: 'adam', learningRate: 0.01 } as const;
const plan = numericalPlan({ rows: ROWS, batchSize: 16, epochs: 2, seed: 3, network, optimizer, shards: 3 });
const target = { kind: 'class', column: 'label', classes: ['a', 'b', 'c'] } as const;
const spec: TrainingSpec = { model: 'fit', plan, backend: 'tfjs-wasm', features: 'features', target };

function slot(): SlotContext {
  const held = new Map<string, unknown>();
  const residents = {
    get: (id: string) => held.get(id),
    set: (id: string, _scope: string, value: unknown) => {
      held.set(id, value);
      return value;
    },
  };
  return { residents } as unknown as SlotContext;
}

/** A replica that holds all shards: row r is local row floor(r / G) of shard r mod G. */
async function replica(): Promise<Replica> {
  const made = await Replica.resident(spec, slot());
  const { features, labels } = exampleData(network, ROWS, 1);
  for (let shard = 0; shard < plan.shards; shard++) {
    const rows = Array.from({ length: ROWS }, (_, row) => row).filter((row) => row % plan.shards === shard);
    const data = {
      features: Float32Array.from(rows.flatMap((row) => [...features.subarray(row * 5, row * 5 + 5)])),
      labels: Int32Array.from(rows, (row) => labels[row]!),
    };
    made.loadShard(shard, data, shard);
  }
  await made.restore(0, { step: 0, parts: [] }, {} as Blocks, {});
  return made;
}

const copies = (nodes: readonly ValueNode<GradientSum>[]) =>
  nodes.map(({ value, ...node }) => ({ ...node, value: { ...value, gradient: value.gradient.slice() } }));

describe('a replica', () => {
  it('is one a slot', async () => {
    const one = slot();
    expect(await Replica.resident(spec, one)).toBe(await Replica.resident(spec, one));
    expect(Replica.of('fit', one.residents)).toBeInstanceOf(Replica);
    expect(() => Replica.of('other', one.residents)).toThrow('this slot holds no replica of other');
  });

  it('gives the same sums whoever holds the shards, every row once an epoch', async () => {
    const [a, b, whole] = [await replica(), await replica(), await replica()];
    let rows = 0;
    for (let step = 0; step < plan.stepsPerEpoch; step++) {
      const parts = [...b.sums([1, 2]), ...a.sums([0])];
      const [sum] = whole.sums([2, 0, 1]);
      expect(mergeNodes(copies(parts), plan.shards, addGradientSums)).toEqual([sum]);
      rows += sum!.value.rows;
      for (const each of [a, b]) each.update(copies(parts));
      whole.update(copies([sum!]));
    }
    expect(rows).toBe(ROWS);
    expect(a.theta).toEqual(whole.theta);
    expect(b.state()).toEqual(whole.state());
  });

  it('keeps the shards that its slot owns, and takes others over again', async () => {
    const one = await replica();
    const other = await replica();
    const dropped: number[] = [];
    const { dropShard } = one.network;
    one.network.dropShard = (shard) => {
      dropped.push(shard);
      dropShard.call(one.network, shard);
    };
    one.keepOnly([1]);
    one.keepOnly([1]);
    expect(dropped).toEqual([0, 2]);
    expect(one.sums([1])).toEqual(other.sums([1]));
    one.loadShard(2, { features: new Float32Array(10), labels: new Int32Array(2) }, 7);
    expect([0, 1, 2].map((shard) => one.checksum(shard))).toEqual([undefined, 1, 7]);
    one.keepOnly([2]);
    expect(dropped.at(-1)).toBe(1);
  });

  it('does not count a shard as its own that could not be loaded', async () => {
    const one = await Replica.resident(spec, slot());
    const data = { features: new Float32Array(10), labels: new Int32Array(2) };
    const { loadShard } = one.network;
    one.network.loadShard = () => {
      throw new Error('no memory');
    };
    expect(() => one.loadShard(1, data, 7)).toThrow('no memory');
    expect([one.checksum(1), one.owned, one.residentBytes]).toEqual([undefined, [], 0]);
    one.network.loadShard = loadShard;
    one.loadShard(1, data, 7);
    expect([one.checksum(1), one.owned, one.residentBytes]).toEqual([7, [1], 40]);
  });

  it('makes no update of a step without rows', async () => {
    const one = await replica();
    const before = one.theta.slice();
    const nothing = { gradient: new Float32Array(before.length), lossSum: 0, rows: 0, weight: 0 };
    one.update([{ level: 2, index: 0, value: nothing }]);
    expect(one.theta).toEqual(before);
    expect(one.step).toBe(1);
  });

  it('refuses orders for another state, as a lost slot would', async () => {
    const one = await replica();
    one.expect(0, 0);
    for (const [generation, step] of [
      [1, 0],
      [0, 1],
    ] as const)
      expect(() => one.expect(generation, step)).toThrow(
        `the replica is at generation 0, step 0; the order is for generation ${generation}, step ${step}`,
      );
    expect(() => one.expect(0, 1)).toThrow(
      expect.objectContaining({ failure: expect.objectContaining({ kind: 'executor-lost' }) }),
    );
  });
});

describe('rows that lie on disk', () => {
  it.each([
    ['gradients', {}, 4, 3],
    // Of the steps between two merges.
    ['local steps', { local: { kind: 'average', steps: 3 } }, 2, 2],
  ] as const)('begin to be read a step before they are needed (%s)', async (_, change, merges, expected) => {
    const input = { rows: ROWS, batchSize: 16, epochs: 1, seed: 3, network, optimizer, shards: 2, ...change };
    const streamed = { ...spec, plan: numericalPlan(input), model: 'streamed' };
    const made = await Replica.resident(streamed, slot());
    const { features, labels } = exampleData(network, ROWS, 1);
    const half = { features: features.slice(0, (ROWS / 2) * 5), labels: Int32Array.from(labels.slice(0, ROWS / 2)) };
    for (const shard of [0, 1]) made.loadShard(shard, { ...half, given: 'streamed' }, 0);
    await made.restore(0, { step: 0, parts: [] }, {} as Blocks, {});
    const [soon, now]: [string[], string[]] = [[], []];
    const names = (batches: readonly Batch[]) => batches.map(({ shard, rows }) => `${shard}: ${rows}`).join(' ');
    const { sums } = made.network;
    made.network.prefetch = (batches) => void soon.push(names(batches));
    made.network.sums = (requests, step, shards) => {
      now.push(names(requests.flatMap(({ batches }) => batches)));
      return sums.call(made.network, requests, step, shards);
    };
    for (let step = 0; step < merges; step++) made.update(made.sums([0, 1]));
    expect(now).toHaveLength(4);
    expect(soon).toEqual(now.slice(1, 1 + expected));
    made.network.dispose();
  });
});
