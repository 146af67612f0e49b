/**
 * All-reduce between processes of one machine, beside what its sockets and memory give, in one run.
 *
 *     npx tsx bench/exchange.ts [--members 2,4] [--megabytes 0.13,4,80] [--runs 7] [--ways sliced,ring]
 *
 * A member only exchanges: its sums are there, the update is plain descent. Columns: a step, and the quickest of all; payload a
 * member sends a second; the same as a share of plain sockets, which send as many bytes to the right neighbour and read as many
 * from the left one; processor time of a member a step; processor seconds of all members a gigabyte of payload, and their ratio
 * to those of plain sockets. Runs are interleaved, medians compared. Where processors are fewer than members, or not idle,
 * processor time says more than the clock.
 *
 * The constants in src/ps/allreduce/choose.ts come from it: what a message costs from the processor time of the smallest vectors,
 * divided by a member's messages each way; bytes from what larger ones take beyond that; arrival from the quickest step of two
 * members, half of it, less the message.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nativeAddon } from '../src/native/addon.js';
import { MeshExchange } from '../src/ps/allreduce/mesh-exchange.js';
import { planAllReduce } from '../src/ps/allreduce/planners.js';
import { SharedExchange } from '../src/ps/allreduce/shared-exchange.js';
import { SharedSegment, segmentBytes } from '../src/ps/allreduce/shared-segment.js';
import type { Exchange } from '../src/ps/exchange.js';
import { joinMesh } from '../src/ps/mesh/join.js';
import { type MeshAddress, MeshListener } from '../src/ps/mesh/listener.js';
import { type Range, RangeOptimizer } from '../src/ps/optimizer/range-optimizer.js';
import { slices } from '../src/ps/slices.js';
import { Bf16Codec } from '../src/ps/wire/bf16.js';
import { TopKCodec } from '../src/ps/wire/sparse.js';

const MODES = [
  ...['sockets', 'memcpy', 'shared memory', 'sliced', 'halving-doubling', 'ring'],
  ...['sliced bf16', 'sliced top 1 %'],
] as const;
type Mode = (typeof MODES)[number];

interface Setting {
  readonly rank: number;
  readonly members: number;
  readonly length: number;
  readonly addresses: readonly MeshAddress[];
  readonly ports: readonly number[];
  /** What members map to share it, a file each. */
  readonly files: readonly string[];
}

/** Of one member, for so many steps. */
interface Figures {
  readonly bytes: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Of one step. */
  readonly leastSeconds: number;
}

/** What steps take, without what is done between them. */
class Watch {
  #seconds = 0;
  #cpuSeconds = 0;
  #least = Number.POSITIVE_INFINITY;

  async step(act: () => unknown): Promise<void> {
    const [begun, cpu] = [performance.now(), process.cpuUsage()];
    await act();
    const { user, system } = process.cpuUsage(cpu);
    const seconds = (performance.now() - begun) / 1000;
    this.#seconds += seconds;
    this.#cpuSeconds += (user + system) / 1e6;
    this.#least = Math.min(this.#least, seconds);
  }

  figures(bytes: number): Figures {
    return { bytes, seconds: this.#seconds, cpuSeconds: this.#cpuSeconds, leastSeconds: this.#least };
  }
}

async function member(): Promise<void> {
  const listener = await MeshListener.listen('127.0.0.1');
  const plain = createServer({ noDelay: true });
  plain.listen(0, '127.0.0.1');
  await once(plain, 'listening');
  const left = once(plain, 'connection') as Promise<[Socket]>;
  process.send!({ address: listener.address, port: (plain.address() as AddressInfo).port });
  const [setting] = (await once(process, 'message')) as [Setting];
  const { rank, members, ports } = setting;
  const right = connect({ host: '127.0.0.1', port: ports[(rank + 1) % members]!, noDelay: true });
  const steps = await prepare(setting, listener, right, (await left)[0]);
  process.send!({});
  process.on('message', async ({ mode, count }: { mode: Mode; count: number }) => {
    const watch = new Watch();
    const bytes = await steps[mode](count, watch);
    process.send!(watch.figures(bytes));
  });
}

type Run = (count: number, watch: Watch) => Promise<number>;

async function prepare(
  { rank, members, length, addresses, files }: Setting,
  listener: MeshListener,
  right: Socket,
  left: Socket,
): Promise<Record<Mode, Run>> {
  const shards = Array.from({ length: members }, (_, shard) => [shard]);
  const signal = new AbortController().signal;
  const theta = new Float32Array(length);
  const sums = Float32Array.from({ length }, (_, i) => Math.sin(i * i) * 1e-3);
  const gradient = new Float32Array(length);
  const codecs = { 'sliced bf16': new Bf16Codec(), 'sliced top 1 %': new TopKCodec(0.01, length) };
  let generation = 0;
  const segments = [{ from: 0, to: length, kind: 'kernel' as const }];
  const optimizerOf = (range: Range) =>
    new RangeOptimizer({ optimizer: { kind: 'sgd', learningRate: 0.1 } }, segments, range);
  const running = (exchange: Exchange, theta: Float32Array, gradient: Float32Array): Run => {
    let step = 0;
    return async (count, watch) => {
      const before = exchange.bytesSent;
      for (let i = 0; i < count; i++) {
        gradient.set(sums); // they are added to in place
        const node = { level: 0, index: rank, value: { gradient, rows: 1, weight: 1, lossSum: 1 } };
        await watch.step(() => exchange.step(step++, [node], theta));
      }
      return exchange.bytesSent - before;
    };
  };
  const exchanging = async (mode: keyof typeof codecs | 'sliced' | 'halving-doubling' | 'ring') => {
    const codec = mode in codecs ? codecs[mode as keyof typeof codecs] : undefined;
    const algorithm = mode.split(' ')[0] as 'sliced' | 'halving-doubling' | 'ring';
    const shape = { members: shards, shards: members, length, ...(codec && { merged: true }) };
    const plan = planAllReduce(algorithm, shape);
    const mesh = await joinMesh({
      listener,
      rank,
      addresses,
      name: 'bench',
      generation: generation++,
      step: 0,
      signal,
    });
    const optimizer = optimizerOf(plan.owned[rank]!);
    const options = { plan, mesh, shards: members, optimizer, theta, ...(codec && { codec }) };
    return running(new MeshExchange(options), theta, gradient);
  };
  const sharing = (): Run => {
    const shape = { length, nodes: 1 };
    const mapped = files.map((file) => new SharedSegment(nativeAddon()!.map(file, segmentBytes(shape)), shape));
    const optimizer = optimizerOf(slices(length, members)[rank]!);
    const exchange = new SharedExchange({ rank, segments: mapped, shards: members }, optimizer, signal);
    return running(exchange, exchange.homes.theta, exchange.homes.sums[0]!);
  };
  const bytes = Math.round((8 * length * (members - 1)) / members); // as an all-reduce with equal ranges
  const out = Buffer.alloc(bytes);
  const into = Buffer.alloc(bytes);
  let received = 0;
  let wanted = { bytes: Number.POSITIVE_INFINITY, reached: () => {} };
  left.on('data', (chunk: Buffer) => {
    chunk.copy(into, received % bytes);
    received += chunk.length;
    if (received >= wanted.bytes) wanted.reached();
  });
  let expected = 0;
  const sockets: Run = async (count, watch) => {
    const swap = async () => {
      expected += bytes;
      const sent = new Promise((resolve) => right.write(out, resolve));
      if (received < expected) await new Promise<void>((reached) => (wanted = { bytes: expected, reached }));
      await sent;
    };
    for (let i = 0; i < count; i++) await watch.step(swap);
    return count * bytes;
  };
  const memcpy: Run = async (count, watch) => {
    for (let i = 0; i < count; i++) await watch.step(() => into.set(out));
    return count * bytes;
  };
  return {
    sockets,
    memcpy,
    'shared memory': sharing(),
    sliced: await exchanging('sliced'),
    'halving-doubling': await exchanging('halving-doubling'),
    ring: await exchanging('ring'),
    'sliced bf16': await exchanging('sliced bf16'),
    'sliced top 1 %': await exchanging('sliced top 1 %'),
  };
}

async function compare(members: number, megabytes: number, runs: number, ways: readonly Mode[]): Promise<void> {
  const length = Math.round((megabytes * 1e6) / 4);
  const children = Array.from({ length: members }, () =>
    fork(fileURLToPath(import.meta.url), [], { env: { ...process.env, EXCHANGE_MEMBER: '1' } }),
  );
  const answers = async <T>(): Promise<T[]> =>
    (await Promise.all(children.map((child) => once(child, 'message')))).map(([answer]) => answer);
  const greetings = await answers<{ address: MeshAddress; port: number }>();
  const folder = mkdtempSync(join('/dev/shm', 'exchange-'));
  const files = children.map((_, rank) => join(folder, `${rank}`));
  for (const file of files) writeFileSync(file, Buffer.alloc(segmentBytes({ length, nodes: 1 })));
  const all = {
    ...{ members, files },
    length,
    addresses: greetings.map(({ address }) => address),
    ports: greetings.map(({ port }) => port),
  };
  children.forEach((child, rank) => void child.send({ ...all, rank } satisfies Setting));
  await answers();

  const count = Math.min(200, Math.max(1, Math.round(100 / megabytes)));
  const figures = new Map<Mode, Figures[]>(ways.map((mode) => [mode, []]));
  for (let run = -1; run < runs; run++)
    for (const mode of ways) {
      for (const child of children) child.send({ mode, count });
      const own = await answers<Figures>();
      const sum = (of: (figures: Figures) => number) => own.reduce((total, one) => total + of(one), 0);
      const seconds = Math.max(...own.map(({ seconds }) => seconds));
      if (run >= 0)
        figures.get(mode)!.push({
          bytes: sum(({ bytes }) => bytes),
          seconds,
          cpuSeconds: sum(({ cpuSeconds }) => cpuSeconds),
          leastSeconds: Math.min(...own.map(({ leastSeconds }) => leastSeconds)),
        });
    }
  for (const child of children) child.kill();
  rmSync(folder, { recursive: true });

  console.log(`\n${members} members, ${megabytes} MB, medians of ${runs} runs of ${count} steps\n`);
  console.log(
    '| way | ms a step | least | MB/s a member | of sockets | CPU ms a step | least | CPU s/GB | of sockets |',
  );
  console.log('|---|---|---|---|---|---|---|---|---|');
  const median = (mode: Mode, of: (figures: Figures) => number) => middle(figures.get(mode)!.map(of));
  const rate = ({ bytes, seconds }: Figures) => bytes / members / seconds / 1e6;
  const cpu = ({ bytes, cpuSeconds }: Figures) => (cpuSeconds / bytes) * 1e9;
  for (const mode of ways) {
    const cells = [
      ((1000 * median(mode, ({ seconds }) => seconds)) / count).toFixed(2),
      (1000 * Math.min(...figures.get(mode)!.map(({ leastSeconds }) => leastSeconds))).toFixed(3),
      median(mode, rate).toFixed(0),
      (median(mode, rate) / median('sockets', rate)).toFixed(2),
      ((1000 * median(mode, ({ cpuSeconds }) => cpuSeconds)) / members / count).toFixed(3),
      ((1000 * Math.min(...figures.get(mode)!.map(({ cpuSeconds }) => cpuSeconds))) / members / count).toFixed(3),
      median(mode, cpu).toFixed(2),
      (median(mode, cpu) / median('sockets', cpu)).toFixed(2),
    ];
    console.log(`| ${mode} | ${cells.join(' | ')} |`);
  }
}

function middle(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

if (process.env.EXCHANGE_MEMBER) await member();
else {
  const { values } = parseArgs({
    options: {
      members: { type: 'string', default: '2,4' },
      megabytes: { type: 'string', default: '0.13,4,80' },
      runs: { type: 'string', default: '7' },
      ways: { type: 'string' },
    },
  });
  const ways = values.ways
    ? MODES.filter((mode) => mode === 'sockets' || values.ways!.split(',').includes(mode))
    : MODES;
  for (const members of values.members.split(',').map(Number))
    for (const megabytes of values.megabytes.split(',').map(Number))
      await compare(members, megabytes, Number(values.runs), ways);
}
