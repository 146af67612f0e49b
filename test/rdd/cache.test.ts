import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SheafContext } from 'sheaf';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

let sc: SheafContext;
let directory: string;
let log: string;

beforeAll(async () => {
  sc = await SheafContext.create({
    master: 'local[2]',
    // Partitions are wanted where they are cached, however busy the machine is.
    conf: { 'sheaf.eventLog.enabled': 'false', 'sheaf.locality.waitMs': '20000' },
  });
});
afterAll(() => sc.stop());
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-cache-'));
  log = join(directory, 'computed');
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Which partitions were computed, in order of number, once for each time. */
const computed = () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').map(Number).sort() : []);

/** Rows 0 to 7 in four partitions; computing one leaves a line in the file. */
function traced() {
  const file = log;
  return sc.range(0, 8, 1, 4).mapPartitionsWithIndex((index, rows) => {
    appendFileSync(file, `${index}\n`);
    return rows;
  });
}

describe('a cached RDD', () => {
  it('is computed once', async () => {
    const rdd = traced().cache();
    for (let k = 0; k < 3; k++) expect(await rdd.collect()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(await rdd.map((x) => x + 1).reduce((a, b) => a + b)).toBe(36);
    expect(computed()).toEqual([0, 1, 2, 3]);
  });

  it('is computed every time when it is not cached', async () => {
    const rdd = traced();
    await rdd.count();
    await rdd.count();
    expect(computed()).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
  });

  it('keeps whole partitions though take reads a part of one', async () => {
    const rdd = traced()
      .flatMap((x) => Array.from({ length: 10_000 }, () => x))
      .cache();
    expect(await rdd.take(3)).toEqual([0, 0, 0]);
    expect(await rdd.countPerPartition()).toEqual([20_000, 20_000, 20_000, 20_000]);
    expect(await rdd.take(10_001)).toEqual([...new Array(10_000).fill(0), 1]);
    expect(computed()).toEqual([0, 1, 2, 3]);
  });

  it('is computed no further than take needs', async () => {
    const rdd = traced().cache();
    expect(await rdd.take(1)).toEqual([0]);
    expect(computed()).toEqual([0]);
  });

  it('is one, wherever it is used in a union', async () => {
    const rdd = traced().cache();
    await rdd.count();
    const twice = rdd.union(rdd.map((x) => -x)).union(rdd);
    expect(await twice.count()).toBe(24);
    expect(
      await twice.aggregate(
        0,
        (a, b) => a + b,
        (a, b) => a + b,
      ),
    ).toBe(28);
    expect(computed()).toEqual([0, 1, 2, 3]);
  });

  it('may be a union, with cached parts', async () => {
    const rdd = traced().cache();
    const both = rdd.union(sc.range(8, 10, 1, 1)).cache();
    for (let k = 0; k < 2; k++) expect(await both.collect()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(computed()).toEqual([0, 1, 2, 3]);
    rdd.unpersist();
    expect(await both.count()).toBe(10);
    expect(computed()).toEqual([0, 1, 2, 3]);
  });

  it('is computed again after unpersist, and kept again after another cache', async () => {
    const rdd = traced().cache();
    await rdd.count();
    rdd.unpersist();
    await rdd.count();
    expect(computed()).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
    rdd.cache();
    await rdd.count();
    await rdd.count();
    expect(computed()).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
  });

  it('is computed again where its slot was killed, and only there', async () => {
    const rdd = traced().cache();
    const pids = await rdd.mapPartitions(() => [process.pid]).collect();
    expect(await rdd.mapPartitions(() => [process.pid]).collect()).toEqual(pids);
    const lost = [0, 1, 2, 3].filter((partition) => pids[partition] === pids[0]);
    process.kill(pids[0]!, 'SIGKILL');
    expect(await rdd.collect()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    await rdd.collect();
    expect(computed()).toEqual([0, 1, 2, 3, ...lost].sort());
  });
});
