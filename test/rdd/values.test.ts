import fc from 'fast-check';
import { SheafContext } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cut } from './model.js';

let sc: SheafContext;

beforeAll(async () => {
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
});
afterAll(() => sc.stop());

/** A class of the user's, with behaviour that must survive the way. */
class Point {
  constructor(
    readonly x: number,
    readonly y: number,
  ) {}

  get length(): number {
    return Math.hypot(this.x, this.y);
  }
}

/** Everything that may stand in a row. */
const row: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  row: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom(undefined, null, Number.NaN, -0, Number.POSITIVE_INFINITY, true, false, ''),
    fc.integer(),
    fc.double(),
    fc.bigInt(),
    fc.string({ unit: 'binary' }),
    fc.date({ noInvalidDate: false }),
    fc.uint8Array({ maxLength: 5 }),
    fc.float32Array({ maxLength: 5 }),
    fc.array(tie('row'), { maxLength: 3 }),
    fc.dictionary(fc.string(), tie('row'), { maxKeys: 3, noNullPrototype: true }),
    fc.array(fc.tuple(fc.string(), tie('row')), { maxLength: 3 }).map((entries) => new Map(entries)),
    fc.array(fc.integer(), { maxLength: 3 }).map((values) => new Set(values)),
    fc.tuple(fc.integer(), fc.integer()).map(([x, y]) => new Point(x, y)),
  ),
})).row;

describe('rows of any kind', () => {
  it('come back as they are, through partitions, functions, the cache and take', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 8 }), fc.integer({ min: 1, max: 4 }), async (rows, partitions) => {
        const rdd = sc.parallelize(rows, partitions);
        expect(await rdd.collect()).toStrictEqual(rows);
        expect(await rdd.glom().collect()).toStrictEqual(cut(rows, partitions));
        const kept = rdd.map((value) => [value]).cache();
        expect(await kept.union(kept).collect()).toStrictEqual([...rows, ...rows].map((value) => [value]));
        expect(await kept.map(([value]) => value).take(3)).toStrictEqual(rows.slice(0, 3));
        kept.unpersist();
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  it('are combined as they are, through shuffles', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 12 }), async (rows) => {
        const append = (all: unknown[], value: unknown) => [...all, value];
        const concat = (a: unknown[], b: unknown[]) => [...a, ...b];
        expect(await sc.parallelize(rows, 8).treeAggregate([] as unknown[], append, concat, 3)).toStrictEqual(rows);
      }),
      { seed: 2, numRuns: 30 },
    );
  });

  it('keep the methods of their class, on executors and in the result', async () => {
    const points = sc.parallelize([new Point(3, 4), new Point(6, 8)], 2);
    expect(await points.map((point) => point.length).collect()).toEqual([5, 10]);
    const longer = await points.map((point) => new Point(point.x * 2, point.y * 2)).first();
    expect(longer).toBeInstanceOf(Point);
    expect(longer.length).toBe(10);
  });

  it('may be undefined, alone', async () => {
    expect(await sc.parallelize([undefined]).first()).toBeUndefined();
    expect(await sc.parallelize([undefined, undefined], 2).reduce((a) => a)).toBeUndefined();
    expect(await sc.parallelize([null], 2).reduce((a) => a)).toBeNull();
  });
});

describe('functions', () => {
  it('get the row alone, so that built-in ones mean what they say', async () => {
    expect(await sc.parallelize(['10', '10', '10'], 1).map(Number.parseInt).collect()).toEqual([10, 10, 10]);
    expect(await sc.parallelize([3, 9, 4], 3).aggregate(0, Math.max, Math.max)).toBe(9);
    expect(await sc.parallelize([3, 9, 4], 3).reduce(Math.max)).toBe(9);
    expect(await sc.range(0, 100, 1, 16).treeAggregate(0, Math.max, Math.max, 4)).toBe(99);
  });

  it('fold each partition from a zero of its own', async () => {
    const append = (all: number[], row: number) => {
      all.push(row);
      return all;
    };
    const zero: number[] = [];
    const all = await sc.parallelize([1, 2, 3, 4], 4).aggregate(zero, append, (a, b) => a.concat(b));
    expect(all).toEqual([1, 2, 3, 4]);
    expect(zero).toEqual([]);
  });
});

describe('a long lineage', () => {
  const increment = (x: number) => x + 1;

  it('of ten thousand maps runs', async () => {
    let rdd = sc.range(0, 3, 1, 1);
    for (let k = 0; k < 10_000; k++) rdd = rdd.map(increment);
    expect(await rdd.collect()).toEqual([10_000, 10_001, 10_002]);
  });

  it('of a thousand operators that are not fused runs', async () => {
    let rdd = sc.range(0, 3, 1, 1);
    for (let k = 0; k < 500; k++) rdd = rdd.mapPartitions((rows) => rows).map(async (x) => x + 1);
    expect(await rdd.collect()).toEqual([500, 501, 502]);
    expect(await rdd.take(1)).toEqual([500]);
  });

  it('of maps and unions by turns runs', async () => {
    const one = sc.range(0, 1, 1, 1);
    let rdd = one;
    for (let k = 0; k < 700; k++)
      rdd = rdd
        .union(one)
        .map(increment)
        .filter((x) => x >= 0);
    expect(await rdd.count()).toBe(701);
    expect(await rdd.first()).toBe(700);
  });

  it('of hundreds of unions, each of the one before, runs', async () => {
    let rdd = sc.range(0, 1, 1, 1);
    for (let k = 1; k <= 300; k++) rdd = rdd.union(sc.range(k, k + 1, 1, 1));
    expect(await rdd.collect()).toEqual(Array.from({ length: 301 }, (_, k) => k));
  });
});
