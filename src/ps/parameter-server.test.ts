import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { TaskContext } from '../protocol/program.js';
import { type ParameterServerInit, SynchronousServer, type Updater } from './parameter-server.js';
import { connectTo, joinServer, type Round, type RoundMember, type ServerConnection } from './ps-client.js';
import type { GradientSum, ValueNode } from './tree.js';

const TOKEN = 'token';
const servers: SynchronousServer[] = [];
const connections: ServerConnection[] = [];

afterEach(async () => {
  for (const connection of connections.splice(0)) connection.close();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** theta is the sum of all gradients so far; the state adds the number of updates. */
class SumUpdater implements Updater {
  readonly fingerprint = 'sums';
  readonly sum = new Float32Array(2);
  updates = 0;

  update({ gradient }: GradientSum): void {
    for (let i = 0; i < this.sum.length; i++) this.sum[i]! += gradient[i]!;
    this.updates++;
  }

  theta = () => this.sum.slice();
  state = () => Float32Array.of(...this.sum, this.updates);
}

async function serve(members: number, more: Partial<ParameterServerInit> = {}) {
  const init: ParameterServerInit = {
    ...{ updater: '', parameters: null, generation: 1, step: 0, state: null, members, shards: 4, token: TOKEN },
    ...more,
  };
  const server = new SynchronousServer(init, new SumUpdater());
  servers.push(server);
  return { host: '127.0.0.1', port: await server.listen('127.0.0.1'), token: TOKEN };
}

/** A member whose shard s has the gradient (s + 1, 10) in every step, rows 2, loss 1. */
class Member implements RoundMember {
  step = 0;
  thetas: number[][] = [];

  gradients(shards: readonly number[]): ValueNode<GradientSum>[] {
    return shards.map((index) => ({
      ...{ level: 0, index },
      value: { gradient: Float32Array.of(index + 1, 10), rows: 2, lossSum: 1 },
    }));
  }

  adopt(theta: Float32Array): void {
    this.thetas.push([...theta]);
    this.step++;
  }

  expect(_generation: number, step: number): void {
    this.step = step;
  }
}

const context = () => ({ metrics: { rows: 0, fetchMs: 0, bytesIn: 0 } }) as TaskContext;
const round = (server: Round['server'], rank: number, shards: number[], more: Partial<Round> = {}): Round => ({
  ...{ generation: 1, step: 0, steps: 3, rank, shards, server },
  ...more,
});
async function join(order: Round, signal = new AbortController().signal): Promise<ServerConnection> {
  const connection = await joinServer(order, signal);
  connections.push(connection);
  return connection;
}
const joinAlone = (server: Round['server']) => join(round(server, 0, [0]));

function lengths(header: number, payload: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(header, 0);
  bytes.writeUInt32LE(payload, 4);
  return bytes;
}

/** What a server says to a frame before it hangs up. */
async function answersTo(server: Round['server'], header: Buffer, payload = 0): Promise<string> {
  const socket = connect(server);
  let said = '';
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket
    .on('error', () => {})
    .on('data', (part) => {
      said += part;
    });
  socket.write(Buffer.concat([lengths(header.length, payload), header]));
  await closed;
  return said;
}

async function servesOn(server: Round['server']): Promise<void> {
  const fine = round(server, 0, [0, 1, 2, 3]);
  expect(await (await join(fine)).runRound(new Member(), fine, context())).toHaveLength(3);
}

const lost = { failure: { kind: 'executor-lost' } };

describe('a parameter server', () => {
  it('answers every push with the weights after the step, the same to all, along the canonical tree', async () => {
    const server = await serve(2);
    const orders = [round(server, 0, [0, 1, 2]), round(server, 1, [3])];
    const members = orders.map(() => new Member());
    const totals = await Promise.all(
      orders.map(async (order, rank) => (await join(order)).runRound(members[rank]!, order, context())),
    );
    const expected = [
      [10, 40],
      [20, 80],
      [30, 120],
    ];
    expect(members.map(({ thetas }) => thetas)).toEqual([expected, expected]);
    const step = { rows: 8, lossSum: 4 };
    expect(totals).toEqual([
      [step, step, step],
      [step, step, step],
    ]);
  });

  it('goes on from round to round, whichever connection closes first, and tells its state', async () => {
    const server = await serve(2);
    for (const from of [0, 3]) {
      const orders = [round(server, 0, [0, 1], { step: from }), round(server, 1, [2, 3], { step: from })];
      await Promise.all(
        orders.map(async (order) => {
          const connection = await join(order);
          await connection.runRound(new Member(), order, context());
          connection.leave(order.generation);
        }),
      );
    }
    const asking = connectTo(server, new AbortController().signal);
    connections.push(asking);
    const { payload } = await asking.ask({ kind: 'state', token: TOKEN, generation: 1, step: 6 });
    expect([...new Float32Array(payload.buffer, payload.byteOffset, 3)]).toEqual([60, 240, 6]);
    await expect(asking.ask({ kind: 'state', token: TOKEN, generation: 1, step: 5 })).rejects.toThrow(/after step 6/);
  });

  it('ends the generation when a member goes without leave: whoever waits, pushes later or comes is refused', async () => {
    const server = await serve(3);
    const orders = [0, 1, 2].map((rank) => round(server, rank, [rank]));
    const [first, second, third] = await Promise.all(orders.map((order) => join(order)));
    const waiting = first!.runRound(new Member(), orders[0]!, context());
    waiting.catch(() => {});
    third!.close();
    await expect(waiting).rejects.toMatchObject({
      failure: { kind: 'executor-lost', message: expect.stringMatching(/member 2 was lost in step 0/) },
    });
    await expect(second!.runRound(new Member(), orders[1]!, context())).rejects.toMatchObject(lost);
    await expect(join(orders[2]!)).rejects.toThrow(/member 2 was lost/);
  });

  it('that ends lets nobody wait', async () => {
    const server = await serve(2);
    const connection = await join(round(server, 0, [0]));
    const waiting = connection.runRound(new Member(), round(server, 0, [0]), context());
    waiting.catch(() => {});
    await servers[0]!.close();
    await expect(waiting).rejects.toMatchObject(lost);
    await expect(connection.ask({ kind: 'leave', generation: 1 })).rejects.toMatchObject(lost);
    await expect(joinServer(round(server, 0, [0]), new AbortController().signal)).rejects.toMatchObject(lost);
  });

  it('is left when the round is cancelled', async () => {
    const server = await serve(2);
    const abort = new AbortController();
    const connection = await join(round(server, 0, [0]), abort.signal);
    const waiting = connection.runRound(new Member(), round(server, 0, [0]), context());
    waiting.catch(() => {});
    abort.abort(new Error('cancelled'));
    await expect(waiting).rejects.toThrow('cancelled');
  });

  it('refuses older generations, other steps, wrong tokens, strangers and noise', async () => {
    const server = await serve(1);
    await expect(join(round(server, 0, [0], { generation: 0 }))).rejects.toThrow(/generation 0 is over; this is 1/);
    await expect(join(round({ ...server, token: 'wrong' }, 0, [0]))).rejects.toThrow(/wrong token/);
    const late = round(server, 0, [0, 1, 2, 3], { step: 4 });
    await expect((await join(late)).runRound(new Member(), late, context())).rejects.toThrow(/step 4 is not step 0/);
    const stranger = connectTo(server, new AbortController().signal);
    connections.push(stranger);
    await expect(stranger.ask({ kind: 'push', generation: 1, step: 0, nodes: [] })).rejects.toThrow(/join first/);
    const noise = connect(server);
    const closed = new Promise((resolve) => noise.once('close', resolve));
    noise.on('error', () => {}).write(Buffer.alloc(64, 0xff));
    await closed;
    await servesOn(server);
  });

  it.each([
    ['no JSON', Buffer.from('{nothing')],
    ['null', Buffer.from('null')],
    ['a join without a token', Buffer.from('{"kind":"join","generation":1,"rank":0}')],
    ['a state without a token', Buffer.from('{"kind":"state","generation":1,"step":0}')],
    ['a token that is no text', Buffer.from('{"kind":"join","generation":1,"rank":0,"token":7}')],
    ['an unknown kind', Buffer.from('{"kind":"stop","generation":1}')],
    ['a large header', Buffer.alloc(1 << 16, ' ')],
  ])('hangs up on a stranger that sends %s, and serves on', async (_, header) => {
    const server = await serve(1);
    expect(await answersTo(server, header)).toBe('');
    await servesOn(server);
  });

  it('waits for no payload of a stranger, and for no more than a step of a member', async () => {
    const server = await serve(1);
    const push = Buffer.from('{"kind":"push","generation":1,"step":0,"nodes":[]}');
    expect(await answersTo(server, push, 0xffffffff)).toBe('');
    const join = Buffer.from(`{"kind":"join","generation":1,"rank":0,"token":"wrong"}`);
    expect(await answersTo(server, join, 0xffffffff)).toBe('');
    const member = await joinAlone(server);
    const closed = new Promise((resolve) => member.socket.once('close', resolve));
    member.socket.write(lengths(push.length, 0xffffffff));
    await closed;
  });

  it('hangs up on a member whose vectors do not fit', async () => {
    const server = await serve(1);
    const member = await joinAlone(server);
    const nodes = [{ level: 0, index: 0, rows: 1, lossSum: 0 }];
    const push = { kind: 'push', generation: 1, step: 0, nodes } as const;
    await expect(member.ask(push, new Uint8Array(4))).rejects.toMatchObject(lost);
  });
});
