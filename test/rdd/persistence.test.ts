import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { EventBus, type RDD, SheafContext, StorageLevel, type TimedEvent } from 'sheaf';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Trace } from './traced.js';

/** Bytes a slot may keep. A partition of 1000 such strings takes about 100 kB in memory. */
const BUDGET = '1m';
const text = (x: number) => `row ${x} `.padEnd(80, '.');

let sc: SheafContext;
let trace: Trace;
let events: TimedEvent[];

beforeAll(async () => {
  const bus = new EventBus();
  bus.listen((event) => events?.push(event));
  sc = await SheafContext.create({
    bus,
    master: 'local[2]',
    // Partitions are wanted where they are kept, however busy the machine is.
    conf: { 'sheaf.eventLog.enabled': 'false', 'sheaf.locality.waitMs': '20000', 'sheaf.slot.memory': BUDGET },
  });
});
afterAll(() => sc.stop());
beforeEach(() => {
  trace = new Trace();
  events = [];
});
afterEach(() => {
  for (const rdd of sc.getPersistentRDDs().values()) rdd.unpersist();
  trace.remove();
});

const strings = (rows: number, partitions: number): RDD<string> => trace.range(sc, rows, partitions).map(text);
const expected = (rows: number) => Array.from({ length: rows }, (_, x) => text(x));
const storageEvents = () => events.flatMap((event) => (event.event === 'storage' ? [event] : []));
const keptOf = ({ node }: RDD<string>) => sc.getRDDStorageInfo().find(({ id }) => id === node.id)!.cachedPartitions;
const evictions = () => storageEvents().filter(({ evicted }) => evicted);

describe('levels', () => {
  it.each(['MEMORY', 'MEMORY_AND_DISK', 'DISK', 'MEMORY_2', 'MEMORY_AND_DISK_2', 'DISK_2'] as const)(
    '%s keeps partitions that fit, where it says',
    async (level) => {
      const rdd = strings(2000, 4).persist(level);
      expect(rdd.getStorageLevel()).toBe(level);
      for (let k = 0; k < 3; k++) expect(await rdd.collect()).toEqual(expected(2000));
      expect(trace.computed()).toEqual([0, 1, 2, 3]);
      const [info] = sc.getRDDStorageInfo();
      expect(info).toMatchObject({ level, partitions: 4, cachedPartitions: 4 });
      expect(info!.memoryBytes > 0).toBe(level.startsWith('MEMORY'));
      expect(info!.diskBytes > 0).toBe(level.startsWith('DISK'));
      rdd.unpersist();
      expect(rdd.getStorageLevel()).toBe('NONE');
      expect(sc.getRDDStorageInfo()).toEqual([]);
      expect(await rdd.count()).toBe(2000);
      expect(trace.computed()).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
    },
  );

  it('have Spark names too, and are checked', () => {
    const rdd = sc.range(0, 1);
    expect(rdd.persist(StorageLevel.MEMORY_AND_DISK).getStorageLevel()).toBe('MEMORY_AND_DISK');
    expect(rdd.persist('MEMORY_AND_DISK')).toBe(rdd);
    expect(() => rdd.cache()).toThrow(/range at persistence.test.ts:\d+ is persisted with level MEMORY_AND_DISK/);
    expect(() => rdd.persist('HEAP' as never)).toThrow(/persist needs a level \(MEMORY, .*\), not 'HEAP'/);
    expect(() => rdd.persist('toString' as never)).toThrow(TypeError);
  });

  it('keep every kind of row, and empty partitions', async () => {
    const rows = [1, 'two', { three: [3] }, null, undefined, new Date(4), Number.NaN, -0];
    for (const level of ['MEMORY', 'DISK'] as const) {
      const rdd = sc.parallelize(rows, 11).persist(level);
      for (let k = 0; k < 2; k++) expect(await rdd.collect()).toEqual(rows);
      expect(sc.getRDDStorageInfo().at(-1)).toMatchObject({ cachedPartitions: 11 });
    }
  });
});

describe('the context', () => {
  it('knows what is persisted, while somebody can ask for it', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const rdd = sc.range(0, 10, 1, 2).cache();
    const keepAndForget = async () => {
      const forgotten = sc.range(0, 10, 1, 2).persist('DISK');
      await forgotten.count();
      expect([...sc.getPersistentRDDs().values()]).toEqual([rdd, forgotten]);
      return forgotten.node.persisted!.scope;
    };
    const scope = await keepAndForget();
    expect(sc.dag.storage.partitions(scope)).toHaveLength(2);
    await expect
      .poll(() => {
        gc();
        return sc.dag.storage.partitions(scope);
      })
      .toEqual([]);
    expect(sc.getPersistentRDDs().get(rdd.node.id)).toBe(rdd);
    expect(sc.getRDDStorageInfo()).toMatchObject([{ id: rdd.node.id, partitions: undefined, cachedPartitions: 0 }]);
  });
});

describe('a budget that is too small', () => {
  it('lets the least recently used of another RDD go; in MEMORY they are computed again', async () => {
    const first = strings(12_000, 12).cache(); // 1.2 MB, and as much again with the second: more than two slots' budgets
    await first.count();
    expect(trace.since()).toHaveLength(12);
    // A slot that was given most of the partitions may have no room for the last of them.
    const kept = keptOf(first);
    const second = sc.range(0, 12_000, 1, 12).map(text).cache();
    await second.count();
    const gone = evictions();
    expect(gone.length).toBeGreaterThan(0);
    expect(
      gone.every(({ rdd, memoryBytes, diskBytes }) => rdd === first.node.id && memoryBytes + diskBytes === 0),
    ).toBe(true);
    const left = keptOf(first);
    expect(left).toBe(kept - gone.length);
    expect(await first.collect()).toEqual(expected(12_000));
    // Making room for one may have cost another of the same scan nothing: its own RDD is spared.
    const again = trace.since();
    expect(again).toHaveLength(12 - left);
    expect(again).toEqual(expect.arrayContaining(gone.map(({ partition }) => partition)));
  });

  it('sends them to disk in MEMORY_AND_DISK, and none is computed again', async () => {
    const first = strings(12_000, 12).persist('MEMORY_AND_DISK');
    await first.count();
    const second = sc.range(0, 12_000, 1, 12).map(text).cache();
    await second.count();
    const gone = evictions();
    expect(gone.length).toBeGreaterThan(0);
    expect(gone.every(({ memoryBytes, diskBytes }) => memoryBytes === 0 && diskBytes > 10_000)).toBe(true);
    for (let k = 0; k < 2; k++) expect(await first.collect()).toEqual(expected(12_000));
    expect(trace.since()).toHaveLength(12);
  });

  it('does not keep a partition that is larger, or puts it on disk', async () => {
    const large = strings(40_000, 2).cache();
    for (let k = 0; k < 2; k++) expect(await large.count()).toBe(40_000);
    expect(trace.since()).toEqual([0, 0, 1, 1]);
    expect(sc.getRDDStorageInfo()).toMatchObject([{ cachedPartitions: 0, memoryBytes: 0, diskBytes: 0 }]);
    large.unpersist();
    large.persist('MEMORY_AND_DISK');
    for (let k = 0; k < 2; k++) expect(await large.collect()).toEqual(expected(40_000));
    expect(trace.since()).toEqual([0, 1]);
    expect(sc.getRDDStorageInfo()).toMatchObject([{ cachedPartitions: 2, memoryBytes: 0 }]);
  });

  it('is shared with operators, which take what is kept, to half of it, before they spill', async () => {
    const kept = strings(16_000, 16).persist('MEMORY_AND_DISK'); // most of two budgets
    await kept.count();
    const shuffled = sc.range(0, 60_000, 1, 2).map((x) => text((x * 7919) % 60_000));
    const sorted = await shuffled.sortBy((row) => row, true, 2).collect();
    expect(sorted).toEqual(expected(60_000).sort());
    const gone = evictions();
    expect(gone.length).toBeGreaterThan(0);
    expect(gone.every(({ diskBytes }) => diskBytes > 0)).toBe(true);
    expect(sc.getRDDStorageInfo()).toMatchObject([{ cachedPartitions: 16 }]);
    expect(sc.getRDDStorageInfo()[0]!.memoryBytes).toBeGreaterThan(0);
    expect(await kept.collect()).toEqual(expected(16_000));
    expect(trace.since()).toHaveLength(16);
  });

  it('is whole on disk, though several actions at once compute rows that are never the same', async () => {
    for (let round = 0; round < 3; round++) {
      const random = sc
        .range(0, 3000, 1, 4)
        .flatMap(() => (Math.random() < 0.5 ? [] : ['v'.repeat(Math.random() * 9)]));
      random.persist('DISK');
      await Promise.all([random.count(), random.collect(), random.map((text) => text.length).sum()]);
      expect(await random.count()).toBe((await random.collect()).length);
      random.unpersist();
    }
  });

  it('does not make a scan evict what it will need next', async () => {
    const rdd = strings(30_000, 30).cache(); // more than fits
    await rdd.count();
    const kept = sc.getRDDStorageInfo()[0]!.cachedPartitions;
    expect(kept).toBeGreaterThan(4);
    trace.since();
    await rdd.count();
    expect(trace.since()).toHaveLength(30 - kept);
  });
});
