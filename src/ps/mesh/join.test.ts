import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { frameHead } from './frame.js';
import { joinMesh } from './join.js';
import { MeshListener } from './listener.js';
import type { Mesh } from './mesh.js';

const NOTHING = new Uint8Array(0);
const listeners: MeshListener[] = [];
const never = new AbortController().signal;
const round = { name: 'm', generation: 1, step: 0 };

async function listen(count: number): Promise<MeshListener[]> {
  const made = await Promise.all(Array.from({ length: count }, () => MeshListener.listen('127.0.0.1')));
  listeners.push(...made);
  return made;
}

async function meshes(count: number, signals: readonly AbortSignal[] = []): Promise<Mesh[]> {
  const own = await listen(count);
  const addresses = own.map(({ address }) => address);
  return Promise.all(
    own.map((listener, rank) => joinMesh({ ...round, listener, rank, addresses, signal: signals[rank] ?? never })),
  );
}

const fresh = (bytes: number) => new Uint8Array(bytes);
const values = (bytes: number, seed: number) =>
  Buffer.alloc(bytes, String.fromCharCode(65 + seed, 66, 67, 68, 69, 70, 71));

afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.close()));
});

describe('joinMesh', () => {
  it('carries large frames between all members at once, in order, and counts their bytes', async () => {
    const members = await meshes(3);
    const bytes = 3_000_001;
    await Promise.all(
      members.map(async (mesh) => {
        const others = [0, 1, 2].filter((rank) => rank !== mesh.rank);
        const sends = others.flatMap((to) => [
          mesh.send(to, 7, Uint8Array.of(mesh.rank), [values(bytes, mesh.rank), values(5, mesh.rank)]),
          mesh.send(to, 8, NOTHING, []),
          mesh.send(to, 2 ** 32 - 1, NOTHING, [values(9, mesh.rank)]),
        ]);
        for (const from of others) {
          const { meta, payload } = await mesh.receive(from, 7, fresh);
          expect([...meta]).toEqual([from]);
          expect(Buffer.from(payload).equals(Buffer.concat([values(bytes, from), values(5, from)]))).toBe(true);
          expect((await mesh.receive(from, 8, fresh)).payload).toHaveLength(0);
          expect(Buffer.compare((await mesh.receive(from, 2 ** 32 - 1, fresh)).payload, values(9, from))).toBe(0);
        }
        await Promise.all(sends);
        expect(mesh.payloadBytes).toBe(2 * (bytes + 5 + 9));
      }),
    );
  });

  it('holds back a sender whom nobody listens to, while its other connections go on', async () => {
    const [a, b, c] = (await meshes(3)) as [Mesh, Mesh, Mesh];
    let sent = false;
    const large = a.send(1, 1, NOTHING, [fresh(64_000_000)]).then(() => (sent = true));
    for (let i = 0; i < 20; i++) {
      void a.send(2, i, NOTHING, [fresh(100_000)]);
      await c.receive(0, i, fresh);
    }
    expect(sent).toBe(false);
    await b.receive(0, 1, fresh);
    await large;
  });

  it('lets members take leave one by one: what they sent arrives, and nobody is lost', async () => {
    const [a, b, c] = (await meshes(3)) as [Mesh, Mesh, Mesh];
    void a.send(1, 1, NOTHING, [values(1_000_000, 1)]);
    void a.send(1, 2, NOTHING, []);
    a.close();
    await sleep(20);
    await c.send(1, 3, NOTHING, [values(10, 2)]);
    c.close();
    expect(Buffer.compare((await b.receive(2, 3, fresh)).payload, values(10, 2))).toBe(0);
    expect(Buffer.compare((await b.receive(0, 1, fresh)).payload, values(1_000_000, 1))).toBe(0);
    await b.receive(0, 2, fresh);
    await expect(b.receive(0, 3, fresh)).rejects.toMatchObject({
      failure: { kind: 'executor-lost', message: 'member 0 of the round was lost: it has taken leave' },
    });
  });

  it('ends every wait of all others when a member is lost', async () => {
    const [a, b, c] = (await meshes(3)) as [Mesh, Mesh, Mesh];
    const waiting = [a.receive(1, 1, fresh), c.receive(0, 1, fresh), c.send(0, 1, NOTHING, [fresh(64_000_000)])];
    b.abort(new Error('gone'));
    for (const result of await Promise.allSettled(waiting))
      expect(result).toMatchObject({ status: 'rejected', reason: { failure: { kind: 'executor-lost' } } });
    await expect(a.send(2, 1, NOTHING, [])).rejects.toMatchObject({ failure: { kind: 'executor-lost' } });
    await expect(b.receive(0, 1, fresh)).rejects.toThrow('gone');
  });

  it("ends with the signal's reason, before all have joined too", async () => {
    const aborts = [new AbortController(), new AbortController()];
    const [a, b] = (await meshes(
      2,
      aborts.map(({ signal }) => signal),
    )) as [Mesh, Mesh];
    const waits = Promise.allSettled([a.receive(1, 1, fresh), b.receive(0, 1, fresh)]);
    aborts[0]!.abort(new Error('cancelled'));
    expect(await waits).toMatchObject([
      { reason: { message: 'cancelled' } },
      { reason: { message: 'member 0 of the round was lost: the connection was closed' } },
    ]);

    const [listener, other] = (await listen(2)) as [MeshListener, MeshListener];
    const abort = new AbortController();
    const addresses = [listener.address, other.address];
    const joining = joinMesh({ ...round, listener, rank: 0, addresses, signal: abort.signal });
    abort.abort(new Error('too late'));
    await expect(joining).rejects.toThrow('too late');
    await expect(joinMesh({ ...round, listener, rank: 0, addresses, signal: abort.signal })).rejects.toThrow(
      'too late',
    );
  });

  it('lets a member that is ahead wait, and refuses those of rounds that are over', async () => {
    const own = (await listen(2)) as [MeshListener, MeshListener];
    const addresses = own.map(({ address }) => address);
    const join = (rank: number, generation: number, step = 0) =>
      joinMesh({ listener: own[rank]!, name: 'm', generation, step, rank, addresses, signal: never });
    const early = join(1, 2);
    await sleep(20);
    const meshes = await Promise.all([join(0, 2), early]);
    for (const mesh of meshes) mesh.close();
    const next = await Promise.all([join(1, 2, 8), join(0, 2, 8)]);
    for (const mesh of next) mesh.close();
    await expect(join(1, 2, 7)).rejects.toMatchObject({
      failure: { kind: 'executor-lost', message: 'member 0 of the round was lost: it refused: this round is over' },
    });
    const other = { name: 'another training', generation: 0, step: 0, addresses, signal: never };
    await Promise.all([1, 0].map((rank) => joinMesh({ ...other, listener: own[rank]!, rank })));
  });

  it('lets nobody in who does not know the token, and says so; who is not there is lost', async () => {
    const own = (await listen(2)) as [MeshListener, MeshListener];
    const wrong = { ...own[0].address, token: 'f'.repeat(32) };
    const join = (address: typeof wrong) =>
      joinMesh({ ...round, listener: own[1], rank: 1, addresses: [address, own[1].address], signal: never });
    await expect(join(wrong)).rejects.toThrow('it refused: wrong token');
    const { address } = own[0];
    await own[0].close();
    await expect(join(address)).rejects.toMatchObject({ failure: { kind: 'executor-lost' } });
  });

  it('hangs up on strangers before it keeps anything of theirs', async () => {
    const [listener] = (await listen(1)) as [MeshListener];
    const frames = [
      Buffer.from('GET / HTTP/1.1\r\nhost: here\r\n\r\n'),
      frameHead(1, 1, new Uint8Array(2000), 0),
      frameHead(1, 1, NOTHING, 1_000_000),
      frameHead(1, 1, new TextEncoder().encode('{"token":1}'), 0),
      frameHead(1, 9, NOTHING, 0),
    ];
    for (const bytes of frames) {
      const socket = connect(listener.address);
      socket.on('error', () => {});
      socket.resume();
      socket.write(bytes);
      await new Promise((resolve) => socket.once('close', resolve));
    }
  });

  it('breaks with a member whose frames are not those expected', async () => {
    const [a, b] = (await meshes(2)) as [Mesh, Mesh];
    void a.send(1, 5, NOTHING, []).catch(() => {});
    await expect(b.receive(0, 6, fresh)).rejects.toThrow('it sent frame 5, expected 6');
    await expect(a.receive(1, 6, fresh)).rejects.toThrow('member 1 of the round was lost');
  });
});
