import { afterEach, expect, it } from 'vitest';
import { CHUNK } from '../slices.js';
import { beginning, type GroupSettings, leaf, ServerGroup } from './testing/server-group.js';

const groups: ServerGroup[] = [];
afterEach(async () => {
  await Promise.all(groups.splice(0).map((group) => group.close()));
});

const LENGTH = 64 * CHUNK;

/** Bytes that one member moves in each of some steps, over payload and beside it, and how many ranges a server has. */
async function steps(sharding: GroupSettings['sharding'], wire: 'float32' | 'bf16' = 'float32') {
  const group = await ServerGroup.start(2, { members: 1, leaves: 1, length: LENGTH, sharding });
  groups.push(group);
  const exchange = await group.join(0, { wire });
  const theta = beginning(LENGTH);
  const moved: { payload: number; overhead: number }[] = [];
  for (let step = 0; step < 12; step++) {
    const before = [exchange.bytesSent + exchange.bytesReceived, exchange.overheadBytes] as const;
    await exchange.step(step, [leaf(0, step, theta)], theta);
    const payload = exchange.bytesSent + exchange.bytesReceived - before[0];
    moved.push({ payload, overhead: exchange.overheadBytes - before[1] });
  }
  return { moved, ranges: group.placement.length };
}

it('a push and its answer name no keys: beside 4 bytes a weight each way there is one small header, for any number of ranges', async () => {
  const even = await steps('even');
  const ring = await steps({ kind: 'ring', virtual: 64 });
  expect([even.ranges, ring.ranges > 16]).toEqual([2, true]);
  for (const { moved } of [even, ring])
    for (const { payload, overhead } of moved) {
      expect(payload).toBe(2 * 4 * LENGTH);
      expect(overhead / 2).toBeLessThan(384); // to one server and back
    }
  // Alike from step to step but for the digits of numbers, and for all cuts.
  expect(ring.moved.map(({ overhead }) => overhead)).toEqual(even.moved.map(({ overhead }) => overhead));
  const [first, last] = [even.moved[0]!.overhead, even.moved.at(-1)!.overhead];
  expect(Math.abs(last - first)).toBeLessThan(32);
});

it('sums that are encoded tell the length of each range', async () => {
  const [plain, encoded] = [
    await steps({ kind: 'ring', virtual: 64 }),
    await steps({ kind: 'ring', virtual: 64 }, 'bf16'),
  ];
  const more = encoded.moved[0]!.overhead - plain.moved[0]!.overhead;
  expect(more).toBeGreaterThan(0);
  expect(more).toBeLessThan(8 * encoded.ranges + 2 * 32);
});
