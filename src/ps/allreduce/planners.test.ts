import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignShards } from '../assign-shards.js';
import { CHUNK } from '../slices.js';
import { type Algorithm, bytesSentBy, messageBytes } from './plan.js';
import { planAllReduce } from './planners.js';

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const dealt = (shards: number, members: number) => assignShards(shards, members).map(({ from, to }) => range(from, to));
const algorithms = fc.constantFrom<Algorithm>('sliced', 'halving-doubling', 'ring');

describe('planAllReduce', () => {
  it('sends exactly 2 (N - 1) / N · D bytes a member, in as many steps as published, when ranges are equal', () => {
    for (const members of [1, 2, 4, 8]) {
      const length = members * CHUNK * 3;
      const bytes = (2 * (members - 1) * length * 4) / members;
      const shape = { members: dealt(16, members), shards: 16, length };
      for (const algorithm of ['sliced', 'halving-doubling', 'ring'] as const) {
        const plan = planAllReduce(algorithm, shape);
        expect(range(0, members).map((rank) => bytesSentBy(rank, plan))).toEqual(Array(members).fill(bytes));
        const steps = [...plan.reduce, ...plan.gather].filter((messages) => messages.length > 0).length;
        const published = {
          sliced: members > 1 ? 2 : 0,
          'halving-doubling': 2 * Math.log2(members),
          ring: 2 * (members - 1),
        };
        expect(steps).toBe(published[algorithm]);
      }
    }
    for (const members of [3, 5, 7]) {
      const length = members * CHUNK;
      const plan = planAllReduce('ring', { members: dealt(16, members), shards: 16, length });
      for (const rank of range(0, members))
        expect(bytesSentBy(rank, plan)).toBe((2 * (members - 1) * length * 4) / members);
      for (const messages of [...plan.reduce, ...plan.gather])
        for (const { from, to } of messages) expect(to).toBe((from + 1) % members);
    }
  });

  it('has owners that cover the vector once, and tells all of them every weight once', () => {
    const shapes = fc.record({
      shards: fc.integer({ min: 1, max: 20 }),
      members: fc.integer({ min: 1, max: 9 }),
      length: fc.oneof(fc.nat(3), fc.nat(40 * CHUNK)),
      algorithm: algorithms,
    });
    fc.assert(
      fc.property(shapes, ({ shards, members, length, algorithm }) => {
        const plan = planAllReduce(algorithm, { members: dealt(shards, members), shards, length });
        const owned = plan.owned.filter(({ from, to }) => to > from).sort((a, b) => a.from - b.from);
        let at = 0;
        for (const { from, to } of owned) {
          expect(from).toBe(at);
          expect(from % CHUNK).toBe(0);
          at = to;
        }
        expect(at).toBe(length);
        for (const rank of range(0, members)) {
          const { from, to } = plan.owned[rank]!;
          const received = plan.gather.flat().filter((message) => message.to === rank);
          expect(received.reduce((sum, message) => sum + messageBytes(message), 4 * (to - from))).toBe(4 * length);
        }
      }),
    );
  });
});
