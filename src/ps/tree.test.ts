import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignShards } from './assign-shards.js';
import {
  addGradientSums,
  addInto,
  type GradientSum,
  mergeNodes,
  reduceNodes,
  subtreeRoots,
  type ValueNode,
} from './tree.js';

/** Values whose float32 sum depends on the order of addition. */
function shardSum(shard: number): GradientSum {
  const gradient = Float32Array.from({ length: 8 }, (_, i) => Math.sin(shard * 31 + i) * 10 ** ((shard + i) % 7));
  return { gradient, lossSum: Math.cos(shard) * 10 ** (shard % 9), rows: shard, weight: shard };
}

const leaf = (index: number): ValueNode<GradientSum> => ({ level: 0, index, value: shardSum(index) });
const leaves = (shards: Iterable<number>) => Array.from(shards, leaf);
const merge = (nodes: ValueNode<GradientSum>[], G: number) => mergeNodes(nodes, G, addGradientSums);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe('mergeNodes', () => {
  it('gives the same bits for every assignment of shards to members, and every order of arrival', () => {
    const cases = fc.integer({ min: 1, max: 40 }).chain((G) =>
      fc.record({
        G: fc.constant(G),
        owners: fc.array(fc.nat(6), { minLength: G, maxLength: G }),
        relays: fc.array(fc.nat(2), { minLength: 7, maxLength: 7 }),
        reversed: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(cases, ({ G, owners, relays, reversed }) => {
        const expected = merge(leaves(range(0, G)), G);
        expect(expected).toHaveLength(1);
        // Members merge what they own; some relay through another holder, as a tree of executors does.
        const inbox: ValueNode<GradientSum>[][] = [[], [], []];
        for (let member = 0; member < 7; member++) {
          const owned = range(0, G).filter((shard) => owners[shard] === member);
          inbox[relays[member]!]!.push(...merge(leaves(reversed ? owned.reverse() : owned), G));
        }
        const arrived = inbox.flatMap((nodes) => merge(nodes, G));
        expect(merge(reversed ? arrived.reverse() : arrived, G)).toEqual(expected);
      }),
    );
  });

  it('waits for a sibling that another holder has, and passes by one that does not exist', () => {
    const text = (nodes: number[], G: number) =>
      mergeNodes(
        nodes.map((index) => ({ level: 0, index, value: String(index) })),
        G,
        (left, right) => `(${left}${right})`,
      ).map(({ level, index, value }) => `${level},${index}:${value}`);
    expect(text([0, 1, 2], 4)).toEqual(['1,0:(01)', '0,2:2']);
    expect(text([2, 0, 1], 3)).toEqual(['2,0:((01)2)']);
    expect(text([4], 5)).toEqual(['2,1:4']);
    expect(text([0, 1, 2, 3, 4], 5)).toEqual(['3,0:(((01)(23))4)']);
    expect(text([0], 1)).toEqual(['0,0:0']);
    expect(text([], 4)).toEqual([]);
  });

  it('refuses nodes that share shards or lie outside', () => {
    const node = (level: number, index: number) => ({ level, index, value: 0 });
    const add = (a: number, b: number) => a + b;
    expect(() => mergeNodes([node(1, 0), node(0, 1)], 4, add)).toThrow('nodes (1, 0) and (0, 1) share shards');
    expect(() => mergeNodes([node(0, 4)], 4, add)).toThrow('node (0, 4) lies outside the tree over 4 shards');
    expect(() => mergeNodes([node(3, 0)], 4, add)).toThrow(RangeError);
  });
});

describe('reduceNodes', () => {
  it('equals the merge of all, and skips what is absent', () => {
    expect(reduceNodes(leaves(range(0, 6)), 6, addGradientSums)).toEqual(merge(leaves(range(0, 6)), 6)[0]!.value);
    const bracket = (left: string, right: string) => `(${left}${right})`;
    const nodes = [3, 0, 5].map((index) => ({ level: 0, index, value: String(index) }));
    expect(reduceNodes(nodes, 8, bracket)).toBe('((03)5)');
    expect(reduceNodes([], 8, bracket)).toBeUndefined();
  });
});

describe('subtreeRoots', () => {
  it('gives the largest subtrees of a set', () => {
    expect(subtreeRoots(range(1, 8), 8)).toEqual([
      { level: 0, index: 1 },
      { level: 1, index: 1 },
      { level: 2, index: 1 },
    ]);
    expect(subtreeRoots([5, 4, 7], 8)).toEqual([
      { level: 1, index: 2 },
      { level: 0, index: 7 },
    ]);
  });
});

describe('assignShards', () => {
  it('covers all shards in contiguous ranges of nearly equal size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 70 }), (G, members) => {
        const ranges = assignShards(G, members);
        expect(ranges).toHaveLength(members);
        expect(ranges.flatMap(({ from, to }) => range(from, to))).toEqual(range(0, G));
        const sizes = ranges.map(({ from, to }) => to - from);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('leaves one subtree a member where it can', () => {
    const nodes = (G: number, members: number) =>
      assignShards(G, members).map(({ from, to }) => subtreeRoots(range(from, to), G).length);
    expect(nodes(8, 4)).toEqual([1, 1, 1, 1]);
    expect(nodes(8, 2)).toEqual([1, 1]);
    expect(nodes(4, 3)).toEqual([1, 1, 1]);
    expect(nodes(8, 3).reduce((a, b) => a + b)).toBe(5);
  });

  it('refuses no members', () => {
    expect(() => assignShards(4, 0)).toThrow('positive integer, got 0');
  });
});

describe('addInto', () => {
  it('adds in float32 and refuses other lengths', () => {
    expect(addInto(Float32Array.of(1, 0.1), Float32Array.of(2, 0.2))).toEqual(
      Float32Array.of(3, Math.fround(0.1) + Math.fround(0.2)),
    );
    expect(() => addInto(new Float32Array(2), new Float32Array(3))).toThrow('vectors of 2 and 3 values');
  });
});
