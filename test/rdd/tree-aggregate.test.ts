import { readdirSync } from 'node:fs';
import { EventBus, SheafContext, type TimedEvent } from 'sheaf';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

let sc: SheafContext;
let events: TimedEvent[] = [];

beforeAll(async () => {
  const bus = new EventBus();
  bus.listen((event) => events.push(event));
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' }, bus });
});
beforeEach(() => {
  events = [];
});
afterAll(() => sc.stop());

const tasks = () => events.flatMap((event) => (event.event === 'stage-start' ? [event.tasks] : []));
const sum = (a: number, b: number) => a + b;

describe('treeAggregate', () => {
  it.each([
    // Spark's tree: partitions, depth, tasks of each stage; beside them, where one task computes a run of partitions.
    [5, 2, [5], [5]],
    [9, 2, [9, 3], [9, 3]],
    [16, 2, [16, 4], [4]],
    [64, 2, [64, 8], [8]],
    [64, 3, [64, 4], [4]],
    [10, 1, [10], [10]],
  ])('of %i partitions in depth %i merges on executors', async (partitions, depth, stages, inPlace) => {
    const rows = sc.range(0, 1000, 1, partitions);
    expect(await rows.treeAggregate(0, sum, sum, depth)).toBe(499_500);
    expect(tasks()).toEqual(inPlace);
    events.length = 0;
    expect(await rows.cache().treeAggregate(0, sum, sum, depth)).toBe(499_500);
    expect(tasks()).toEqual(stages);
  });

  it('calls the merging function on executors, the driver only at the top', async () => {
    const merge = (a: number[], b: number[]) => [...new Set([...a, ...b, process.pid])];
    const pids = await sc.range(0, 64, 1, 64).treeAggregate([] as number[], (a) => a, merge, 3);
    expect(pids).toContain(process.pid);
    expect(pids.length).toBeGreaterThan(1);
  });

  it('moves large results as blocks, which are gone afterwards', async () => {
    const wide = 1 << 17; // 1 MiB of float64
    const total = await sc.range(0, 16, 1, 16).treeAggregate(
      new Float64Array(wide),
      (vector, row) => vector.map((value) => value + row),
      (a, b) => a.map((value, k) => value + b[k]!),
    );
    expect(total.length).toBe(wide);
    expect(new Set(total)).toEqual(new Set([120]));
    const bytes = events.flatMap((event) => (event.event === 'task-end' ? [event.metrics.bytesOut] : []));
    expect(Math.min(...bytes)).toBeGreaterThan(1 << 20);
    await expect.poll(blockFiles).toEqual([]);
  });

  it('of an RDD without rows is its zero', async () => {
    expect(await sc.parallelize<number>([], 20).treeAggregate(0, sum, sum, 3)).toBe(0);
  });
});

describe('a large result', () => {
  it('is a block while it travels, and gone when it has been read', async () => {
    const rows = await sc
      .parallelize([1, 2], 2)
      .map((x) => 'x'.repeat(1 << 20) + x)
      .collect();
    expect(rows.map((row) => row.length)).toEqual([(1 << 20) + 1, (1 << 20) + 1]);
    await expect.poll(blockFiles).toEqual([]);
  });
});

/** Files of jobs in the block homes of driver and executor: those of collections belong to the application. */
function blockFiles(): string[] {
  const { memoryDirectory, diskDirectory } = sc.blocks.home;
  const executors = [memoryDirectory, diskDirectory].map((directory) => directory.replace(/[^/]*$/, ''));
  return [...new Set(executors)].flatMap((root) =>
    readdirSync(root)
      .filter((name) => name.includes(sc.app))
      .flatMap((name) => readdirSync(`${root}${name}`, { recursive: true }) as string[])
      .filter((name) => /job-\d+/.test(name)),
  );
}
