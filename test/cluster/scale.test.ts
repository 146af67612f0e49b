import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RDD, SheafContext } from '../../src/index.js';
import { trainSample } from '../jobs/train-sample.js';
import { root } from '../support/sheaf.js';
import { footprintOfAllTests } from '../support/tracked.js';
import { until } from '../support/until.js';

describe.each(['local[2]', 'local-cluster[2,1]'])('on %s', (master) => {
  const footprint = footprintOfAllTests();
  let sc: SheafContext;

  beforeAll(async () => {
    sc = await SheafContext.create({ master });
  });
  afterAll(async () => {
    await sc.stop();
  });

  /** Blocks of the run, wherever they lie. */
  const blocks = () =>
    footprint()
      .files()
      .filter((path) => /(^|\/)app-[^/]+\/.*[^/]$/.test(path) && /%3A|bundle|program/.test(path));

  test('a thousand empty tasks', async () => {
    expect(await sc.parallelize<number>([], 1000).count()).toBe(0);
    expect(await sc.range(0, 1000, 1, 1000).countPerPartition()).toEqual(new Array(1000).fill(1));
  });

  test.each([
    ['no row', []],
    ['one row', [7]],
    ['all rows in one partition', Array.from({ length: 1000 }, (_, i) => i)],
  ])('64 partitions with %s', async (_, rows) => {
    const all: number[] = rows;
    const rdd = sc.parallelize([0], 64).mapPartitionsWithIndex((index) => (index === 37 ? all : []));
    expect(await rdd.count()).toBe(all.length);
    expect(await rdd.collect()).toEqual(all);
    expect(await rdd.take(5)).toEqual(all.slice(0, 5));
    const sum = all.reduce((a, b) => a + b, 0);
    expect(
      await rdd
        .map((x) => x * 2)
        .aggregate(
          0,
          (a, b) => a + b,
          (a, b) => a + b,
        ),
    ).toBe(2 * sum);
    expect(
      await rdd.treeAggregate(
        0,
        (a, b) => a + b,
        (a, b) => a + b,
        3,
      ),
    ).toBe(sum);
    if (all.length > 0) expect(await rdd.reduce((a, b) => a + b)).toBe(sum);
    else await expect(rdd.reduce((a, b) => a + b)).rejects.toThrow('the RDD is empty');
  });

  test('a lineage of ten thousand maps', async () => {
    let rdd: RDD<number> = sc.range(0, 10, 1, 2);
    for (let i = 0; i < 10_000; i++) rdd = rdd.map((x) => x + 1);
    expect(await rdd.collect()).toEqual(Array.from({ length: 10 }, (_, i) => i + 10_000));
    expect(await rdd.count()).toBe(10);
  });

  test('a lineage of three hundred async maps and of a thousand unions', async () => {
    let rdd: RDD<number> = sc.range(0, 4, 1, 2);
    for (let i = 0; i < 300; i++) rdd = rdd.map(async (x) => x + 1);
    expect(await rdd.collect()).toEqual([300, 301, 302, 303]);
    let united: RDD<number> = sc.parallelize([0], 1);
    for (let i = 1; i < 1000; i++) united = united.union(sc.range(i, i + 1, 1, 1));
    expect(await united.reduce((a, b) => a + b)).toBe(499_500);
  });

  test('blocks return to the base line after each job, also after one that failed', async () => {
    await sc.range(0, 8, 1, 8).count();
    const before = blocks();
    const big = sc.range(0, 8, 1, 8).map((row) => new Float64Array(50_000).fill(row));
    expect((await big.collect()).length).toBe(8);
    expect(
      await sc.range(0, 1000, 1, 64).treeAggregate(
        0,
        (a, b) => a + b,
        (a, b) => a + b,
      ),
    ).toBe(499_500);
    const failing = big.map((rows) => {
      if (rows[0] === 5) throw new Error('five');
      return rows;
    });
    await expect(failing.collect()).rejects.toThrow('five');
    await trainSample(sc, `${root}data/motionsense-sample`, 2, 'tree');
    await trainSample(sc, `${root}data/motionsense-sample`, 2, 'ps');
    let left: string[] = [];
    await until('blocks released', () => {
      left = blocks().filter((path) => !before.includes(path));
      return left.length === 0;
    }).catch(() => {});
    expect(left).toEqual([]);
  });
});
