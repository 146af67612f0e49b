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
});
