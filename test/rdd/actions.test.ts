import fc from 'fast-check';
import { SheafContext } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build, programs } from './model.js';

let sc: SheafContext;

beforeAll(async () => {
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
});
afterAll(() => sc.stop());

/** Checks actions on any program of operators, with the plain array of its rows. */
async function onPrograms(
  seed: number,
  check: (rdd: ReturnType<typeof build>['rdd'], rows: number[], parts: readonly (readonly number[])[]) => Promise<void>,
) {
  const property = fc.asyncProperty(programs(3), async (program) => {
    const { rdd, parts } = build(sc, program);
    await check(rdd, parts.flat(), parts);
  });
  await fc.assert(property, { seed, numRuns: 20 });
}

const ascending = (a: number, b: number) => a - b;

describe('actions by order', () => {
  it('give what sorting all rows gives', async () => {
    await onPrograms(11, async (rdd, rows) => {
      const sorted = rows.toSorted(ascending);
      for (const count of [0, 1, 3, 50]) {
        expect(await rdd.takeOrdered(count)).toEqual(sorted.slice(0, count));
        expect(await rdd.top(count)).toEqual(sorted.toReversed().slice(0, count));
      }
      if (rows.length > 0) {
        expect(await rdd.min()).toBe(sorted[0]);
        expect(await rdd.max()).toBe(sorted.at(-1));
      } else {
        await expect(rdd.min()).rejects.toThrow('min: the RDD is empty');
        await expect(rdd.max()).rejects.toThrow('max: the RDD is empty');
      }
    });
  });

  it('keep the first of rows that the order calls equal', async () => {
    await onPrograms(12, async (rdd, rows) => {
      const byDigit = (a: [number, number], b: [number, number]) => (a[0] % 3) - (b[0] % 3);
      const numbered = rdd.zipWithIndex();
      const model = rows.map((row, index): [number, number] => [row, index]).sort(byDigit);
      expect(await numbered.takeOrdered(4, byDigit)).toEqual(model.slice(0, 4));
      if (rows.length > 0) expect(await numbered.min(byDigit)).toEqual(model[0]);
    });
  });

  it('know numbers, texts, bigints, dates, arrays and nothing', async () => {
    expect(await sc.parallelize(['b', 'a', 'C'], 2).takeOrdered(3)).toEqual(['C', 'a', 'b']);
    expect(await sc.parallelize([3n, 1n, 2n], 2).max()).toBe(3n);
    expect(await sc.parallelize([new Date(3), new Date(1)], 2).min()).toEqual(new Date(1));
    expect(await sc.parallelize([1, Number.NaN, -1], 2).top(2)).toEqual([Number.NaN, 1]);
    const pairs: [string, number][] = [
      ['b', 1],
      ['a', 2],
      ['b', 0],
    ];
    expect(await sc.parallelize(pairs, 2).takeOrdered(3)).toEqual([
      ['a', 2],
      ['b', 0],
      ['b', 1],
    ]);
    expect(await sc.parallelize([2, null, 1], 2).takeOrdered(2)).toEqual([null, 1]);
    expect(await sc.parallelize(pairs).filterByRange('a', 'a').collect()).toEqual([['a', 2]]);
  });

  it('refuse values without a common order, and orders that answer late', async () => {
    await expect(sc.parallelize([1, 'a'], 1).takeOrdered(1)).rejects.toThrow('no natural order');
    await expect(sc.parallelize([1, 'a'], 1).max()).rejects.toThrow(
      /no natural order.*\(in max at actions\.test\.ts:\d+\)/s,
    );
    const late = (() => Promise.resolve(1)) as unknown as (a: number, b: number) => number;
    await expect(sc.range(0, 9, 1, 1).max(late)).rejects.toThrow(/must answer at once with a number.*in max at/s);
    const declared = (async () => 1) as unknown as (a: number, b: number) => number;
    for (const call of ['min', 'max'] as const)
      await expect(sc.range(0, 3)[call](declared)).rejects.toThrow(`${call} takes no async function`);
    await expect(sc.range(0, 3).top(1, declared)).rejects.toThrow('top takes no async function');
    await expect(sc.range(0, 3).takeOrdered(-1)).rejects.toThrow('must be a whole number');
  });
});

describe('folds', () => {
  it('keep the order of rows, in a tree too', async () => {
    await onPrograms(13, async (rdd, rows) => {
      const texts = rdd.map((row) => `${row},`);
      const model = rows.map((row) => `${row},`).join('');
      const concat = (a: string, b: string) => a + b;
      expect(await texts.fold('', concat)).toBe(model);
      for (const depth of [1, 2, 4])
        if (rows.length > 0) expect(await texts.treeReduce(concat, depth)).toBe(model);
        else await expect(texts.treeReduce(concat, depth)).rejects.toThrow('treeReduce: the RDD is empty');
      expect(await rdd.isEmpty()).toBe(rows.length === 0);
    });
    const many = sc.range(0, 200, 1, 40).map((x) => `${x},`);
    expect(await many.treeReduce((a, b) => a + b, 3)).toBe(Array.from({ length: 200 }, (_, x) => `${x},`).join(''));
  });

  it('begin each partition, and each key, with a copy of a zero that is changed', async () => {
    const count = (counts: Uint8Array, x: number) => {
      counts[x % 4]!++;
      return counts;
    };
    const add = (a: Uint8Array, b: Uint8Array) => a.map((n, i) => n + b[i]!);
    const numbers = sc.range(0, 80, 1, 8);
    expect(await numbers.aggregate(new Uint8Array(4), count, add)).toEqual(Uint8Array.of(20, 20, 20, 20));
    expect(await numbers.treeAggregate(new Uint8Array(4), count, add)).toEqual(Uint8Array.of(20, 20, 20, 20));
    const byParity = numbers.map((x): [number, number] => [x % 2, x]).aggregateByKey(new Uint8Array(4), count, add);
    expect(await byParity.collectAsMap()).toEqual(
      new Map([
        [0, Uint8Array.of(20, 0, 20, 0)],
        [1, Uint8Array.of(0, 20, 0, 20)],
      ]),
    );
  });

  it('refuse async functions', async () => {
    const late = (async (a: number) => a) as unknown as (a: number, b: number) => number;
    await expect(sc.range(0, 3).fold(0, late)).rejects.toThrow('fold takes no async function');
    await expect(sc.range(0, 3).treeReduce(late)).rejects.toThrow('treeReduce takes no async function');
  });
});

describe('toLocalIterator', () => {
  it('gives all rows, and may be left early', async () => {
    await onPrograms(14, async (rdd, rows) => {
      const seen: number[] = [];
      for await (const row of rdd.toLocalIterator()) seen.push(row);
      expect(seen).toEqual(rows);
    });
    for await (const row of sc.range(0, 100, 1, 10).toLocalIterator()) if (row === 15) break;
  });

  it('tells an error when its partition has its turn', async () => {
    const failing = sc.range(0, 4, 1, 4).map((x) => {
      if (x === 2) throw new Error('boom');
      return x;
    });
    const seen: number[] = [];
    const read = async () => {
      for await (const row of failing.toLocalIterator()) seen.push(row);
    };
    await expect(read()).rejects.toThrow('boom');
    expect(seen).toEqual([0, 1]);
  });
});

describe('counting', () => {
  it('by value and by key is what a Map gives', async () => {
    await onPrograms(15, async (rdd, rows) => {
      const counts = new Map<number, number>();
      for (const row of rows) counts.set(row, (counts.get(row) ?? 0) + 1);
      expect(await rdd.countByValue()).toEqual(counts);
      const pairs = rdd.map((row): [number, number] => [row % 4, row]);
      const model = new Map<number, number[]>();
      for (const row of rows) model.set(row % 4, [...(model.get(row % 4) ?? []), row]);
      const ofModel = <V>(fn: (values: number[]) => V) => new Map([...model].map(([key, values]) => [key, fn(values)]));
      expect(await pairs.countByKey()).toEqual(ofModel((values) => values.length));
      expect(await pairs.collectAsMap()).toEqual(ofModel((values) => values.at(-1)));
      const texts = pairs.map(([key, row]): [number, string] => [key, `${row},`]);
      expect(await texts.reduceByKeyLocally((a, b) => a + b)).toEqual(
        ofModel((values) => values.map((row) => `${row},`).join('')),
      );
      for (const key of [0, 1, 9]) expect(await pairs.lookup(key)).toEqual(model.get(key) ?? []);
    });
  });

  it('compares arrays, objects and dates by value', async () => {
    const rows = [['a', 1], new Date(5), { x: 1, y: 2 }, ['a', 1], { y: 2, x: 1 }, new Date(5), '["a",1]', null];
    const counts = await sc.parallelize(rows, 3).countByValue();
    expect([...counts].map(([, count]) => count)).toEqual([1, 1, 2, 2, 2]);
    expect([...counts.keys()]).toEqual(['["a",1]', null, ['a', 1], new Date(5), { x: 1, y: 2 }]);
    const pairs = sc.parallelize(rows, 3).map((row, index = 0): [typeof row, number] => [row, index + 1]);
    expect(await pairs.lookup(['a', 1])).toEqual([1, 1]);
    expect(await pairs.lookup(null)).toEqual([1]);
    expect((await pairs.collectAsMap()).size).toBe(5);
    await expect(sc.parallelize([new Map()]).countByValue()).rejects.toThrow(/a key must be .*in countByValue at/s);
  });

  it('of -0 and NaN is that of a Map', async () => {
    expect(await sc.parallelize([0, -0, Number.NaN, Number.NaN]).countByValue()).toEqual(
      new Map([
        [0, 2],
        [Number.NaN, 2],
      ]),
    );
    expect(await sc.parallelize([[Number.NaN, 1]] as [number, number][]).lookup(Number.NaN)).toEqual([1]);
  });

  it('is approximate within its bounds', async () => {
    expect(await sc.range(0, 1000, 1, 8).countApprox(60_000)).toEqual({
      mean: 1000,
      confidence: 1,
      low: 1000,
      high: 1000,
    });
    const none = await sc.range(0, 1000, 1, 4).countApprox(0);
    expect(none).toEqual({ mean: 0, confidence: 0, low: 0, high: Number.POSITIVE_INFINITY });
    await expect(sc.range(0, 3).countApprox(10, 1)).rejects.toThrow('confidence');
  });

  it('of different values is near enough', async () => {
    const numbers = sc.range(0, 40_000, 1, 3).map((x) => x % 5000);
    expect(Math.abs((await numbers.countApproxDistinct(0.01)) / 5000 - 1)).toBeLessThan(0.03);
    expect(Math.abs((await numbers.map((x) => `user ${x}`).countApproxDistinct()) / 5000 - 1)).toBeLessThan(0.15);
    const byKey = await numbers
      .map((x): [number, number] => [x % 2, x])
      .countApproxDistinctByKey(0.02)
      .collectAsMap();
    for (const key of [0, 1]) expect(Math.abs(byKey.get(key)! / 2500 - 1)).toBeLessThan(0.06);
    expect(await sc.parallelize([], 2).countApproxDistinct()).toBe(0);
    expect(
      await sc
        .parallelize([
          [1, 2],
          [1, 2],
          [2, 1],
        ])
        .countApproxDistinct(),
    ).toBe(2);
  });
});

describe('names', () => {
  it('and lineage are for people', async () => {
    const rdd = sc
      .range(0, 4, 1, 2)
      .map((x) => x + 1)
      .setName('more');
    expect(rdd.name).toBe('more');
    const text = () => rdd.toDebugString().replaceAll(/:\d+/g, '');
    const [range] = rdd.node.parents;
    expect(text()).toBe(`(?) more [${rdd.id}] map at actions.test.ts\n  | [${range!.id}] range at actions.test.ts`);
    await rdd.count();
    expect(text()).toMatch(/^\(2\) more \[/);
  });
});
