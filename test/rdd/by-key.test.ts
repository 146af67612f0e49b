import fc from 'fast-check';
import { type RDD, SheafContext, type TimedEvent } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bag, groups, identity, keys, ordered, type Parts, partsOf } from './keyed-model.js';

const TINY = 400;

/** The same programs with ample memory, and with so little that nearly everything is spilled. */
describe.each([
  ['with memory', '256m'],
  ['with hardly any memory', String(TINY)],
])('operators by key, %s', (_, memory) => {
  let sc: SheafContext;
  const events: TimedEvent[] = [];

  beforeAll(async () => {
    const conf = { 'sheaf.eventLog.enabled': 'false', 'sheaf.slot.memory': memory };
    sc = await SheafContext.create({ master: 'local[2]', conf });
    sc.bus.listen((event) => void events.push(event));
  });
  afterAll(() => sc.stop());

  /** An RDD with exactly these partitions. */
  const rddOf = <K>(parts: Parts<K, number>): RDD<[K, number]> =>
    sc.parallelize(parts, parts.length).flatMap((rows) => [...rows]);
  const wide = fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined });
  const check = (seed: number, key: fc.Arbitrary<any>, of: (parts: Parts<any, number>, n?: number) => Promise<void>) =>
    fc.assert(fc.asyncProperty(partsOf(key), wide, of), { seed, numRuns: 15 });

  it('combine the values of each key', () =>
    check(1, keys, async (parts, n) => {
      const rdd = rddOf(parts);
      const expected = [...groups(parts.flat())];
      const summed = bag(expected.map(([key, values]) => [key, values.reduce((a, b) => a + b)]));
      const named = (rows: [any, unknown][]) => bag(rows.map(([key, value]) => [identity(key), value]));
      const sum = (a: number, b: number) => a + b;
      expect(named(await rdd.reduceByKey(sum, n).collect())).toEqual(summed);
      expect(named(await rdd.foldByKey(0, sum, n).collect())).toEqual(summed);
      const grouped = bag(expected.map(([key, values]) => [key, values.sort((a, b) => a - b)]));
      const inOrder = (values: number[]) => values.sort((a, b) => a - b);
      expect(named(await rdd.groupByKey(n).mapValues(inOrder).collect())).toEqual(grouped);
      const collected = rdd.aggregateByKey(
        [] as number[],
        (list, x) => [...list, x],
        (a, b) => [...a, ...b],
        n,
      );
      expect(named(await collected.mapValues(inOrder).collect())).toEqual(grouped);
      for (const early of [true, false]) {
        const combined = rdd.combineByKey(
          (x) => [x],
          (list, x) => [...list, x],
          (a, b) => [...a, ...b],
          n,
          early,
        );
        expect(named(await combined.mapValues(inOrder).collect())).toEqual(grouped);
      }
    }));

  it('keep each row once, and tell rows of two apart', () =>
    check(2, keys, async (parts, n) => {
      const rdd = rddOf(parts).keys();
      const all = parts.flat().map(([key]) => key);
      expect(bag(await rdd.distinct(n).collect())).toEqual([...new Set(all.map(identity))].sort());
      const some = parts[0]!.map(([key]) => key);
      const inSome = new Set(some.map(identity));
      const other = sc.parallelize(some, 2);
      expect(bag(await rdd.subtract(other, n).collect())).toEqual(bag(all.filter((key) => !inSome.has(identity(key)))));
      expect(bag(await rdd.intersection(other, n).collect())).toEqual([...inSome].sort());
      const left = parts.flat().filter(([key]) => !inSome.has(identity(key)));
      const pairs = sc.parallelize(parts[0]!, 2);
      expect(bag(await rddOf(parts).subtractByKey(pairs, n).collect())).toEqual(bag(left));
    }));

  it('join', () =>
    fc.assert(
      fc.asyncProperty(partsOf(keys), partsOf(keys), wide, async (lefts, rights, n) => {
        const [left, right] = [rddOf(lefts), rddOf(rights)];
        const [ofLeft, ofRight] = [groups(lefts.flat()), groups(rights.flat())];
        const joined = (keepLeft: boolean, keepRight: boolean) =>
          [...new Set([...ofLeft.keys(), ...ofRight.keys()])].flatMap((key) => {
            const a = ofLeft.get(key) ?? (keepRight ? [undefined] : []);
            const b = ofRight.get(key) ?? (keepLeft ? [undefined] : []);
            return a.flatMap((x) => b.map((y) => [key, [x, y]]));
          });
        const named = (rows: [any, unknown][]) => bag(rows.map(([key, value]) => [identity(key), value]));
        expect(named(await left.join(right, n).collect())).toEqual(bag(joined(false, false)));
        expect(named(await left.leftOuterJoin(right, n).collect())).toEqual(bag(joined(true, false)));
        expect(named(await left.rightOuterJoin(right, n).collect())).toEqual(bag(joined(false, true)));
        expect(named(await left.fullOuterJoin(right, n).collect())).toEqual(bag(joined(true, true)));
        const three = await left.cogroup([right, left], n).collect();
        const sorted = (list: readonly number[] = []) => [...list].sort((a, b) => a - b);
        expect(bag(three.map(([key, lists]) => [identity(key), lists.map(sorted)]))).toEqual(
          bag(
            [...new Set([...ofLeft.keys(), ...ofRight.keys()])].map((key) => [
              key,
              [ofLeft.get(key), ofRight.get(key), ofLeft.get(key)].map(sorted),
            ]),
          ),
        );
      }),
      { seed: 3, numRuns: 15 },
    ));

  it('sort, equal keys in their old order', () =>
    fc.assert(
      fc.asyncProperty(
        ordered.chain((key) => partsOf(key as fc.Arbitrary<any>)),
        wide,
        fc.boolean(),
        async (parts, n, ascending) => {
          const natural = (a: any, b: any): number => {
            if (a === null || b === null) return Number(b === null) - Number(a === null);
            if (Array.isArray(a)) return natural(a[0], b[0]) || natural(a[1], b[1]);
            if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
            return a < b ? -1 : a > b ? 1 : 0;
          };
          const expected = parts.flat().sort(([a], [b]) => (ascending ? natural(a, b) : natural(b, a)));
          expect((await rddOf(parts).sortByKey(ascending, n).collect()).map(identity)).toEqual(expected.map(identity));
          const byFunction = await rddOf(parts)
            .sortBy(([key]) => key, ascending, n)
            .collect();
          expect(byFunction.map(identity)).toEqual(expected.map(identity));
        },
      ),
      { seed: 4, numRuns: 25 },
    ));

  it('place rows', () =>
    check(5, fc.integer({ min: 0, max: 20 }), async (parts, n = 3) => {
      const rows = parts.flat();
      const placed = await rddOf(parts)
        .partitionBy(n, (key) => key % n)
        .glom()
        .collect();
      expect(placed).toEqual([...Array(n).keys()].map((p) => rows.filter(([key]) => key % n === p)));
      const sorted = await rddOf(parts)
        .repartitionAndSortWithinPartitions(n, (key) => key % n)
        .glom()
        .collect();
      expect(sorted).toEqual(placed.map((part) => [...part].sort(([a], [b]) => a - b)));
      const hashed = await rddOf(parts).partitionBy(n).keys().glom().collect();
      for (const key of rows.map(([each]) => each)) expect(hashed.filter((part) => part.includes(key))).toHaveLength(1);
      const dealt = await rddOf(parts).repartition(n).glom().collect();
      expect(bag(dealt.flat())).toEqual(bag(rows));
      expect(dealt).toHaveLength(n);
      const merged = await rddOf(parts).coalesce(n).glom().collect();
      expect(merged.flat()).toEqual(rows);
      expect(merged).toHaveLength(Math.min(n, parts.length));
    }));

  it(memory === '256m' ? 'spill nothing' : 'spill', () => {
    const spilled = events.reduce(
      (sum, event) => sum + (event.event === 'task-end' ? (event.metrics.bytesSpilled ?? 0) : 0),
      0,
    );
    if (memory === '256m') expect(spilled).toBe(0);
    else expect(spilled).toBeGreaterThan(10_000);
  });
});
