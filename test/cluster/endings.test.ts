import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectRedis } from '../../src/scheduler/queue/connection.js';
import { type PrivateRedis, startPrivateRedis } from '../../src/scheduler/redis-server.js';
import { Footprint, kill } from '../support/footprint.js';
import { root, SheafProcess, sheaf } from '../support/sheaf.js';
import { until } from '../support/until.js';

const JOB = `${root}test/jobs/endings.ts`;
const LEASE_MS = 2000;

let footprint: Footprint;
let environment: Record<string, string>;

beforeEach(() => {
  footprint = new Footprint();
  environment = { ...footprint.environment, SHEAF_EXECUTOR_LEASEMS: String(LEASE_MS) };
});
afterEach(() => footprint.remove());

async function begun(master: string, how: string): Promise<SheafProcess> {
  const job = new SheafProcess(['submit', '--master', master, JOB, how, `${root}data/motionsense-sample`], environment);
  await job.says(how === 'train' ? 'epoch' : 'begun');
  await until('slots', () => footprint.slots().length >= 2);
  return job;
}

describe.each(['local[2]', 'local-cluster[2,1]'])('on %s nothing stays behind', (master) => {
  test.each(['train', 'loop-forever'])('after kill -9 of the driver (%s)', async (how) => {
    const job = await begun(master, how);
    kill(job.pid);
    await job.finished;
    expect(await footprint.gone(5000)).toEqual([]);
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('after %s, while slots compute without a pause', async (signal, code) => {
    const job = await begun(master, 'loop-forever');
    const at = Date.now();
    kill(job.pid, signal);
    expect(await job.finished).toMatchObject({ code, stdout: '' });
    expect(Date.now() - at).toBeLessThan(4000);
    expect(await footprint.gone(5000)).toEqual([]);
  });

  test('after Ctrl-C in training', async () => {
    const job = await begun(master, 'train');
    kill(job.pid, 'SIGINT');
    expect((await job.finished).code).toBe(130);
    expect(await footprint.gone(5000)).toEqual([]);
  });

  test('after a second Ctrl-C, at once', async () => {
    const job = await begun(master, 'loop-forever');
    kill(job.pid, 'SIGINT');
    await job.says('once more ends at once');
    kill(job.pid, 'SIGINT');
    expect((await job.finished).code).toBe(130);
    expect(await footprint.gone(5000)).toEqual([]);
  });

  test.each([
    ['throw', 1],
    ['exit', 7],
    ['timer', 0],
    ['print', 0],
  ])('after a job that ends by %s', async (how, code) => {
    const { code: actual, stderr } = await sheaf(['submit', '--master', master, JOB, how], environment);
    expect(actual, stderr).toBe(code);
    expect(await footprint.gone(5000)).toEqual([]);
  });
});

describe('on redis://', () => {
  let redis: PrivateRedis;
  let redisEnvironment: Record<string, string>;
  const executors: SheafProcess[] = [];

  beforeEach(async () => {
    redis = await startPrivateRedis();
    redisEnvironment = { SHEAF_SECRET: 's'.repeat(32), SHEAF_MASTER: redis.url, ...environment };
  });
  afterEach(async () => {
    for (const { pid } of executors.splice(0)) kill(pid);
    await redis.stop();
  });

  const executor = (id: string) => {
    const started = new SheafProcess(['executor', '--id', id, '--slots', '1'], redisEnvironment);
    executors.push(started);
    return started;
  };
  const submit = (how: string, ...flags: string[]) =>
    new SheafProcess(['submit', '--json', ...flags, JOB, how, `${root}data/motionsense-sample`], redisEnvironment);
  const keys = async () => {
    const client = await connectRedis(redis.url, { cluster: false });
    try {
      return await client.keys('*');
    } finally {
      client.disconnect();
    }
  };
  /** Processes of a run but for its executors. */
  const slotsAndServices = () => [...footprint.slots(), ...footprint.services()].length;

  test('a driver that is killed leaves nothing within its lease, and the executors take the next job', async () => {
    executor('one');
    executor('two');
    // The second finds the executors as the first left them.
    for (const how of ['train', 'loop-forever']) {
      const job = submit(how);
      await job.says(how === 'train' ? 'epoch' : 'begun');
      await until('slots', () => footprint.slots().length === 2);
      kill(job.pid);
      await job.finished;
      await until('nothing runs', () => footprint.services().length === 0, LEASE_MS * 3);
      await until(
        'the driver forgotten by Redis',
        async () => (await keys()).every((key) => !key.includes('app-')),
        LEASE_MS * 3,
      );
      await until('its blocks gone', () => !footprint.files().some((file) => file.startsWith('app-')), LEASE_MS * 3);
    }
    const next = await submit('print').finished;
    expect(next.stderr).not.toMatch(/lost/);
    expect(JSON.parse(next.stdout)).toEqual({ rows: 4 });
    await until('no key but the executors', async () => (await keys()).every((key) => !key.includes('app-')));
    expect(slotsAndServices()).toBeLessThanOrEqual(2);
  });

  test('an executor that is told to stop goes cleanly, and its tasks move at once', async () => {
    const first = executor('one');
    const job = submit('train-tree', '--conf', 'sheaf.train.rebalance=false'); // generations are those of executors
    await job.says('epoch 2 ');
    executor('two');
    await job.says('generation 1');
    kill(first.pid, 'SIGTERM');
    expect((await first.finished).code).toBe(0);
    await job.says('lost one: SIGTERM');
    await job.says('generation 2');
    kill(job.pid, 'SIGINT');
    expect((await job.finished).code).toBe(130);
    // What was on its way to those who had just gone is leased.
    const ofTheGone = async () => (await keys()).filter((key) => key.includes('one') || key.includes('app-'));
    await until('no key of the gone', async () => (await ofTheGone()).length === 0, LEASE_MS * 3);
    kill(executors[1]!.pid, 'SIGTERM');
    expect((await executors[1]!.finished).code).toBe(0);
    expect(await keys()).toEqual([]);
    expect(await footprint.gone(5000)).toEqual([]);
  });
});
