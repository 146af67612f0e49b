import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventBus, type RDD, SheafContext, type TimedEvent } from 'sheaf';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { holdersOf } from '../../src/scheduler/storage-registry.js';
import { kill } from '../support/footprint.js';
import { Trace } from './traced.js';

let sc: SheafContext;
let trace: Trace;
let events: TimedEvent[];

/** A cluster of its own for a group of tests: executors are started again a few times only. */
function cluster(): void {
  beforeAll(async () => {
    const bus = new EventBus();
    bus.listen((event) => events?.push(event));
    sc = await SheafContext.create({
      bus,
      master: 'local-cluster[2,1]',
      conf: { 'sheaf.eventLog.enabled': 'false', 'sheaf.locality.waitMs': '20000', 'sheaf.slot.memory': '2m' },
    });
  });
  afterAll(() => sc.stop());
}

beforeEach(() => {
  trace = new Trace();
  events = [];
});
afterEach(() => {
  for (const rdd of sc.getPersistentRDDs().values()) rdd.unpersist();
  trace.remove();
});

const ROWS = 2000;
const expected = Array.from({ length: ROWS }, (_, x) => x);
const ALL = [0, 1, 2, 3, 4, 5];

/** Kills one executor, and waits until the driver knows and another has taken its place. */
async function loseExecutor(id: string): Promise<void> {
  kill(sc.tasks.executors().find((executor) => executor.id === id)!.pid);
  await expect.poll(() => sc.tasks.executors().some((executor) => executor.id === id), { timeout: 20_000 }).toBe(false);
  await expect.poll(() => sc.tasks.executors().length, { timeout: 20_000 }).toBe(2);
}

/** Which executor told last that it has a partition. */
function placesOf(rdd: RDD<any>): Map<number, string> {
  const kept = events.flatMap((event) => (event.event === 'storage' && event.rdd === rdd.node.id ? [event] : []));
  return new Map(kept.map(({ partition, executor }) => [partition, executor]));
}

const partitionsAt = (places: ReadonlyMap<number, string>, executor: string) =>
  [...places]
    .filter(([, place]) => place === executor)
    .map(([partition]) => partition)
    .sort();

/** Files that executors keep of persisted RDDs, by their paths below the scratch directories. */
function keptFiles(): string[] {
  const below = (directory: string): string[] => {
    try {
      return readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name));
    } catch {
      return []; // it has just been removed
    }
  };
  return [tmpdir(), '/dev/shm']
    .flatMap((root) => readdirSync(root).map((name) => join(root, name)))
    .filter((path) => path.includes('/sheaf-executor-'))
    .flatMap((scratch) => below(join(scratch, sc.app)))
    .filter((path) => path.includes('/rdd-'));
}

describe('an executor that is lost', () => {
  cluster();

  it.each(['MEMORY', 'MEMORY_AND_DISK', 'DISK'] as const)(
    'takes its partitions of %s with it, and only those',
    async (level) => {
      const rdd = trace.range(sc, ROWS, 6).persist(level);
      expect(await rdd.collect()).toEqual(expected);
      expect(trace.since()).toEqual(ALL);
      const places = placesOf(rdd);
      const lost = partitionsAt(places, places.get(0)!);
      expect(lost.length).toBeLessThan(6);
      await loseExecutor(places.get(0)!);
      for (let k = 0; k < 2; k++) expect(await rdd.collect()).toEqual(expected);
      expect(trace.since()).toEqual(lost);
    },
  );

  it.each(['MEMORY_2', 'MEMORY_AND_DISK_2', 'DISK_2'] as const)('takes nothing of %s with it', async (level) => {
    const rdd = trace.range(sc, ROWS, 6).persist(level);
    expect(await rdd.collect()).toEqual(expected);
    trace.since();
    for (let round = 0; round < 2; round++) {
      // The second one lost has the copies that were made when the first was lost.
      const [kept] = sc.dag.storage.partitions(rdd.node.persisted!.scope);
      expect(holdersOf(kept!).size).toBe(2);
      await loseExecutor([...holdersOf(kept!)][round]!);
      expect(await rdd.collect()).toEqual(expected);
      expect(trace.since()).toEqual([]);
    }
  });
});

describe('on a cluster', () => {
  cluster();

  describe('what is kept', () => {
    it('is one copy on disk, or two, and nothing after unpersist', async () => {
      const text = (x: number) => `row ${x} `.padEnd(80, '.');
      const files = () => expect.poll(() => keptFiles().length, { timeout: 10_000 });
      const counts = { MEMORY: 0, MEMORY_2: 6, MEMORY_AND_DISK_2: 12, DISK: 6, DISK_2: 12 } as const;
      for (const [level, count] of Object.entries(counts)) {
        const rdd = sc
          .range(0, 6000, 1, 6)
          .map(text)
          .persist(level as keyof typeof counts);
        await rdd.count();
        await files().toBe(count);
        rdd.unpersist();
        await files().toBe(0);
      }
    });

    it('takes no memory after unpersist: the same fits again and again', async () => {
      const text = (x: number) => `row ${x} `.padEnd(80, '.');
      for (let round = 0; round < 4; round++) {
        const rdd = sc.range(0, 20_000, 1, 10).map(text).cache(); // 2 MB of 4
        await rdd.count();
        expect(sc.getRDDStorageInfo()).toMatchObject([{ cachedPartitions: 10 }]);
        rdd.unpersist();
      }
      expect(events.filter((event) => event.event === 'storage' && event.evicted)).toEqual([]);
    });
  });

  describe('a slot that is lost', () => {
    it.each(['MEMORY_2', 'DISK', 'MEMORY_AND_DISK_2'] as const)('takes nothing of %s with it', async (level) => {
      const rdd = trace.range(sc, ROWS, 6).persist(level);
      const pids = new Set(await rdd.mapPartitions(() => [process.pid]).collect());
      expect(trace.since()).toEqual(ALL);
      for (const pid of pids) kill(pid);
      expect(await rdd.collect()).toEqual(expected);
      expect(trace.since()).toEqual([]);
    });

    it('while it keeps partitions loses no row', async () => {
      const once = join(trace.directory, 'once');
      const rdd = trace.range(sc, ROWS, 6).mapPartitionsWithIndex((index, rows) => {
        const { existsSync, writeFileSync } = process.getBuiltinModule('node:fs');
        if (index === 3 && !existsSync(once)) {
          writeFileSync(once, '');
          process.kill(process.pid, 'SIGKILL');
        }
        return rows;
      });
      rdd.persist('MEMORY_AND_DISK_2');
      expect(await rdd.collect()).toEqual(expected);
      trace.since();
      expect(await rdd.collect()).toEqual(expected);
      expect(sc.getRDDStorageInfo()).toMatchObject([{ cachedPartitions: 6 }]);
    });
  });

  describe('the loss of an executor', () => {
    it('makes no shuffle run again below what is kept, and only the lost part of it otherwise', async () => {
      const pairs = trace.range(sc, ROWS, 6).map((x): [number, number] => [x % 10, 1]);
      const counts = pairs.reduceByKey((a, b) => a + b, 4).persist('MEMORY_2');
      const all = new Map(Array.from({ length: 10 }, (_, key) => [key, ROWS / 10]));
      expect(await counts.collectAsMap()).toEqual(all);
      expect(trace.since()).toEqual(ALL);
      await loseExecutor(placesOf(counts).get(0)!);
      expect(await counts.collectAsMap()).toEqual(all);
      expect(trace.since()).toEqual([]);
      counts.unpersist();
      expect(await counts.collectAsMap()).toEqual(all);
      expect(trace.since().length).toBeLessThan(6); // the surviving executor's map outputs are still there
    });

    it('takes no checkpoint with it', async () => {
      sc.setCheckpointDir(join(trace.directory, 'checkpoints'));
      const rdd = trace.range(sc, ROWS, 6).checkpoint();
      await rdd.count();
      expect(trace.since()).toEqual(ALL);
      for (const { id } of sc.tasks.executors()) await loseExecutor(id);
      expect(await rdd.collect()).toEqual(expected);
      expect(trace.since()).toEqual([]);
    });

    it('makes a job fail that needs what a local checkpoint kept there', async () => {
      const rdd = trace.range(sc, ROWS, 6).localCheckpoint();
      await rdd.count();
      await loseExecutor(placesOf(rdd).get(0)!);
      await expect(rdd.collect()).rejects.toThrow(/is lost: localCheckpoint kept it on one executor/);
    });
  });
});
