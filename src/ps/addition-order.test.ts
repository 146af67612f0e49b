import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addInOrder, additionOrder } from './addition-order.js';
import { reduceNodes, subtreeRoots } from './tree.js';
import { ADD } from './vector/kernels.js';

describe('the order of additions', () => {
  it('is that of the tree', () => {
    const nodes = [
      { level: 0, index: 0 },
      { level: 0, index: 1 },
      { level: 1, index: 1 },
    ];
    expect([...additionOrder(nodes, 4)]).toEqual([0, 1, ADD, 2, ADD]);
    expect([...additionOrder([{ level: 3, index: 0 }], 8)]).toEqual([0]);
  });

  it('adds what the tree adds, however shards are held and nodes are listed', () => {
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 40 })
          .chain((G) => fc.tuple(fc.constant(G), fc.array(fc.nat(5), { minLength: G, maxLength: G }), fc.boolean())),
        ([G, owners, backwards]) => {
          const held = [...new Set(owners)].flatMap((owner) =>
            subtreeRoots(
              [...owners.keys()].filter((shard) => owners[shard] === owner),
              G,
            ),
          );
          const nodes = backwards ? held.reverse() : held;
          const names = nodes.map(({ level, index }) => `${level}.${index}`);
          const add = (left: string, right: string) => `(${left}+${right})`;
          const tree = reduceNodes(
            nodes.map((node, k) => ({ ...node, value: names[k]! })),
            G,
            add,
          );
          expect(addInOrder(additionOrder(nodes, G), names, add)).toBe(tree);
        },
      ),
      { seed: 3 },
    );
  });
});
