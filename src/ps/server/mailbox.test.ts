import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { nativeAddon } from '../../native/addon.js';
import { RangeOptimizer } from '../optimizer/range-optimizer.js';
import { Connection } from './connection.js';
import { Link } from './link.js';
import { Mailbox, type MailboxShape, mailboxBytes, mapMailbox } from './mailbox.js';
import { ShardState } from './shard-state.js';
import { beginning, leaf, ServerGroup, SGD, sequential, TOKEN } from './testing/server-group.js';

const groups: ServerGroup[] = [];
const folders: string[] = [];
afterEach(async () => {
  await Promise.all(groups.splice(0).map((group) => group.close()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function freshPath(): string {
  folders.push(mkdtempSync(join(tmpdir(), 'sheaf-mailbox-')));
  return join(folders.at(-1)!, 'box');
}

async function start(processes: number, settings: Parameters<typeof ServerGroup.start>[1]): Promise<ServerGroup> {
  const group = await ServerGroup.start(processes, settings);
  groups.push(group);
  return group;
}

const inMemory = (shape: MailboxShape) => new Mailbox(new ArrayBuffer(mailboxBytes(shape)), shape).seal();

it('is known by a key that no other has', () => {
  const shape = { length: 10, nodes: 2 };
  expect(inMemory(shape).key).not.toBe(inMemory(shape).key);
});

it('that a server cannot map is done without', async () => {
  const group = await start(1, { members: 1, leaves: 1 });
  const shape = { length: group.length, nodes: 1 };
  const mailbox = inMemory(shape);
  const offer = { ...shape, path: freshPath(), key: mailbox.key };
  const exchange = await group.join(0, {}, undefined, { mailbox, offer });
  const theta = beginning(group.length);
  for (let step = 0; step < 3; step++) await exchange.step(step, [leaf(0, step, theta)], theta);
  expect(theta).toEqual(sequential(group, 3)[2]);
  expect(exchange.bytesShared).toBe(0);
});

it('is written to no more when the connection has ended: its member may compute with what lies there', () => {
  const socket = { destroyed: false };
  const connection = new Connection(socket as Socket, { place: () => undefined, answer: () => {} });
  connection.mailbox = inMemory({ length: 6, nodes: 1 });
  const ranges = [
    { from: 0, to: 1 },
    { from: 4, to: 6 },
  ];
  const segments = [{ from: 0, to: 6, kind: 'kernel' }] as const;
  const optimizers = ranges.map((range) => new RangeOptimizer(SGD, segments, range));
  const thetas = ranges.map(({ from, to }) => new Float32Array(to - from));
  const deliver = connection.deliver(new ShardState(optimizers, thetas, 0));
  deliver(Float32Array.of(1, 2, 3));
  socket.destroyed = true;
  deliver(Float32Array.of(7, 8, 9));
  expect([...connection.mailbox.theta]).toEqual([1, 0, 0, 0, 2, 3]);
});

describe.runIf(nativeAddon())('in memory that is shared', () => {
  const file = (shape: MailboxShape) => {
    const path = freshPath();
    writeFileSync(path, new Uint8Array(mailboxBytes(shape)));
    return path;
  };

  it('sums and weights spare sockets, and are counted as if they had not', async () => {
    const group = await start(2, { members: 2, leaves: 2, mailboxes: (member) => member === 0 });
    const exchanges = await group.joinAll();
    const thetas = exchanges.map(() => beginning(group.length));
    for (let step = 0; step < 3; step++)
      await Promise.all(
        exchanges.map((each, rank) => each.step(step, [leaf(rank, step, thetas[rank]!)], thetas[rank]!)),
      );
    for (const theta of thetas) expect(theta).toEqual(sequential(group, 3)[2]);
    const bytes = 3 * 4 * group.length;
    for (const exchange of exchanges) expect([exchange.bytesSent, exchange.bytesReceived]).toEqual([bytes, bytes]);
    expect(exchanges.map(({ bytesShared }) => bytesShared)).toEqual([2 * bytes, 0]);
    const [bytesIn, bytesOut] = (['bytesIn', 'bytesOut'] as const).map((name) =>
      group.servers.reduce((sum, server) => sum + server[name], 0),
    );
    expect([bytesIn, bytesOut]).toEqual([2 * bytes, 2 * bytes]);
  });

  it('one of the same path but another key, or too short, is none', () => {
    const shape = { length: 10, nodes: 1 };
    const path = file(shape);
    const key = Buffer.alloc(64).toString('base64');
    expect(mapMailbox({ ...shape, path, key })?.sums).toHaveLength(1);
    expect(mapMailbox({ ...shape, path, key: Buffer.alloc(64, 1).toString('base64') })).toBeUndefined();
    expect(mapMailbox({ length: 100, nodes: 1, path, key })).toBeUndefined();
  });

  describe('asked of a server by hand', () => {
    const key = Buffer.alloc(64).toString('base64');
    const push = { kind: 'push', shard: 0, step: 0, basis: 0, pull: true, nodes: [], mailbox: true } as const;
    const node = { level: 0, rows: 1, weight: 1, lossSum: 0 };

    async function joined(shapeOf: (group: ServerGroup) => MailboxShape | undefined) {
      const group = await start(1, { members: 1 });
      const shape = shapeOf(group);
      const [address] = group.addresses();
      const link = await Link.open(address!);
      const member = { token: TOKEN, generation: 1, member: 0, share: 1, servers: [address!] };
      const mailbox = shape && { ...shape, path: file(shape), key };
      return { link, answer: await link.ask({ kind: 'join', ...member, mailbox }) };
    }

    it('a push whose sums lie in none is refused', async () => {
      const { link, answer } = await joined(() => undefined);
      expect(answer).toMatchObject({ mailbox: false });
      await expect(link.ask(push)).rejects.toThrow('shares no memory');
      link.close();
    });

    it('a push of more sums than it holds is refused', async () => {
      const { link, answer } = await joined(({ length }) => ({ length, nodes: 1 }));
      expect(answer).toMatchObject({ mailbox: true });
      const nodes = [0, 1].map((index) => ({ ...node, index }));
      await expect(link.ask({ ...push, nodes })).rejects.toThrow('a mailbox for 1 sums does not hold 2');
      link.close();
    });

    it.each([
      ['of another theta', ({ length }: ServerGroup) => ({ length: length - 1, nodes: 1 })],
      ['of more sums than there are shards', ({ length }: ServerGroup) => ({ length, nodes: 5 })],
    ])('one %s is not taken', async (_, shapeOf) => {
      const { link, answer } = await joined(shapeOf);
      expect(answer).toMatchObject({ mailbox: false });
      link.close();
    });
  });
});
