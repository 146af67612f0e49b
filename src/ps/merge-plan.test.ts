import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignShards } from './assign-shards.js';
import { MERGE_FAN_IN, mergeGroups } from './merge-plan.js';
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
