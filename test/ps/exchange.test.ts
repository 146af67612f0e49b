import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Failure } from '../../src/protocol/failure.js';
import { type Algorithm, bytesSentBy } from '../../src/ps/allreduce/plan.js';
import { planAllReduce } from '../../src/ps/allreduce/planners.js';
import { segmentBytes } from '../../src/ps/allreduce/shared-segment.js';
import { assignShards } from '../../src/ps/assign-shards.js';
import type { MeshAddress } from '../../src/ps/mesh/listener.js';
import { CHUNK } from '../../src/ps/slices.js';
import { subtreeRoots } from '../../src/ps/tree.js';

interface StepsAnswer {
  readonly hash: string;
  readonly bytes: number;
  readonly arrayBuffers: number;
  readonly peak: number;
}

const ALGORITHMS: readonly Algorithm[] = ['sliced', 'halving-doubling', 'ring'];
const children: ChildProcess[] = [];
const directory = mkdtempSync(join(tmpdir(), 'exchange-'));
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Members in processes of their own. */
class Group {
  #addresses: MeshAddress[] = [];
  #generation = 0;

  private constructor(readonly processes: readonly ChildProcess[]) {}

  static async start(count: number): Promise<Group> {
    const script = fileURLToPath(new URL('exchange-member.mjs', import.meta.url));
    const group = new Group(Array.from({ length: count }, () => fork(script, { execArgv: ['--expose-gc'] })));
    children.push(...group.processes);
    group.#addresses = await group.answers<MeshAddress>(group.#expect());
    return group;
  }

  /** A new generation of the first so many. */
  async join(algorithm: Algorithm, count: number, shards: number, length: number, more: object = {}) {
    const members = dealt(shards, count);
    const addresses = this.#addresses.slice(0, count);
    const generation = ++this.#generation;
    const order = { op: 'join', addresses, generation, algorithm, members, shards, length, ...more };
    await this.answers(this.order(count, (rank) => ({ ...order, rank })));
    return planAllReduce(algorithm, { members, shards, length });
  }

  steps(count: number, from: number, steps: number, more = {}): Promise<StepsAnswer[]> {
    return this.answers(this.order(count, () => ({ op: 'steps', from, count: steps, ...more })));
  }

  order(count: number, of: (rank: number) => object) {
    const answers = this.#expect(count);
    this.processes.slice(0, count).forEach((child, rank) => void child.send(of(rank)));
    return answers;
  }

  async answers<T>(pending: Promise<{ ok?: unknown; failure?: Failure }>[]): Promise<T[]> {
    const answers = await Promise.all(pending);
    for (const { failure } of answers) if (failure) throw new Error(failure.message);
    return answers.map(({ ok }) => ok as T);
  }

  #expect(count = this.processes.length) {
    return this.processes.slice(0, count).map(async (child) => (await once(child, 'message'))[0]);
  }
}

function dealt(shards: number, members: number): number[][] {
  return assignShards(shards, members).map(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i));
}

/** What the members of a host map: a file each. */
function segmentFiles(members: number, shards: number, length: number): string[] {
  return dealt(shards, members).map((own, rank) => {
    const file = join(directory, `segment-${rank}-${length}`);
    writeFileSync(file, Buffer.alloc(segmentBytes({ length, nodes: subtreeRoots(own, shards).length })));
    return file;
  });
}

describe('all-reduce between processes', () => {
  it('gives the same bits for every number of members and both canonical ways, with the bytes predicted', async () => {
    const group = await Group.start(5);
    const length = 7 * CHUNK + 3;
    const hashes = { sliced: new Set<string>(), 'halving-doubling': new Set<string>(), ring: new Set<string>() };
    for (const algorithm of ALGORITHMS)
      for (const count of [1, 2, 3, 5]) {
        const plan = await group.join(algorithm, count, 8, length, { clipNorm: 0.7 });
        const answers = await group.steps(count, 0, 3);
        answers.forEach(({ bytes }, rank) => void expect(bytes).toBe(3 * bytesSentBy(rank, plan)));
        expect(new Set(answers.map(({ hash }) => hash)).size).toBe(1);
        hashes[algorithm].add(answers[0]!.hash);
      }
    expect(hashes.sliced.size).toBe(1);
    expect(hashes['halving-doubling']).toEqual(hashes.sliced);
    expect(hashes.ring.size).toBeGreaterThan(1);
  });

  it('gives the same bits with memory shared within two hosts of two members and of one', async () => {
    const group = await Group.start(3);
    const [shards, length] = [8, 9 * CHUNK + 3];
    await group.join('sliced', 3, shards, length, { clipNorm: 0.7 });
    const expected = (await group.steps(3, 0, 3))[0]!.hash;
    const files = segmentFiles(3, shards, length);
    await group.join('sliced', 3, shards, length, { clipNorm: 0.7, hosts: ['a', 'a', 'b'], files });
    const answers = await group.steps(3, 0, 3);
    for (const { hash } of answers) expect(hash).toBe(expected);
    const [a, b, c] = answers.map(({ bytes }) => bytes / 3 / 4) as [number, number, number];
    expect(c).toBeLessThan(length * 3);
    expect(a + b).toBeLessThan(length * 3);
  });

  it.each([...ALGORITHMS, 'hosts' as const])(
    '%s: when a member is killed the others end with executor-lost within two seconds',
    async (way) => {
      const group = await Group.start(3);
      const length = 50 * CHUNK;
      const shared = { hosts: ['a', 'a', 'b'], files: segmentFiles(3, 6, length) };
      await group.join(way === 'hosts' ? 'sliced' : way, 3, 6, length, way === 'hosts' ? shared : {});
      const pending = group.order(3, () => ({ op: 'steps', from: 0, count: 1e6, pauseMs: 1 }));
      await new Promise((resolve) => setTimeout(resolve, 100));
      const killed = Date.now();
      group.processes[1]!.kill('SIGKILL');
      const [first, last] = await Promise.all([pending[0], pending[2]]);
      expect(Date.now() - killed).toBeLessThan(2000);
      for (const answer of [first, last]) expect(answer).toMatchObject({ failure: { kind: 'executor-lost' } });
    },
  );

  it.each(ALGORITHMS)(
    '%s: 20 million values take the memory of the first step, and no more later',
    async (algorithm) => {
      const group = await Group.start(2);
      const length = 20_000_000;
      const vector = 4 * length;
      await group.join(algorithm, 2, 2, length);
      const before = await group.steps(2, 0, 2);
      const after = await group.steps(2, 2, 3);
      for (const rank of [0, 1]) {
        // Theta, the gradient, half a vector of the other member's, and what of the sockets' is not collected yet.
        expect(after[rank]!.arrayBuffers).toBeLessThan(3 * vector);
        expect(after[rank]!.peak).toBeLessThan(5 * vector);
        expect(after[rank]!.peak - before[rank]!.peak).toBeLessThan(0.25 * vector);
      }
    },
  );
});
