import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type GuardedChild, spawnGuarded } from '../../executor/guardian.js';
import { entryPoint } from '../../protocol/entry.js';
import { findRedisServer } from '../redis-server.js';
import { socketUrl } from '../redis-url.js';
import { type RedisQueueOptions, redisQueue } from './bullmq.js';
import { connectRedis, type RedisClient } from './connection.js';
import { executorInfo, RecordingDriver, RecordingExecutor, taskMessage, until } from './contract.js';

const PASSWORD = 'hunter2';
/** Short, so that tests need not wait long; not so short that a busy machine ends a lease. */
const LEASE_MS = 1500;

let directory: string;
let url: string;
let server: GuardedChild | undefined;
let client: RedisClient | undefined;
let warnings: string[];
const children: ChildProcess[] = [];
const open: { close(reason: string): Promise<void> }[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bullmq-test-'));
  url = socketUrl(join(directory, 's'), PASSWORD);
  warnings = [];
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await Promise.all(open.splice(0).map((channel) => channel.close('test ends')));
  client?.disconnect();
  client = undefined;
  await server?.kill(0);
  server = undefined;
  rmSync(directory, { recursive: true, force: true });
});

/** A server on always the same socket, unlike `startPrivateRedis`. */
async function startServer(...config: string[]): Promise<void> {
  server = spawnGuarded(findRedisServer(), ['-'], { name: 'redis', stdin: 'pipe', stdout: 'ignore' });
  const own = [
    'port 0',
    `unixsocket ${join(directory, 's')}`,
    `requirepass ${PASSWORD}`,
    'save ""',
    `dir ${directory}`,
  ];
  server.process.stdin!.end([...own, ...config].join('\n'));
  await until('redis-server', async () => {
    try {
      (await connectRedis(url, { cluster: false })).disconnect();
      return true;
    } catch (error) {
      return !/ENOENT|ECONNREFUSED/.test((error as Error).message);
    }
  });
}

const queue = (options: Partial<RedisQueueOptions> = {}) =>
  redisQueue({ url, secret: 's', leaseMs: LEASE_MS, warn: (warning) => warnings.push(warning), ...options });

async function driver(options?: Partial<RedisQueueOptions>): Promise<RecordingDriver> {
  const made = await new RecordingDriver(queue(options)).open();
  open.push(made.channel);
  return made;
}

async function executor(seats = 2, options?: Partial<RedisQueueOptions>): Promise<RecordingExecutor> {
  const made = await new RecordingExecutor(queue(options)).open(seats);
  open.push(made.channel);
  return made;
}

async function keys(): Promise<string[]> {
  client ??= await connectRedis(url);
  return client.keys('*');
}

/** Runs a script with `channel` and `say` in a process of its own; `lines` is what it says. */
function party(script: string): { child: ChildProcess; lines: string[] } {
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { redisQueue } from ${JSON.stringify(entryPoint('scheduler/queue/bullmq.js'))};
       const queue = redisQueue({ url: process.env.QUEUE_URL, secret: 's', leaseMs: ${LEASE_MS} });
       const say = (text) => process.stdout.write(text + '\\n');
       ${script}`,
    ],
    { env: { ...process.env, QUEUE_URL: url }, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const lines: string[] = [];
  createInterface(child.stdout!).on('line', (line) => lines.push(line));
  children.push(child);
  return { child, lines };
}

const EXECUTOR = (id: string) => `
  const info = ${JSON.stringify(executorInfo(id))};
  const channel = queue.executor();
  await channel.open(info, 1, {
    message: async (message) => { say('took ' + message.id); await new Promise(() => {}); },
    control() {}, driverGone(driver) { say('gone ' + driver); },
  });
  await channel.heartbeat({ executor: info, holding: [], at: 1 });
  say('open');`;

const DRIVER = (id: string) => `
  const heard = new Set();
  const channel = queue.driver(${JSON.stringify(id)});
  await channel.open({ result: (r) => say('result ' + r.id), heartbeat: (h) => heard.add(h.executor.id), gone() {} });
  say('open');`;

describe('leases', () => {
  it('end with an executor that is killed: drivers are told', async () => {
    await startServer();
    const { child, lines } = party(EXECUTOR('doomed'));
    await until('executor open', () => lines.includes('open'));
    const d = await driver();
    await until('heard', () => d.heartbeats.length > 0);
    child.kill('SIGKILL');
    await until('gone', () => d.gone.length > 0);
    expect(d.gone).toEqual([{ executor: 'doomed', reason: expect.stringContaining('lease ended') }]);
  });

  it('end with a driver that is killed: executors are told and skip its messages', async () => {
    await startServer();
    const e = await executor(1);
    let release = () => {};
    e.gate = new Promise((resolve) => {
      release = resolve;
    });
    const messages = [1, 2, 3].map((i) => taskMessage('doomed', e.id, i));
    const { child, lines } = party(`${DRIVER('doomed')} await channel.send(${JSON.stringify(messages)}); say('sent');`);
    await until('sent and one taken', () => lines.includes('sent') && e.messages.length === 1);
    child.kill('SIGKILL');
    await until('gone', () => e.gone.length > 0);
    expect(e.gone).toEqual(['doomed']);
    release();
    const other = await driver();
    await other.channel.send([taskMessage(other.id, e.id, 'after')]);
    await until('answered', () => other.results.length === 1);
    expect(e.messages.map((message) => message.driver)).toEqual(['doomed', other.id]);
  });

  it('leave an empty keyspace some time after everybody was killed', async () => {
    await startServer();
    const [e, f] = [party(EXECUTOR('e')), party(EXECUTOR('f'))];
    await until('executors open', () => [e, f].every(({ lines }) => lines.includes('open')));
    const messages = ['e', 'f', 'nobody'].flatMap((to) => [1, 2, 3].map((i) => taskMessage('d', to, i)));
    const d = party(`${DRIVER('d')} await channel.send(${JSON.stringify(messages)});
      await channel.control('e', { kind: 'release', scope: 's' });
      await channel.control('nobody', { kind: 'release', scope: 's' }); say('sent');`);
    await until(
      'all busy',
      () => d.lines.includes('sent') && [e, f].every(({ lines }) => lines.some((l) => l.startsWith('took'))),
    );
    for (const { child } of [d, e, f]) child.kill('SIGKILL');
    const left = await keys();
    expect(left.length).toBeGreaterThan(15);
    await until('all keys gone', async () => (await keys()).length === 0);
  });

  it('outlive a long synchronous loop of the driver', async () => {
    await startServer();
    const e = await executor();
    const message = taskMessage('busy', e.id);
    const { lines } = party(`${DRIVER('busy')}
      await new Promise((resolve) => setTimeout(resolve, 1000));
      say('busy');
      for (const end = Date.now() + ${3 * LEASE_MS}; Date.now() < end;);
      await channel.send([${JSON.stringify(message)}]);`);
    await until('a result', () => lines.some((line) => line.startsWith('result')));
    expect(e.gone).toEqual([]);
  });

  it('are kept by an executor through messages that take long', async () => {
    await startServer();
    const [e, d] = [await executor(1), await driver()];
    let release = () => {};
    e.gate = new Promise((resolve) => {
      release = resolve;
    });
    await d.channel.send([taskMessage(d.id, e.id, 'long'), taskMessage(d.id, e.id, 'waits')]);
    await until('taken', () => e.messages.length === 1);
    await sleep(2 * LEASE_MS);
    release();
    await until('both answered', () => d.results.length === 2);
    expect(d.values()).toEqual(['long', 'waits']);
    expect([d.gone, e.gone]).toEqual([[], []]);
  });

  it('let an executor take the place of a killed one of the same name', async () => {
    await startServer();
    const first = party(EXECUTOR('phoenix'));
    await until('first open', () => first.lines.includes('open'));
    const d = await driver();
    await d.channel.send([1, 2].map((i) => taskMessage(d.id, 'phoenix', i)));
    await until('first busy', () => first.lines.length === 2);
    first.child.kill('SIGKILL');
    const second = party(EXECUTOR('phoenix'));
    await until('second open', () => second.lines.includes('open'));
    expect(await d.channel.waiting('phoenix', ['x'])).toEqual(new Set());
    const fresh = taskMessage(d.id, 'phoenix', 3);
    await d.channel.send([fresh]);
    await until('second works', () => second.lines.includes(`took ${fresh.id}`));
    expect(second.lines).toEqual(['open', `took ${fresh.id}`]);
  });
});

describe('a Redis that restarts and has forgotten everything', () => {
  it('is found again by both sides; what was lost can be sent again', async () => {
    await startServer();
    const [e, d] = [await executor(1), await driver()];
    let release = () => {};
    e.gate = new Promise((resolve) => {
      release = resolve;
    });
    const [taken, lost] = [taskMessage(d.id, e.id, 'taken'), taskMessage(d.id, e.id, 'lost')];
    await d.channel.send([taken, lost]);
    await until('one taken', () => e.messages.length === 1);
    expect(await d.channel.waiting(e.id, [lost.id])).toEqual(new Set([lost.id]));

    process.kill(await server!.pid, 'SIGKILL');
    await server!.ended;
    await startServer();
    release();
    await until('the result of what was taken', () => d.results.length === 1);
    expect(await d.channel.waiting(e.id, [lost.id])).toEqual(new Set());
    await d.channel.send([lost]);
    await until('the result of what was lost', () => d.results.length === 2);
    await d.channel.control(e.id, { kind: 'release', scope: 'after' });
    await until('control', () => e.controls.length === 1);
    const late = await driver();
    await until('registered again', () => late.heartbeats.length > 0);
    expect(d.values()).toEqual(['taken', 'lost']);
    expect([d.gone, e.gone]).toEqual([[], []]);
    expect(warnings.join()).toMatch(/lost the connection to Redis at redis\+unix:\/\/:\*\*\*@/);
    expect(warnings.join()).not.toContain(PASSWORD);
  });

  it('does not hold up a party that closes while it is away', async () => {
    await startServer();
    const [e, d] = [await executor(), await driver()];
    await server!.kill(0);
    await Promise.all([e.channel.close('away'), d.channel.close()]);
  });
});

describe('a Redis that is unfit', () => {
  it('is refused for its eviction policy, with the command that sets it', async () => {
    await startServer('maxmemory 100mb', 'maxmemory-policy allkeys-lru');
    await expect(driver()).rejects.toThrow(/allkeys-lru.*redis-cli config set maxmemory-policy noeviction/s);
    await expect(executor()).rejects.toThrow(/noeviction/);
  });

  it('is named when it cannot be reached, without the password', async () => {
    const attempt = driver({ url: `redis://:${PASSWORD}@127.0.0.1:1` });
    await expect(attempt).rejects.toThrow(/cannot reach Redis at redis:\/\/:\*\*\*@127.0.0.1:1.*ECONNREFUSED/);
    await expect(executor(1)).rejects.toThrow(/ENOENT/);
  });

  it('is given up when it takes the connection and says nothing', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await until('listening', () => silent.listening);
    const { port } = silent.address() as { port: number };
    await expect(connectRedis(`redis://127.0.0.1:${port}`, { timeoutMs: 100 })).rejects.toThrow(
      /no answer within 0.1 s/,
    );
    silent.close();
  });
});

describe('a Redis Cluster', () => {
  it('carries messages like a single server, and is told from one', async () => {
    const probe = createServer().listen(0, '127.0.0.1');
    await until('listening', () => probe.listening);
    const { port } = probe.address() as { port: number };
    await new Promise((resolve) => probe.close(resolve));
    await startServer(`port ${port}`, 'bind 127.0.0.1', 'cluster-enabled yes', 'cluster-announce-ip 127.0.0.1');
    const single = await connectRedis(url, { cluster: false });
    await single.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    await until('cluster formed', async () =>
      String(await single.call('CLUSTER', 'INFO')).includes('cluster_state:ok'),
    );

    const cluster = { url: `redis://:${PASSWORD}@127.0.0.1:${port}` };
    const [e, d] = [await executor(2, cluster), await driver(cluster)];
    await until('heard', () => d.heartbeats.length > 0);
    await d.channel.send(Array.from({ length: 50 }, (_, i) => taskMessage(d.id, e.id, i)));
    await until('50 results', () => d.results.length === 50);
    await d.channel.control(e.id, { kind: 'release', scope: 's' });
    await until('control', () => e.controls.length === 1);
    await Promise.all([e.channel.close('done'), d.channel.close()]);
    expect(await single.keys('*')).toEqual([]);
    single.disconnect();
  });
});
