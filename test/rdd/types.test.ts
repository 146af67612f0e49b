import type { ArrowRDD, RDD, Row, SheafContext } from 'sheaf';
import { describe, expectTypeOf, it } from 'vitest';

/** Never called: the compiler is the test. */
function chains(sc: SheafContext) {
  const mixed = sc.parallelize([1, 'two', null]);
  const table = sc.csv('x.csv');
  return {
    mapped: sc.parallelize([1, 2]).map((x) => `${x}`),
    asyncMapped: sc.parallelize([1, 2]).map(async (x) => ({ x })),
    narrowed: mixed.filter((row): row is number => typeof row === 'number'),
    filtered: mixed.filter((row) => row !== null),
    asyncFiltered: mixed.filter(async () => true),
    words: sc.textFile('x').flatMap((line) => line.split(' ')),
    letters: sc.textFile('x').flatMap((line) => line.trim()),
    asyncRows: sc.textFile('x').flatMap(async function* (line) {
      yield line.length;
    }),
    partitions: sc.range(0, 3).mapPartitions((rows) => [[...rows].length]),
    indexed: sc
      .range(0, 3)
      .mapPartitionsWithIndex(async (index, rows) => [...rows].map((row) => [index, row] as const)),
    glommed: sc.range(0, 3).glom(),
    united: sc.range(0, 3).union(sc.textFile('x')),
    same: sc.range(0, 3).union(sc.range(0, 3), sc.range(0, 3)).cache(),
    reduced: sc.range(0, 3).reduce((a, b) => a + b),
    aggregated: sc.textFile('x').aggregate(
      { letters: 0 },
      (all, line) => ({ letters: all.letters + line.length }),
      (a) => a,
    ),
    collected: mixed.collect(),
    tables: table.union(
      table.where('x', (x) => x > 1),
      table.mapBatches((batch) => [batch]),
    ),
    rows: table.union(sc.parallelize([{ x: 1 }])),
    row: table.map((row) => row.x),
  };
}

/** Array literals are tuples where rows are made: no annotation is needed for keys and values. */
function pairs(sc: SheafContext) {
  const words = sc.parallelize(['a', 'b']);
  const counted = words.map((word) => [word, 1]);
  return {
    counted,
    summed: counted.reduceByKey((a, b) => a + b),
    given: sc.parallelize([
      ['a', 1],
      ['b', 2],
    ]),
    later: words.map(async (word) => [word, 1]),
    nested: words.map((word) => [
      [word, word.length],
      [1, { at: word }],
    ]),
    several: words.flatMap((word) => [
      [word, 1],
      [word.length > 1 ? word : '', 2],
    ]),
    yielded: words.mapPartitions(function* (rows) {
      for (const row of rows) yield [row, 1];
    }),
    indexed: words.mapPartitionsWithIndex((index, rows) => [[index, [...rows].length]]),
    averaged: counted.mapValues((x) => [x, 1]).reduceByKey((a, b) => [a[0] + b[0], a[1] + b[1]]),
    spread: counted.flatMapValues((x) => [[x, x]]),
    byTwo: words.keyBy((word) => [word, word.length]),
    grouped: words.groupBy((word) => [word.length, word]),
    joined: counted.join(counted).map(([word, [a, b]]) => [word, a + b]),
    sumAndCount: words.aggregate(
      [0, 0] as [number, number],
      (all, word) => [all[0] + word.length, all[1] + 1],
      (a, b) => [a[0] + b[0], a[1] + b[1]],
    ),
    generic: generic(words, 'x'),
    vectors: words.map((word) => [...word].map(Number)),
    said: words.map((word): (string | number)[] => [word, 1]),
    parsed: words.map((word) => JSON.parse(word)),
    perhaps: words.map((word) => (word ? [word, 1] : null)),
  };
}

function generic<T, K>(rows: RDD<T>, key: K) {
  return rows.map((row) => [key, row]).mapValues((row) => [row, 1]);
}

const plus = (a: number, b: number) => a + b;
const later = async (a: number, b: number) => a + b;

function refused(sc: SheafContext) {
  const numbers = sc.range(0, 3);
  // @ts-expect-error reduce takes no async function
  numbers.reduce(later);
  // @ts-expect-error nor does aggregate
  numbers.aggregate(0, later, plus);
  // @ts-expect-error nor treeAggregate
  numbers.treeAggregate(0, plus, later);
  const pairs = numbers.map((x): [number, number] => [x, x]);
  // @ts-expect-error nor mapValues
  pairs.mapValues(async (x) => x);
  // @ts-expect-error nor keyBy
  numbers.keyBy(async (x) => x);
  // @ts-expect-error nor groupBy
  numbers.groupBy(async (x) => x);
  // @ts-expect-error nor sortBy
  numbers.sortBy(async (x) => x);
  // @ts-expect-error operators by key need pairs
  numbers.reduceByKey((a) => a);
  // @ts-expect-error nor where
  sc.csv('x').where('x', async () => true);
  // @ts-expect-error a filter answers true or false
  numbers.filter((x) => x);
  // @ts-expect-error flatMap needs an iterable
  numbers.flatMap((x) => x + 1);
}

describe('types', () => {
  it('follow the rows through chains', () => {
    type Chains = ReturnType<typeof chains>;
    expectTypeOf<Chains['mapped']>().toEqualTypeOf<RDD<string>>();
    expectTypeOf<Chains['asyncMapped']>().toEqualTypeOf<RDD<{ x: number }>>();
    expectTypeOf<Chains['narrowed']>().toEqualTypeOf<RDD<number>>();
    expectTypeOf<Chains['asyncFiltered']>().toEqualTypeOf<RDD<string | number | null>>();
    expectTypeOf<Chains['words']>().toEqualTypeOf<RDD<string>>();
    expectTypeOf<Chains['letters']>().toEqualTypeOf<RDD<string>>();
    expectTypeOf<Chains['asyncRows']>().toEqualTypeOf<RDD<number>>();
    expectTypeOf<Chains['partitions']>().toEqualTypeOf<RDD<number>>();
    expectTypeOf<Chains['indexed']>().toEqualTypeOf<RDD<readonly [number, number]>>();
    expectTypeOf<Chains['glommed']>().toEqualTypeOf<RDD<number[]>>();
    expectTypeOf<Chains['united']>().toEqualTypeOf<RDD<number | string>>();
    expectTypeOf<Chains['same']>().toEqualTypeOf<RDD<number>>();
    expectTypeOf<Chains['reduced']>().toEqualTypeOf<Promise<number>>();
    expectTypeOf<Chains['aggregated']>().toEqualTypeOf<Promise<{ letters: number }>>();
    expectTypeOf<Chains['collected']>().toEqualTypeOf<Promise<(string | number | null)[]>>();
    expectTypeOf<Chains['tables']>().toEqualTypeOf<ArrowRDD>();
    expectTypeOf<Chains['rows']>().toEqualTypeOf<RDD<Row | { x: number }>>();
    expectTypeOf<Chains['row']>().toEqualTypeOf<RDD<unknown>>();
    expectTypeOf(refused).toBeFunction();
  });

  it('are pairs where a function returns two', () => {
    type Pairs = ReturnType<typeof pairs>;
    expectTypeOf<Pairs['counted']>().toEqualTypeOf<RDD<[string, number]>>();
    expectTypeOf<Pairs['summed']>().toEqualTypeOf<RDD<[string, number]>>();
    expectTypeOf<Pairs['given']>().toEqualTypeOf<RDD<[string, number]>>();
    expectTypeOf<Pairs['later']>().toEqualTypeOf<RDD<[string, number]>>();
    expectTypeOf<Pairs['nested']>().toEqualTypeOf<RDD<[[string, number], [number, { at: string }]]>>();
    expectTypeOf<Pairs['several']>().toEqualTypeOf<RDD<[string, number]>>();
    expectTypeOf<Pairs['yielded']>().toEqualTypeOf<RDD<[string, number]>>();
    expectTypeOf<Pairs['indexed']>().toEqualTypeOf<RDD<[number, number]>>();
    expectTypeOf<Pairs['averaged']>().toEqualTypeOf<RDD<[string, [number, number]]>>();
    expectTypeOf<Pairs['spread']>().toEqualTypeOf<RDD<[string, [number, number]]>>();
    expectTypeOf<Pairs['byTwo']>().toEqualTypeOf<RDD<[[string, number], string]>>();
    expectTypeOf<Pairs['grouped']>().toEqualTypeOf<RDD<[[number, string], string[]]>>();
    expectTypeOf<Pairs['joined']>().toEqualTypeOf<RDD<[string, number]>>();
    expectTypeOf<Pairs['sumAndCount']>().toEqualTypeOf<Promise<[number, number]>>();
    expectTypeOf<Pairs['generic']>().toEqualTypeOf<RDD<[string, [string, number]]>>();
    expectTypeOf<Pairs['vectors']>().toEqualTypeOf<RDD<number[]>>();
    expectTypeOf<Pairs['said']>().toEqualTypeOf<RDD<(string | number)[]>>();
    expectTypeOf<Pairs['parsed']>().toEqualTypeOf<RDD<any>>();
    expectTypeOf<Pairs['perhaps']>().toEqualTypeOf<RDD<[string, number] | null>>();
  });
});
