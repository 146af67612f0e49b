import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addGradientSums, type GradientSum, mergeNodes, type ValueNode } from '../ps/tree.js';
import type { SumRequest } from './backend.js';
import { commonSubtree, SumsInParts } from './sums-in-parts.js';

const LENGTH = 3;
const theta = new Float32Array(LENGTH);
const request = (shards: readonly number[]): SumRequest => ({
  theta,
  batches: shards.map((shard) => ({ shard, rows: Int32Array.of(shard) })),
});

/** Sums whose bits tell the order of addition. */
function computed(requests: readonly SumRequest[], G: number): ValueNode<GradientSum>[][] {
  return requests.map(({ batches, into }) => {
    const leaves = batches.map(({ shard }): ValueNode<GradientSum> => {
      const gradient: Float32Array = Float32Array.from({ length: LENGTH }, (_, i) =>
        Math.fround(Math.sin(shard + 1000 * i)),
      );
      return { level: 0, index: shard, value: { gradient, lossSum: shard, rows: 1, weight: 2 } };
    });
    return mergeNodes(leaves, G, addGradientSums).map((node) => {
      const home = into?.(node);
      home?.set(node.value.gradient);
      return { ...node, value: { ...node.value, gradient: home ?? node.value.gradient } };
    });
  });
}

const someShards = fc.integer({ min: 1, max: 70 }).chain((G) => {
  const shards = fc.uniqueArray(fc.nat(G - 1), { minLength: 1 }).map((list) => list.sort((a, b) => a - b));
  return fc.tuple(fc.constant(G), fc.array(shards, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 9 }));
});

describe('sums in parts', () => {
  it('have the bits of one call, of parts no larger than asked, and keep them while others are computed', () => {
    fc.assert(
      fc.property(someShards, ([G, all, most]) => {
        const requests = all.map(request);
        const expected = computed(requests, G);
        const parts = new SumsInParts(LENGTH, most);
        const step = () =>
          parts.run(requests, G, (part) => {
            const shards = new Set(part.flatMap(({ batches }) => batches.map(({ shard }) => shard)));
            expect(shards.size).toBeLessThanOrEqual(most);
            return computed(part, G);
          });
        expect([step(), step(), step()]).toEqual([expected, expected, expected]);
      }),
    );
  });

  it('come about where they are wanted, and nothing else does', () => {
    const homes = new Map<number, Float32Array>([
      [0, new Float32Array(LENGTH)],
      [8, new Float32Array(LENGTH)],
    ]);
    const shards = Array.from({ length: 11 }, (_, shard) => shard); // of 16: roots over 0 … 7, 8 … 9 and 10
    const asked = {
      ...request(shards),
      into: ({ level, index }: { level: number; index: number }) => homes.get(index * 2 ** level),
    };
    const [sums] = new SumsInParts(LENGTH, 2).run([asked], 16, (part) => computed(part, 16));
    expect(sums).toEqual(computed([request(shards)], 16)[0]);
    expect(sums!.map(({ value }) => [...homes.values()].indexOf(value.gradient))).toEqual([0, 1, -1]);
  });
});

describe('the common subtree', () => {
  it.each([
    [[5], 8, { first: 5, size: 1 }],
    [[4, 7], 8, { first: 4, size: 4 }],
    [[3, 4], 8, { first: 0, size: 8 }],
    [[4, 5], 6, { first: 4, size: 2 }],
    [[4, 6], 7, { first: 4, size: 3 }],
  ])('of shards %j of %i', (shards, G, subtree) => {
    expect(commonSubtree([request(shards)], G)).toEqual(subtree);
  });
});
