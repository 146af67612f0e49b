import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SheafContext } from 'sheaf';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { reachable } from '../../src/scheduler/lineage.js';
import { Trace } from './traced.js';

let sc: SheafContext;
let trace: Trace;

beforeAll(async () => {
  sc = await SheafContext.create({
    master: 'local[2]',
    conf: { 'sheaf.eventLog.enabled': 'false', 'sheaf.locality.waitMs': '20000', 'sheaf.slot.memory': '8m' },
  });
});
afterAll(() => sc.stop());
beforeEach(() => {
  trace = new Trace();
});
afterEach(() => {
  for (const rdd of sc.getPersistentRDDs().values()) rdd.unpersist();
  trace.remove();
});

const lineageLength = (rdd: { node: Parameters<typeof reachable>[0] }) => reachable(rdd.node).length;
const numbers = (count: number) => Array.from({ length: count }, (_, x) => x);

describe('checkpoint', () => {
  beforeEach(() => sc.setCheckpointDir(join(trace.directory, 'checkpoints')));

  it('saves each partition once, with the first job that needs it, and cuts the lineage', async () => {
    const rdd = trace.range(sc, 1000, 4).checkpoint();
    const derived = rdd.map((x) => x + 1);
    expect([rdd.isCheckpointed(), rdd.getCheckpointFile()]).toEqual([false, undefined]);
    expect(await derived.collect()).toEqual(numbers(1000).map((x) => x + 1));
    expect(trace.since()).toEqual([0, 1, 2, 3]);
    expect(rdd.isCheckpointed()).toBe(true);
    expect([lineageLength(rdd), lineageLength(derived)]).toEqual([1, 2]);
    expect(readdirSync(rdd.getCheckpointFile()!).sort()).toEqual([
      '_SUCCESS',
      ...['part-00000', 'part-00001', 'part-00002', 'part-00003'],
    ]);
    for (let k = 0; k < 2; k++) expect(await derived.count()).toBe(1000);
    expect(await rdd.take(3)).toEqual([0, 1, 2]);
    expect(trace.since()).toEqual([]);
    expect(rdd.checkpoint().isCheckpointed()).toBe(true);
  });

  it('survives the slots, and what was persisted', async () => {
    const rdd = trace.range(sc, 1000, 4).cache().checkpoint();
    await rdd.count();
    expect(trace.since()).toEqual([0, 1, 2, 3]); // not once for the cache, and again for the files
    for (const pid of new Set(await rdd.mapPartitions(() => [process.pid]).collect())) process.kill(pid, 'SIGKILL');
    rdd.unpersist();
    expect(await rdd.collect()).toEqual(numbers(1000));
    expect(trace.since()).toEqual([]);
  });

  it('keeps rows of every kind, tables, pairs and empty partitions', async () => {
    const rows = [1, 'two', { three: [3] }, null, undefined, new Date(4)];
    const kinds = sc.parallelize(rows, 9).checkpoint();
    expect(await kinds.collect()).toEqual(rows);
    expect(await kinds.countPerPartition()).toEqual([0, 1, 1, 0, 1, 1, 0, 1, 1]);
    writeFileSync(join(trace.directory, 'table.csv'), 'x,label\n1.5,a\n-1,z\n');
    const table = sc.csv(join(trace.directory, 'table.csv')).checkpoint();
    expect(await table.where('x', (x) => x > 0).collect()).toEqual([{ x: 1.5, label: 'a' }]);
    const sums = sc
      .range(0, 100)
      .map((x): [number, number] => [x % 5, x])
      .reduceByKey((a, b) => a + b, 3)
      .checkpoint();
    const total = new Map(await sums.collect());
    expect(await sums.collectAsMap()).toEqual(total);
    expect(total.get(4)).toBe(
      4 + 9 + 14 + 19 + 24 + 29 + 34 + 39 + 44 + 49 + 54 + 59 + 64 + 69 + 74 + 79 + 84 + 89 + 94 + 99,
    );
    // Its keys are still where they were: no shuffle is needed to find them.
    const joined = sums.join(sums.mapValues((sum) => -sum));
    expect(await joined.map(([, [a, b]]) => a + b).collect()).toEqual([0, 0, 0, 0, 0]);
    expect(lineageLength(joined)).toBeLessThanOrEqual(5);
  });

  it('is made once for jobs that run at once, and cuts nothing under them', async () => {
    const rdd = trace.range(sc, 1000, 4).checkpoint();
    const slow = sc.range(0, 4, 1, 4).union(rdd.map((x) => x));
    const sums = await Promise.all([rdd.count(), slow.count(), rdd.map((x) => x).take(2), slow.collect()]);
    expect(sums.slice(0, 3)).toEqual([1000, 1004, [0, 1]]);
    expect(trace.since()).toEqual([0, 1, 2, 3]);
    expect(lineageLength(rdd)).toBe(1);
    expect(await slow.count()).toBe(1004);
  });

  it('leaves nothing half done: a job that fails leaves no checkpoint, and the next one makes it', async () => {
    const flag = join(trace.directory, 'fail');
    writeFileSync(flag, '');
    const rdd = sc.range(0, 100, 1, 4).map((x) => {
      if (x === 60 && process.getBuiltinModule('node:fs').existsSync(flag)) throw new Error('not yet');
      return x;
    });
    rdd.checkpoint();
    await expect(rdd.count()).rejects.toThrow(/not yet/);
    expect(rdd.isCheckpointed()).toBe(false);
    const files = readdirSync(join(trace.directory, 'checkpoints'), { recursive: true, encoding: 'utf8' });
    expect(files.filter((file) => /rdd/.test(file))).toEqual([]);
    rmSync(flag);
    expect(await rdd.count()).toBe(100);
    expect(rdd.isCheckpointed()).toBe(true);
  });

  it('says which file is gone or damaged', async () => {
    const rdd = sc.range(0, 100, 1, 2).checkpoint();
    await rdd.count();
    const file = join(rdd.getCheckpointFile()!, 'part-00001');
    writeFileSync(file, 'x'.repeat(500));
    await expect(rdd.count()).rejects.toThrow(/a checkpoint cannot be read: .*part-00001 is damaged/);
    rmSync(file);
    await expect(rdd.count()).rejects.toThrow(/ENOENT.*part-00001.*every executor sees/);
  });

  it('needs a directory that can be made', async () => {
    const other = await SheafContext.create({ master: 'local[1]', conf: { 'sheaf.eventLog.enabled': 'false' } });
    try {
      expect(() => other.range(0, 1).checkpoint()).toThrow(/call sc\.setCheckpointDir\(path\)/);
      expect(() => other.setCheckpointDir('s3://bucket/dir')).toThrow(TypeError);
      expect(() => other.setCheckpointDir('/dev/null/x')).toThrow(/checkpoint directory .* cannot be made/);
    } finally {
      await other.stop();
    }
  });

  it('every 1000 steps lets an iteration of 10,000 steps go on', async () => {
    let rdd = sc.range(0, 8, 1, 2);
    for (let step = 1; step <= 10_000; step++) {
      rdd = rdd.map((x) => x + 1);
      if (step % 1000 !== 0) continue;
      rdd.checkpoint();
      expect(await rdd.reduce((a, b) => a + b)).toBe(28 + 8 * step);
      expect(lineageLength(rdd)).toBe(1);
    }
  });
});

describe('localCheckpoint', () => {
  it('keeps the partitions where they were computed, and forgets how', async () => {
    const rdd = trace.range(sc, 1000, 4).localCheckpoint();
    expect(rdd.getStorageLevel()).toBe('MEMORY_AND_DISK');
    expect(await rdd.map((x) => x).collect()).toEqual(numbers(1000));
    expect([rdd.isCheckpointed(), rdd.getCheckpointFile(), lineageLength(rdd)]).toEqual([true, undefined, 1]);
    expect(await rdd.collect()).toEqual(numbers(1000));
    expect(trace.since()).toEqual([0, 1, 2, 3]);
  });

  it('gives levels without disk one, so that memory that runs short costs nothing', async () => {
    const text = (x: number) => `row ${x}`.padEnd(100, '.');
    const rdd = trace.range(sc, 40_000, 8).map(text).cache();
    await rdd.count(); // kept in memory, as MEMORY
    rdd.localCheckpoint();
    expect(rdd.getStorageLevel()).toBe('MEMORY_AND_DISK');
    await rdd.count();
    await sc.range(0, 120_000, 1, 8).map(text).cache().count(); // takes the memory
    expect(await rdd.collect()).toEqual(numbers(40_000).map(text));
    expect(trace.since()).toEqual(numbers(8));
  });

  it('says so when a partition is lost', async () => {
    const rdd = trace.range(sc, 1000, 2).localCheckpoint();
    await rdd.count();
    const [pid] = await rdd.mapPartitions(() => [process.pid]).collect();
    process.kill(pid!, 'SIGKILL');
    await expect(rdd.collect()).rejects.toThrow(
      /partition \d of mapPartitionsWithIndex at traced\.ts:\d+ is lost: localCheckpoint kept it .*checkpoint\(\)/,
    );
  });
});

it('leaves no checkpoint directory of its own where none was asked for', () => {
  expect(existsSync(join(trace.directory, 'checkpoints'))).toBe(false);
});
