import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignShards } from './assign-shards.js';
import { MERGE_FAN_IN, mergeGroups, planTree, sameNode, vectorsBetween } from './merge-plan.js';
import { addGradientSums, type GradientSum, mergeNodes, reduceNodes, type ValueNode } from './tree.js';

/** Values whose float32 sum depends on the order of addition. */
function leaf(index: number): ValueNode<GradientSum> {
  const gradient = Float32Array.from({ length: 3 }, (_, i) => Math.sin(index * 31 + i) * 10 ** ((index + i) % 7));
  return {
    level: 0,
    index,
    value: { gradient, lossSum: Math.cos(index) * 10 ** (index % 9), rows: index, weight: index },
  };
}

const leaves = (from: number, to: number) => Array.from({ length: to - from }, (_, k) => leaf(from + k));
const merge = (nodes: readonly ValueNode<GradientSum>[], G: number) => mergeNodes(nodes, G, addGradientSums);

/** What the members of a training send. */
const sumsOf = (G: number, members: number) =>
  assignShards(G, members).flatMap(({ from, to }) => merge(leaves(from, to), G));

const cases = fc.record({
  G: fc.integer({ min: 1, max: 128 }),
  members: fc.integer({ min: 1, max: 40 }),
  fanIn: fc.integer({ min: 1, max: MERGE_FAN_IN }),
});

describe('mergeGroups', () => {
  it('leaves the sum its bits, however many are merged before', () => {
    fc.assert(
      fc.property(cases, ({ G, members, fanIn }) => {
        const before = mergeGroups(sumsOf(G, members), fanIn).flatMap((group) => merge(group, G));
        expect(before.length).toBeLessThanOrEqual(fanIn);
        expect(reduceNodes(before, G, addGradientSums)).toEqual(merge(leaves(0, G), G)[0]!.value);
      }),
      { seed: 1 },
    );
  });

  it('puts every node into one group, in ascending order, whatever the order they come in', () => {
    fc.assert(
      fc.property(cases, fc.boolean(), ({ G, members, fanIn }, reversed) => {
        const nodes = sumsOf(G, members);
        const groups = mergeGroups(reversed ? [...nodes].reverse() : nodes, fanIn);
        expect(groups.flat()).toEqual(nodes);
        expect(groups.length).toBeLessThanOrEqual(Math.max(fanIn, 1));
      }),
      { seed: 2 },
    );
  });

  it('never needs more merging members than there are: a group lies across a border between two', () => {
    fc.assert(
      fc.property(cases, ({ G, members, fanIn }) => {
        const several = mergeGroups(sumsOf(G, members), fanIn).filter((group) => group.length > 1);
        expect(several.length).toBeLessThan(Math.max(Math.min(members, G), 2));
      }),
      { seed: 3 },
    );
  });

  it('merges nothing that is few enough, and whole subtrees of the lowest level that does', () => {
    const node = (level: number, index: number) => ({ level, index });
    expect(mergeGroups([node(0, 1), node(0, 0)], 2)).toEqual([[node(0, 0)], [node(0, 1)]]);
    expect(
      mergeGroups(
        [0, 1, 2, 3].map((index) => node(0, index)),
        2,
      ),
    ).toEqual([
      [node(0, 0), node(0, 1)],
      [node(0, 2), node(0, 3)],
    ]);
    expect(mergeGroups([node(2, 0), node(0, 4), node(0, 5), node(1, 3)], 3)).toEqual([
      [node(2, 0)],
      [node(0, 4), node(0, 5)],
      [node(1, 3)],
    ]);
    expect(mergeGroups([], 2)).toEqual([]);
  });
});

describe('planTree', () => {
  const shapes = fc.record({
    G: fc.integer({ min: 1, max: 96 }),
    slots: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 12 }),
    fanIn: fc.integer({ min: 1, max: MERGE_FAN_IN }),
  });
  /** Shards of each slot, by executor; executors without any take no part. */
  function dealt(G: number, slots: readonly number[]): number[][][] {
    const members = Math.min(
      slots.reduce((a, b) => a + b),
      G,
    );
    const own = assignShards(G, members).map(({ from, to }) => Array.from({ length: to - from }, (_, k) => from + k));
    return slots.map((count) => own.splice(0, count)).filter(({ length }) => length > 0);
  }

  it('leaves the sum its bits; every sum is merged in a slot that there is, of an executor that holds part of it', () => {
    fc.assert(
      fc.property(shapes, ({ G, slots, fanIn }) => {
        const executors = dealt(G, slots);
        const plan = planTree(executors, G, fanIn);
        let sums = executors.flat().flatMap((own) => merge(own.map(leaf), G));
        for (const merges of [plan.within, plan.between]) {
          const results = merges.map(({ executor, member, nodes, into }) => {
            expect(executors[executor]![member]).toBeDefined();
            const [result, ...others] = merge(
              nodes.map((node) => sums.find((sum) => sameNode(sum, node))!),
              G,
            );
            expect(others).toEqual([]);
            expect(sameNode(result!, into)).toBe(true);
            return result!;
          });
          const merged = merges.flatMap(({ nodes }) => nodes);
          sums = [...sums.filter((sum) => !merged.some((node) => sameNode(node, sum))), ...results];
        }
        expect(sums).toHaveLength(plan.applied.length);
        for (const node of plan.applied) expect(sums.some((sum) => sameNode(sum, node))).toBe(true);
        expect(plan.applied.length).toBeLessThanOrEqual(fanIn);
        expect(reduceNodes(sums, G, addGradientSums)).toEqual(merge(leaves(0, G), G)[0]!.value);
      }),
      { seed: 4 },
    );
  });

  it('merges within executors before anything travels: one vector a subtree and executor goes to each other one', () => {
    const plan = planTree(
      [
        [
          [0, 1],
          [2, 3],
        ],
        [
          [4, 5],
          [6, 7],
        ],
      ],
      8,
    );
    expect(plan.within).toEqual([
      {
        executor: 0,
        member: 0,
        nodes: [
          { level: 1, index: 0 },
          { level: 1, index: 1 },
        ],
        into: { level: 2, index: 0 },
      },
      {
        executor: 1,
        member: 0,
        nodes: [
          { level: 1, index: 2 },
          { level: 1, index: 3 },
        ],
        into: { level: 2, index: 1 },
      },
    ]);
    expect(plan.between).toEqual([]);
    expect(plan.applied).toEqual([
      { level: 2, index: 0, executor: 0 },
      { level: 2, index: 1, executor: 1 },
    ]);
    expect(vectorsBetween(plan, 2)).toBe(2);
  });

  it('leaves the sums of a single executor to all its slots while they are few', () => {
    const plan = planTree([dealt(16, [4])[0]!], 16);
    expect([plan.within, plan.between]).toEqual([[], []]);
    expect(plan.applied).toHaveLength(4);
    expect(vectorsBetween(plan, 1)).toBe(0);
    expect(planTree([dealt(64, [16])[0]!], 64).within).toHaveLength(8);
  });

  it('has those merge that hold part of it, in turn, where executors are many', () => {
    const plan = planTree(dealt(32, Array(16).fill(2)), 32);
    expect(plan.given).toHaveLength(16);
    expect(plan.between.map(({ executor }) => executor)).toEqual([0, 2, 4, 6, 8, 10, 12, 14]);
    // Half of what is merged lies elsewhere; the eight sums then go to fifteen others.
    expect(vectorsBetween(plan, 16)).toBe(8 + 8 * 15);
  });
});
