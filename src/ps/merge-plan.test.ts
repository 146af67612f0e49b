import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeGroups } from './merge-plan.js';
import { subtreeRoots } from './tree.js';

describe('merging sums before everybody reads them', () => {
  it('is not done when there are few', () => {
    const nodes = [3, 1, 2].map((index) => ({ level: 0, index }));
    expect(mergeGroups(nodes, 3)).toEqual([1, 2, 3].map((index) => [{ level: 0, index }]));
  });

  it('groups nodes under one subtree, at the lowest level that leaves few enough, each node once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 9 }), (shards, fanIn) => {
        const nodes = Array.from({ length: shards }, (_, index) => ({ level: 0, index }));
        const groups = mergeGroups(nodes, fanIn);
        expect(groups.length).toBeLessThanOrEqual(Math.max(fanIn, 1));
        expect(groups.flat()).toEqual(nodes);
        for (const group of groups)
          if (group.length > 1)
            expect(
              subtreeRoots(
                group.map(({ index }) => index),
                shards,
              ),
            ).toHaveLength(1);
      }),
      { seed: 9 },
    );
  });
});
