import type { Bounded, RDD, SheafContext, StatCounter } from 'sheaf';
import { describe, expectTypeOf, it } from 'vitest';

type Day = [year: number, day: number];

/** Never called: the compiler is the test. */
function chains(sc: SheafContext) {
  const words = sc.textFile('x');
  const pairs = words.map((word): [string, number] => [word, word.length]);
  const byDay = words.map((word): [Day, string] => [[2024, word.length], word]);
  return {
    sampled: pairs
      .sample(false, 0.1)
      .sampleByKey(false, { a: 0.5 })
      .sampleByKey(true, new Map([['a', 2]])),
    composite: byDay.sampleByKey(false, new Map<Day, number>()),
    split: words.randomSplit([1, 2])[0]!,
    drawn: words.takeSample(false, 3),
    numbered: words.zipWithIndex(),
    unique: pairs.zipWithUniqueId(),
    piped: pairs.pipe('cat'),
    iterated: pairs.toLocalIterator(),
    ordered: pairs.takeOrdered(3, (a, b) => a[1] - b[1]),
    greatest: words.max(),
    range: pairs.filterByRange('a', 'b'),
    folded: words.fold('', (a, b) => a + b),
    treeReduced: words.treeReduce((a, b) => a + b),
    sum: sc.range(0, 3).sum(),
    stats: sc.range(0, 3).stats(),
    even: sc.range(0, 3).histogram(2),
    given: sc.range(0, 3).histogram([0, 1, 2]),
    values: words.countByValue(),
    keys: byDay.countByKey(),
    map: byDay.collectAsMap(),
    found: byDay.lookup([2024, 1]),
    local: pairs.reduceByKeyLocally((a, b) => a + b),
    approximate: words.countApprox(100),
    distinct: words.countApproxDistinct(),
    named: sc.range(0, 3).setName('x'),
    empty: words.isEmpty(),
  };
}

function refused(sc: SheafContext) {
  const words = sc.textFile('x');
  // @ts-expect-error texts have no sum
  words.sum();
  // @ts-expect-error nor a mean
  words.mean();
  // @ts-expect-error nor a histogram
  words.histogram(3);
  // @ts-expect-error rows that are no pairs have no keys
  words.countByKey();
  // @ts-expect-error nor a value of a key
  words.lookup('a');
  // @ts-expect-error an order answers at once
  words.top(3, async () => 1);
  // @ts-expect-error as does what folds
  words.fold('', async () => '');
  const pairs = words.map((word): [string, number] => [word, 1]);
  // @ts-expect-error and what reduces
  pairs.reduceByKeyLocally(async () => 1);
  // @ts-expect-error keys have a type
  pairs.lookup(3);
  // @ts-expect-error fractions too
  pairs.sampleByKey(false, new Map([[1, 0.5]]));
}

describe('types of actions', () => {
  it('follow the rows through chains', () => {
    type Chains = ReturnType<typeof chains>;
    expectTypeOf<Chains['sampled']>().toEqualTypeOf<RDD<[string, number]>>();
    expectTypeOf<Chains['composite']>().toEqualTypeOf<RDD<[Day, string]>>();
    expectTypeOf<Chains['split']>().toEqualTypeOf<RDD<string>>();
    expectTypeOf<Chains['drawn']>().toEqualTypeOf<Promise<string[]>>();
    expectTypeOf<Chains['numbered']>().toEqualTypeOf<RDD<[string, number]>>();
    expectTypeOf<Chains['unique']>().toEqualTypeOf<RDD<[[string, number], number]>>();
    expectTypeOf<Chains['piped']>().toEqualTypeOf<RDD<string>>();
    expectTypeOf<Chains['iterated']>().toEqualTypeOf<AsyncIterableIterator<[string, number]>>();
    expectTypeOf<Chains['ordered']>().toEqualTypeOf<Promise<[string, number][]>>();
    expectTypeOf<Chains['greatest']>().toEqualTypeOf<Promise<string>>();
    expectTypeOf<Chains['range']>().toEqualTypeOf<RDD<[string, number]>>();
    expectTypeOf<Chains['folded']>().toEqualTypeOf<Promise<string>>();
    expectTypeOf<Chains['treeReduced']>().toEqualTypeOf<Promise<string>>();
    expectTypeOf<Chains['sum']>().toEqualTypeOf<Promise<number>>();
    expectTypeOf<Chains['stats']>().toEqualTypeOf<Promise<StatCounter>>();
    expectTypeOf<Chains['even']>().toEqualTypeOf<Promise<[edges: number[], counts: number[]]>>();
    expectTypeOf<Chains['given']>().toEqualTypeOf<Promise<number[]>>();
    expectTypeOf<Chains['values']>().toEqualTypeOf<Promise<Map<string, number>>>();
    expectTypeOf<Chains['keys']>().toEqualTypeOf<Promise<Map<Day, number>>>();
    expectTypeOf<Chains['map']>().toEqualTypeOf<Promise<Map<Day, string>>>();
    expectTypeOf<Chains['found']>().toEqualTypeOf<Promise<string[]>>();
    expectTypeOf<Chains['local']>().toEqualTypeOf<Promise<Map<string, number>>>();
    expectTypeOf<Chains['approximate']>().toEqualTypeOf<Promise<Bounded>>();
    expectTypeOf<Chains['distinct']>().toEqualTypeOf<Promise<number>>();
    expectTypeOf<Chains['named']>().toEqualTypeOf<RDD<number>>();
    expectTypeOf<Chains['empty']>().toEqualTypeOf<Promise<boolean>>();
    expectTypeOf(refused).toBeFunction();
  });
});
