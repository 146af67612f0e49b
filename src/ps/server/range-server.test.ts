import { connect } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { assignShards } from '../assign-shards.js';
import type { StepTotal } from '../exchange.js';
import { addGradientSums, mergeNodes } from '../tree.js';
import type { Consistency } from './consistency.js';
import { Link, LinkLost } from './link.js';
import type { ServerExchange, ServersOrder } from './server-exchange.js';
import { beginning, type GroupSettings, leaf, ServerGroup, SGD, sequential, TOKEN } from './testing/server-group.js';

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

  async run(from: number, to: number, before: (step: number) => unknown = () => {}): Promise<void> {
    const { members, leaves } = this.group.init;
    const own = assignShards(leaves, members)[this.rank]!;
    for (let step = from; step < to; step++) {
      await before(step);
      const sums = Array.from({ length: own.to - own.from }, (_, k) => leaf(own.from + k, step, this.theta));
      this.totals.push(await this.exchange.step(step, mergeNodes(sums, leaves, addGradientSums), this.theta));
    }
  }
}

async function members(group: ServerGroup, more?: Partial<ServersOrder>): Promise<Member[]> {
  const exchanges = await group.joinAll(more);
  return exchanges.map((exchange, rank) => new Member(group, rank, exchange));
}

/** Much faster than comparing element by element. */
function expectSame(actual: Float32Array, expected: Float32Array): void {
  const bytes = (values: Float32Array) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  expect(bytes(actual).equals(bytes(expected))).toBe(true);
}

function expectBits(group: ServerGroup, all: readonly Member[], steps: number): void {
  const expected = sequential(group, steps)[steps - 1]!;
  for (const { theta } of all) expectSame(theta, expected);
  expectSame(group.theta(), expected);
}

const lost = { failure: { kind: 'executor-lost' } };

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
    expectBits(group, all, 5);
    for (const { totals } of all) expect(totals).toEqual(all[0]!.totals);
    expect(all[0]!.totals[0]).toMatchObject({ rows: 8, weight: 8 });
  });

  it.each(['even', { kind: 'ring', virtual: 2 }] as const)(
    'clip by the norm over all of theta: by %j',
    async (sharding) => {
      const group = await start(3, { sharding, update: { ...SGD, clipNorm: 0.5 } });
      const all = await members(group);
      await Promise.all(all.map((member) => member.run(0, 4)));
      expectBits(group, all, 4);
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

  it('end for all when a member is lost: whoever waits, pushes later or comes', async () => {
    const group = await start(2, { members: 3, graceMs: 20 });
    const abort = new AbortController();
    const exchanges = [await group.join(0), await group.join(1), await group.join(2, {}, abort)];
    const [first, second] = exchanges.map((exchange, rank) => new Member(group, rank, exchange));
    const waiting = first!.run(0, 1);
    waiting.catch(() => {});
    abort.abort(new Error('killed'));
    await expect(waiting).rejects.toMatchObject({
      failure: { kind: 'executor-lost', message: expect.stringMatching(/member 2 was lost in step 0/) },
    });
    await expect(second!.run(0, 1)).rejects.toMatchObject(lost);
  });

  it('end the wait of a member that is cancelled, with the reason', async () => {
    const group = await start(1);
    const abort = new AbortController();
    const member = new Member(group, 0, await group.join(0, {}, abort));
    const waiting = member.run(0, 1);
    waiting.catch(() => {});
    abort.abort(new Error('cancelled'));
    await expect(waiting).rejects.toThrow('cancelled');
  });

  it('give what plain training gives, however often connections are cut', async () => {
    // After joining; in mailboxes' headers or in vectors. A fourth would be taken for a server that refuses.
    const bytes = fc.oneof(fc.integer({ min: 800, max: 4000 }), fc.integer({ min: 800, max: 200_000 }));
    const cuts = fc.array(bytes, { maxLength: 3 });
    let seen = 0;
    await fc.assert(
      fc.asyncProperty(cuts, fc.integer({ min: 1, max: 3 }), async (all, count) => {
        const group = await start(2, { members: count });
        await group.cutConnections(all);
        const joined = await members(group);
        await Promise.all(joined.map((member) => member.run(0, 6)));
        expectBits(group, joined, 6);
        seen += group.proxies.reduce((sum, proxy) => sum + proxy.cuts, 0);
        await groups.pop()!.close();
      }),
      { seed: 4, numRuns: 12, endOnFailure: true },
    );
    expect(seen).toBeGreaterThan(10);
  });
});

describe('a lost server', () => {
  it('without replicas ends the round', async () => {
    const group = await start(2);
    const all = await members(group);
    const kill = (step: number) => step === 2 && group.kill(1);
    const ends = await Promise.allSettled([all[0]!.run(0, 4, kill), all[1]!.run(0, 4)]);
    for (const end of ends) expect(end).toMatchObject({ status: 'rejected', reason: lost });
  });

  it.each(['even', { kind: 'chunks', bytes: 16384 }] as const)(
    'is replaced from its replica, one after the other, with the same bits: by %j',
    async (sharding) => {
      const group = await start(4, { members: 3, replicas: 1, sharding, update: { ...SGD, clipNorm: 0.5 } });
      const all = await members(group);
      // The one that has taken over is next: by then its shards have new replicas.
      const kill = async (step: number) => {
        if (step === 2) await group.kill(1);
        if (step === 4) await group.kill(2);
        if (step === 6) await group.kill(3);
      };
      await Promise.all([all[0]!.run(0, 8, kill), all[1]!.run(0, 8), all[2]!.run(0, 8)]);
      expectBits(group, all, 8);
      expect(
        group.servers[0]!.status()
          .shards.map(({ shard }) => shard)
          .sort(),
      ).toEqual([0, 1, 2, 3]);
    },
  );

  it('may be lost with k - 1 others at the same time, but not with k', async () => {
    const run = async (replicas: number) => {
      const group = await start(4, { members: 2, replicas });
      const all = await members(group);
      const kill = async (step: number) => {
        if (step === 2) await Promise.all([group.kill(1), group.kill(2)]);
      };
      const ends = await Promise.allSettled([all[0]!.run(0, 5, kill), all[1]!.run(0, 5)]);
      if (ends.every(({ status }) => status === 'fulfilled')) expectBits(group, all, 5);
      return ends.map(({ status }) => status);
    };
    expect(await run(2)).toEqual(['fulfilled', 'fulfilled']);
    expect(await run(1)).toEqual(['rejected', 'rejected']);
  });

  it('is noticed by members that ask for nothing, so that others need not wait for them', async () => {
    const group = await start(3, { members: 2, replicas: 1, consistency: 'async' });
    const all = await members(group);
    await all[0]!.run(0, 1);
    await all[1]!.run(0, 5, (step) => step === 2 && group.kill(1));
    await all[0]!.run(1, 3);
  });

  it('is not taken over while some member still reaches it: the others give up', async () => {
    const group = await start(3, { members: 2, replicas: 1, graceMs: 20 });
    const near = new Member(group, 1, await group.join(1));
    await group.cutConnections([]);
    const far = new Member(group, 0, await group.join(0, { takeoverMs: 50 }));
    const cut = (step: number) => step === 2 && group.proxies[1]!.close();
    const ends = await Promise.allSettled([far.run(0, 4, cut), near.run(0, 4)]);
    expect(ends[0]).toMatchObject({ reason: { failure: { message: expect.stringMatching(/not all members lost/) } } });
    expect(ends[1]).toMatchObject({ reason: lost });
    expect([...group.servers[2]!.shards.primaries.keys()]).toEqual([2]);
  });
});

describe('servers that update at arrival', () => {
  /** Each push is a number of its own in every element: what is lost or doubled shows. */
  const push = (member: number, step: number, steps: number, length: number) => {
    const gradient = new Float32Array(length).fill(-(2 ** (member * steps + step)));
    return [{ level: 0, index: member, value: { gradient, rows: 1, weight: 1, lossSum: member } }];
  };

  it.each([
    ['async', 0],
    [{ staleness: 2 }, 0],
    ['async', 1],
    [{ staleness: 2 }, 1],
  ] as const)('in mode %j make every push one update while %i servers are lost', async (consistency, kills) => {
    const [W, steps] = [3, 7];
    const update = { optimizer: { kind: 'sgd', learningRate: W } } as const; // times a share of 1 / W
    const group = await start(3, { members: W, consistency, replicas: 1, update });
    const exchanges = await group.joinAll();
    await Promise.all(
      exchanges.map(async (exchange, member) => {
        const theta = beginning(group.length);
        for (let step = 0; step < steps; step++) {
          if (kills && member === 0 && step === 3) await group.kill(1);
          const total = await exchange.step(step, push(member, step, steps, group.length), theta);
          expect(total).toEqual({ rows: 1, weight: 1, lossSum: member });
        }
      }),
    );
    const before = beginning(group.length);
    const grown = group.theta().map((value, i) => Math.round(value - before[i]!));
    expectSame(grown, new Float32Array(group.length).fill(2 ** (W * steps) - 1));
  });

  it('are saved whole when a server is lost and nobody is left to take over', async () => {
    const group = await start(3, { members: 2, consistency: 'async', replicas: 1 });
    const all = await members(group);
    await Promise.all(all.map((member) => member.run(0, 3)));
    const theta = group.theta();
    await Promise.all(all.map(({ exchange }) => exchange.close()));
    await group.kill(1);
    for (const process of [0, 2]) {
      const link = await Link.open(group.addresses()[process]!);
      await link.ask({ kind: 'end', token: TOKEN });
      await link.ask({ kind: 'save', token: TOKEN, scope: 's', step: 3, orphans: [1] });
      link.close();
    }
    const saved = new Float32Array(group.length);
    for (const state of group.saved) saved.set(state.theta, state.from);
    expectSame(saved, theta);
    expect(group.saved.map(({ from }) => from).sort((a, b) => a - b)).toEqual(group.placement.map(({ from }) => from));
  });

  it('let nobody be more than t steps ahead, though one member is slow', async () => {
    const group = await start(2, { members: 2, consistency: { staleness: 2 } });
    const [fast, slow] = await members(group);
    let sent = 0;
    const clocksOf = (member: number) =>
      group.servers.flatMap((server) => server.status().shards.map(({ clocks }) => clocks[member]![1]));
    const runs = fast!.run(0, 6, (step) => expect(step - sent).toBeLessThanOrEqual(2));
    for (let step = 0; step < 6; step++) {
      await vi.waitUntil(() => clocksOf(0).every((clock) => clock === Math.min(6, step + 3)));
      await new Promise((resolve) => setTimeout(resolve, 5)); // what the fast one waits at least
      sent = step + 1; // it counts when it arrives, before the slow one hears of it
      await slow!.run(step, step + 1);
    }
    await runs;
    const { waitedMs } = group.servers[0]!.status();
    expect(waitedMs).toBeGreaterThan(0);
  });

  it('send weights only as often as staleness asks for, with caches', async () => {
    const received = async (cache: boolean) => {
      const group = await start(2, { members: 2, consistency: { staleness: 3 } });
      const all = await members(group, { cache });
      for (let step = 0; step < 8; step++) await Promise.all(all.map((member) => member.run(step, step + 1)));
      return all.map(({ exchange }) => exchange.bytesReceived / (4 * group.length));
    };
    expect(await received(false)).toEqual([8, 8]);
    for (const pulls of await received(true)) expect(pulls).toBeLessThan(5);
  });

  it.each([
    ['bf16', 0.5],
    [{ kind: 'top-k', share: 0.1 }, 0.21],
    [{ kind: 'threshold', threshold: 1e9 }, 0.01],
  ] as const)('take sums in %j, of which a part travels', async (wire, part) => {
    const group = await start(2, { members: 2, consistency: 'async', sharding: { kind: 'ring', virtual: 2 } });
    const all = await members(group, { wire });
    await Promise.all(all.map((member) => member.run(0, 3)));
    for (const { exchange } of all) {
      const whole = 3 * 4 * group.length;
      expect(exchange.bytesSent / whole).toBeLessThanOrEqual(part);
      expect(exchange.bytesReceived).toBe(whole);
    }
    const before = beginning(group.length);
    const moved = group.theta().some((value, i) => value !== before[i]);
    expect(moved).toBe(typeof wire === 'string' || wire.kind === 'top-k');
  });

  it('add sums that were rounded for the way: in sync all members have the same weights', async () => {
    const group = await start(2, { members: 3 });
    const all = await members(group, { wire: 'bf16' });
    await Promise.all(all.map((member) => member.run(0, 4)));
    for (const { theta, totals } of all) {
      expectSame(theta, group.theta());
      expect(totals).toEqual(all[0]!.totals);
    }
    const plain = sequential(group, 4)[3]!;
    const furthest = plain.reduce((worst, value, i) => Math.max(worst, Math.abs(value - all[0]!.theta[i]!)), 0);
    expect(furthest).toBeGreaterThan(0);
    expect(furthest).toBeLessThan(0.02);
  });

  it('change their bound while they run, but from and to sync only when all stand at one step', async () => {
    const group = await start(2, { members: 2, consistency: { staleness: 1 } });
    const [fast, slow] = await members(group);
    const links = await Promise.all(group.addresses().map((address) => Link.open(address)));
    const change = (consistency: Consistency) =>
      Promise.all(links.map((link) => link.ask({ kind: 'consistency', token: TOKEN, consistency })));
    const runs = fast!.run(0, 4);
    await expect(change('sync')).rejects.toThrow(/between rounds only/);
    await change('async');
    await runs; // nobody waits for the slow one any more
    await slow!.run(0, 4);
    await change('sync');
    await Promise.all([fast!.run(4, 6), slow!.run(4, 6)]);
    expectSame(fast!.theta, slow!.theta);
    expectSame(fast!.theta, group.theta());
    for (const link of links) link.close();
  });

  it('go on without a member that is lost, and with one that joins', async () => {
    const group = await start(2, { members: 2, consistency: { staleness: 1 }, graceMs: 20 });
    const abort = new AbortController();
    await group.join(1, {}, abort);
    const stays = new Member(group, 0, await group.join(0));
    await stays.run(0, 1);
    abort.abort(new Error('killed'));
    await stays.run(1, 5);
    const joins = await group.join(2);
    const theta = new Float32Array(group.length);
    await joins.pull(theta);
    expectSame(theta, group.theta());
  });
});

describe('what is said to a server by those who may not', () => {
  /** What a server says to a frame before it hangs up. */
  async function said(group: ServerGroup, header: Buffer, payload = 0): Promise<string> {
    const socket = connect(group.addresses()[0]!);
    let text = '';
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    socket.on('data', (part) => {
      text += part;
      socket.end();
    });
    const lengths = Buffer.alloc(8);
    lengths.writeUInt32LE(header.length, 0);
    lengths.writeUInt32LE(payload, 4);
    socket.write(Buffer.concat([lengths, header]));
    await closed;
    return text;
  }
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));

  async function servesOn(group: ServerGroup): Promise<void> {
    const member = new Member(group, 0, await group.join(0));
    await member.run(0, 2);
    expectBits(group, [member], 2);
  }

  it.each([
    ['no frame', Buffer.from('GET / HTTP/1.1')],
    ['an unknown kind', json({ kind: 'stop', id: 0 })],
    ['no id', json({ kind: 'leave' })],
    ['a token that is no text', json({ kind: 'status', id: 0, token: 7 })],
    ['half a push', json({ kind: 'push', id: 0, shard: 0 })],
    ['a large header', Buffer.alloc(1 << 16, ' ')],
  ])('%s: it hangs up, and serves on', async (_, header) => {
    const group = await start(1, { members: 1 });
    expect(await said(group, header)).toBe('');
    await servesOn(group);
  });

  it('without the token: refused, whatever it is', async () => {
    const group = await start(1, { members: 1 });
    const join = { generation: 1, member: 0, share: 1, servers: [] };
    for (const request of [
      { kind: 'status' },
      { kind: 'save', scope: 's', step: 0 },
      { kind: 'consistency', consistency: 'async' },
      { kind: 'end' },
      { kind: 'join', ...join },
      { kind: 'peer', generation: 1, process: 0 },
    ])
      expect(await said(group, json({ ...request, id: 0, token: 'wrong' }))).toContain('wrong token');
    expect(await said(group, json({ kind: 'leave', id: 0 }))).toContain('join first');
    expect(await said(group, json({ kind: 'pull', id: 0, shard: 0 }))).toContain('join first');
    expect(await said(group, json({ ...join, kind: 'join', id: 0, token: TOKEN, generation: 0 }))).toContain(
      'generation 0 is over; this is 1',
    );
    await servesOn(group);
  });

  it('with a payload that nobody waits for: it hangs up', async () => {
    const group = await start(1, { members: 1 });
    const status = { kind: 'status', id: 0, token: 'wrong' };
    const push = { kind: 'push', id: 0, shard: 0, step: 0, basis: 0, pull: true, nodes: [] };
    expect(await said(group, json(status), 0xffffffff)).toBe('');
    expect(await said(group, json(push), 0xffffffff)).toBe('');
    await servesOn(group);
  });

  it('with sums that do not fit, from a member: its link is cut', async () => {
    const group = await start(1, { members: 1 });
    const link = await Link.open(group.addresses()[0]!);
    const servers = group.addresses().map(({ host, port }) => ({ host, port }));
    await link.ask({ kind: 'join', token: TOKEN, generation: 1, member: 0, share: 1, servers });
    const nodes = [{ level: 0, index: 0, rows: 1, weight: 1, lossSum: 0 }];
    const push = { kind: 'push', shard: 0, step: 0, basis: 0, pull: true, nodes } as const;
    await expect(link.ask(push)).rejects.toThrow('the sums of shard 0 are missing');
    await expect(link.ask({ ...push, shard: 7 })).rejects.toThrow('does not serve shard 7');
    await expect(link.ask(push, [new Uint8Array(4)])).rejects.toThrow(LinkLost);
  });
});
