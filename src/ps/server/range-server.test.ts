import { afterEach, describe, expect, it } from 'vitest';
import { assignShards } from '../assign-shards.js';
import type { StepTotal } from '../exchange.js';
import { addGradientSums, mergeNodes } from '../tree.js';
import type { ServerExchange } from './server-exchange.js';
import { beginning, type GroupSettings, leaf, ServerGroup, SGD, sequential } from './testing/server-group.js';

const groups: ServerGroup[] = [];
afterEach(async () => {
  await Promise.all(groups.splice(0).map((group) => group.close()));
});

async function start(processes: number, settings?: GroupSettings): Promise<ServerGroup> {
  const group = await ServerGroup.start(processes, settings);
  groups.push(group);
  return group;
}

/** One member's steps; its sums are merged as far as they reach. */
class Member {
  readonly theta: Float32Array;
  readonly totals: StepTotal[] = [];

  constructor(
    readonly group: ServerGroup,
    readonly rank: number,
    readonly exchange: ServerExchange,
  ) {
    this.theta = beginning(group.length);
  }

  async run(from: number, to: number): Promise<void> {
    const { members, leaves } = this.group.init;
    const own = assignShards(leaves, members)[this.rank]!;
    for (let step = from; step < to; step++) {
      const leaves_ = Array.from({ length: own.to - own.from }, (_, k) => leaf(own.from + k, step, this.theta));
      const nodes = mergeNodes(leaves_, leaves, addGradientSums);
      this.totals.push(await this.exchange.step(step, nodes, this.theta));
    }
  }
}

async function members(group: ServerGroup): Promise<Member[]> {
  const exchanges = await group.joinAll();
  return exchanges.map((exchange, rank) => new Member(group, rank, exchange));
}

describe('synchronous servers', () => {
  it.each([
    [1, 1, 'even'],
    [2, 3, 'even'],
    [3, 2, { kind: 'round-robin' }],
    [3, 4, { kind: 'chunks', bytes: 16384 }],
    [4, 3, { kind: 'ring', virtual: 2 }],
    [8, 2, 'even'],
  ] as const)('%i servers and %i members by %j: the bits of plain training', async (processes, count, sharding) => {
    const group = await start(processes, { members: count, sharding });
    const all = await members(group);
    await Promise.all(all.map((member) => member.run(0, 5)));
    const expected = sequential(group, 5)[4]!;
    for (const { theta } of all) expect(theta).toEqual(expected);
    expect(group.theta()).toEqual(expected);
    for (const { totals } of all) expect(totals).toEqual(all[0]!.totals);
    expect(all[0]!.totals[0]).toMatchObject({ rows: 8, weight: 8 });
  });

  it.each(['even', { kind: 'ring', virtual: 2 }] as const)(
    'clip by the norm over all of theta: by %j',
    async (sharding) => {
      const group = await start(3, { sharding, update: { ...SGD, clipNorm: 0.5 } });
      const all = await members(group);
      await Promise.all(all.map((member) => member.run(0, 4)));
      expect(all[1]!.theta).toEqual(sequential(group, 4)[3]!);
    },
  );

  it('each move 2·W·D/S bytes a step, counted on both sides, when ranges are aligned', async () => {
    const [W, S, D] = [4, 2, 4 * 4096 * 4];
    const group = await start(S, { members: W, leaves: W, length: D / 4 });
    const all = await members(group);
    await Promise.all(all.map((member) => member.run(0, 3)));
    for (const { bytesIn, bytesOut } of group.servers.map((server) => server.status()))
      expect(bytesIn + bytesOut).toBe(3 * ((2 * W * D) / S));
    for (const { exchange } of all) expect([exchange.bytesSent, exchange.bytesReceived]).toEqual([3 * D, 3 * D]);
  });
});
