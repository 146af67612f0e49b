import { EventBus, JobError, SheafContext, type TimedEvent } from 'sheaf';
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

async function failure(job: Promise<unknown>): Promise<JobError> {
  const error = await job.then(
    () => expect.fail('the job succeeded'),
    (thrown) => thrown,
  );
  return error;
}

function parseRow(text: string): number {
  if (text === 'bad') throw new RangeError('no number: bad');
  return Number(text);
}

describe('a function that throws', () => {
  it("fails the job with its partition, its operator's place and the user's own lines", async () => {
    const texts = sc.parallelize(['1', '2', 'bad', '4'], 4);
    const error = await failure(
      texts
        .map((text) => parseRow(text))
        .filter((x) => x > 0)
        .collect(),
    );
    expect(error).toBeInstanceOf(JobError);
    expect(error.partition).toBe(2);
    expect(error.message).toMatch(/^collect at errors\.test\.ts:\d+ failed in partition 2 of "filter at/);
    expect(error.message).toMatch(/RangeError: no number: bad \(in map at errors\.test\.ts:\d+\)$/);
    expect(error.stack).toMatch(/parseRow .*errors\.test\.ts:\d+/);
    expect(error.stack).not.toMatch(/stageLoop|rdd\/pipeline|node:internal/);
  });

  const boom = (): never => {
    throw new Error('boom');
  };
  const number = () => sc.parallelize([1, 2, 3], 2);
  const cases: Record<string, () => Promise<unknown>> = {
    map: () => number().map(boom).collect(),
    filter: () => number().filter(boom).count(),
    flatMap: () => number().flatMap(boom).collect(),
    mapPartitions: () => number().mapPartitions(boom).collect(),
    mapPartitionsWithIndex: () => number().mapPartitionsWithIndex(boom).collect(),
    reduce: () => number().reduce(boom),
    aggregate: () => number().aggregate(0, boom, boom),
    treeAggregate: () => number().treeAggregate(0, boom, boom),
    foreach: () => number().foreach(boom),
  };
  for (const [operator, run] of Object.entries(cases))
    it(`is named: ${operator}`, async () => {
      const { message } = await failure(run());
      expect(message).toMatch(new RegExp(`boom \\(in ${operator} at errors\\.test\\.ts:\\d+\\)`));
    });

  it('may be async, or a generator', async () => {
    const late = async (x: number) => {
      await null;
      if (x === 2) throw new Error('late boom');
      return x;
    };
    expect((await failure(number().map(late).collect())).message).toMatch(/late boom \(in map at/);
    expect((await failure(number().foreach(async (x) => void (await late(x))))).message).toMatch(
      /late boom \(in foreach/,
    );
    const generator = function* (x: number) {
      yield x;
      if (x === 2) throw new Error('generator boom');
    };
    const after = (x: number) => x + 1;
    const message = (await failure(number().map(after).flatMap(generator).map(after).filter(Boolean).collect()))
      .message;
    expect(message).toMatch(/generator boom \(in flatMap at/);
    const rows = async function* () {
      yield 1;
      throw new Error('rows boom');
    };
    expect((await failure(number().mapPartitions(rows).collect())).message).toMatch(/rows boom \(in mapPartitions/);
  });

  it('may throw what is no Error', async () => {
    const throwing = (what: unknown) =>
      number().map(() => {
        throw what;
      });
    expect((await failure(throwing('text').collect())).message).toMatch(/a value was thrown that is no Error: 'text'/);
    expect((await failure(throwing({ code: 7 }).collect())).message).toMatch(/no Error: { code: 7 }/);
    expect((await failure(throwing(undefined).collect())).message).toMatch(/no Error: undefined/);
  });

  it('may throw in the driver, where the last results are combined', async () => {
    await expect(sc.parallelize([1, 2], 2).reduce(boom)).rejects.toThrow('boom');
  });
});

describe('a promise where none is allowed', () => {
  const later = (x: unknown): any => Promise.resolve(x);
  const number = (partitions = 1) => sc.parallelize([1, 2, 3, 4], partitions);
  const cases: Record<string, () => Promise<unknown>> = {
    map: () =>
      number()
        .map((x) => later(x))
        .count(),
    filter: () =>
      number()
        .filter((x) => later(x))
        .collect(),
    flatMap: () =>
      number()
        .flatMap((x) => later([x]))
        .collect(),
    reduce: () => number().reduce((a, b) => later(a + b)),
    'reduce in the driver': () => number(4).reduce((a, b) => later(a + b)),
    aggregate: () =>
      number().aggregate(
        0,
        (a, b) => later(a + b),
        (a, b) => a + b,
      ),
    'aggregate in the driver': () =>
      number(4).aggregate(
        0,
        (a, b) => a + b,
        (a, b) => later(a + b),
      ),
    treeAggregate: () =>
      number(4).treeAggregate(
        0,
        (a, b) => later(a + b),
        (a, b) => a + b,
      ),
    'treeAggregate on executors': () =>
      number(12).treeAggregate(
        0,
        (a, b) => a + b,
        (a, b) => later(a + b),
        3,
      ),
    foreach: () => number().foreach((x) => later(x)),
    mapPartitions: () =>
      number()
        .mapPartitions((rows) => later([...rows]))
        .collect(),
  };
  for (const [name, run] of Object.entries(cases))
    it(`is refused, naming the operator's place: ${name}`, async () => {
      const { message } = await failure(run());
      const operator = name.split(' ')[0];
      expect(message).toMatch(new RegExp(`the function of ${operator} at errors\\.test\\.ts:\\d+ returned a promise`));
    });

  it('is refused at once when the function is declared async', async () => {
    const sum = (async (a: number, b: number) => a + b) as any;
    const refusal = /takes no async function/;
    await expect(number().reduce(sum)).rejects.toThrow(refusal);
    await expect(number().aggregate(0, sum, (a) => a)).rejects.toThrow(refusal);
    await expect(number().aggregate(0, (a) => a, sum)).rejects.toThrow(refusal);
    await expect(number().treeAggregate(0, sum, (a) => a)).rejects.toThrow(refusal);
    expect(() => sc.csv('x.csv').where('x', sum)).toThrow(refusal);
    expect(events.filter(({ event }) => event === 'job-start')).toEqual([]);
  });
});

describe('what is no iterable', () => {
  it('is refused from flatMap and mapPartitions', async () => {
    const seven = (() => 7) as any;
    const advice = /must return an iterable \(an array, a generator, a Set, …\), it returned 7/;
    expect((await failure(sc.range(0, 3).flatMap(seven).collect())).message).toMatch(advice);
    expect(
      (
        await failure(
          sc
            .range(0, 3)
            .flatMap((async () => 7) as any)
            .collect(),
        )
      ).message,
    ).toMatch(advice);
    expect((await failure(sc.range(0, 3).mapPartitions(seven).collect())).message).toMatch(advice);
  });
});

describe('rows that do not fit', () => {
  const numbers = (partitions = 2): any => sc.range(0, 10, 1, partitions);
  const identity = (row: unknown) => row;
  const sets = (): any => numbers().map((x: number) => new Set([x]));
  const pair = 'needs rows of the form [key, value], and got';
  const cases: [string, () => Promise<unknown>, string][] = [
    ['reduceByKey', () => numbers().reduceByKey(Math.max).collect(), pair],
    ['join', () => numbers().join(numbers()).collect(), pair],
    ['countByKey', () => numbers().countByKey(), pair],
    ['collectAsMap', () => numbers().collectAsMap(), pair],
    ['lookup', () => numbers().lookup(1), pair],
    ['distinct', () => sets().distinct().collect(), 'a key must be a number, text,'],
    ['countByValue', () => sets().countByValue(), 'a key must be a number, text,'],
    ['groupBy', () => sets().groupBy(identity).collect(), 'a key must be a number, text,'],
    ['sortBy', () => sc.parallelize<any>([1, 'a'], 1).sortBy(identity).collect(), 'have no natural order'],
    ['sortBy', () => sc.parallelize<any>([1, 'a'], 2).sortBy(identity).collect(), 'have no natural order'],
  ];
  for (const [operator, run, message] of cases)
    it(`are refused, naming the operator's place: ${operator}`, async () => {
      const error = await failure(run());
      expect(error.message).toContain(message);
      expect(error.message).toMatch(new RegExp(`${operator} at errors\\.test\\.ts:\\d+`));
      expect(error.message).not.toContain('FailureError');
    });

  it('are compared by an order that must answer with a number', async () => {
    const order = (answer: any) => () => answer;
    for (const rows of [numbers(2), numbers(1), sc.range(0, 100, 1, 2)]) {
      const refusal = /the order of (top|max) must answer at once with a number, not NaN, for \d+ and \d+/;
      await expect(rows.top(3, order(Number.NaN))).rejects.toThrow(refusal);
      await expect(rows.max(order(Number.NaN))).rejects.toThrow(refusal);
      await expect(rows.takeOrdered(3, order(true))).rejects.toThrow(/the order of takeOrdered .* not true/);
    }
  });
});

describe('a captured RDD or context', () => {
  it('is refused before any task starts, naming variable and line', async () => {
    const other = sc.range(0, 3);
    const context = sc;
    const capturing = sc.range(0, 10).map(() => other.node.id);
    await expect(capturing.collect()).rejects.toThrow(/"?other"?.*an RDD/s);
    await expect(capturing.collect()).rejects.toThrow(/errors\.test\.ts:\d+/);
    await expect(sc.range(0, 3).foreach(() => void context.app)).rejects.toThrow(/context.*the SheafContext/s);
    await expect(
      sc.range(0, 30, 1, 16).treeAggregate(
        0,
        (a) => a,
        () => other.node.id,
      ),
    ).rejects.toThrow(/other/);
    expect(events.filter(({ event }) => event === 'task-end' || event === 'stage-start')).toEqual([]);
  });
});

describe('a wrong argument', () => {
  const js = (): any => sc;
  const rdd = (): any => sc.range(0, 3);

  it.each([
    ['parallelize of a number', () => js().parallelize(7), 'parallelize needs an array, not 7'],
    [
      'parallelize of a Set',
      () => js().parallelize(new Set([1])),
      'parallelize needs an array, not Set(1) { 1 } (Array.from',
    ],
    [
      'no partitions',
      () => js().parallelize([1], 0),
      'the number of partitions must be a whole number of at least 1, not 0',
    ],
    ['half a partition', () => js().parallelize([1], 1.5), 'at least 1, not 1.5'],
    ['partitions as text', () => js().range(0, 3, 1, '2'), "at least 1, not '2'"],
    ['range of text', () => js().range('a', 3), "the beginning of range must be a finite number, not 'a'"],
    ['an endless range', () => js().range(0, Number.POSITIVE_INFINITY), 'the end of range must be a finite number'],
    ['a step of 0', () => js().range(0, 3, 0), 'the step of range must not be 0'],
    ['textFile of nothing', () => js().textFile(), 'textFile needs a path, or an array of paths, not undefined'],
    ['csv of numbers', () => js().csv([1]), 'csv needs a path, or an array of paths'],
    ['csv in no partitions', () => js().csv('x.csv', {}, 0), 'the number of partitions must be'],
    ['map of text', () => rdd().map('x => x'), "map needs a function, not 'x => x'"],
    ['filter of nothing', () => rdd().filter(), 'filter needs a function, not undefined'],
    ['flatMap of an array', () => rdd().flatMap([1]), 'flatMap needs a function'],
    ['mapPartitions of null', () => rdd().mapPartitions(null), 'mapPartitions needs a function, not null'],
    ['union with an array', () => rdd().union([1]), 'union needs RDDs'],
    [
      'where without a column',
      () =>
        js()
          .csv('x.csv')
          .where(() => true),
      "where needs a column's name",
    ],
    ['sortBy by a comparator', () => rdd().sortBy((a: number, b: number) => a - b), 'not one that compares two rows'],
    ['mapBatches of text', () => js().csv('x.csv').mapBatches('x'), 'mapBatches needs a function'],
  ])('is refused at once: %s', (_, run, message) => {
    expect(run).toThrow(message);
  });

  it.each([
    ['take(-1)', () => rdd().take(-1), 'the number of rows to take must be a whole number of at least 0, not -1'],
    ['take(1.5)', () => rdd().take(1.5), 'not 1.5'],
    ['take of text', () => rdd().take('3'), "not '3'"],
    ['reduce of text', () => rdd().reduce('+'), "reduce needs a function, not '+'"],
    ['aggregate without combOp', () => rdd().aggregate(0, () => 0), 'aggregate needs a function combOp, not undefined'],
    [
      'treeAggregate of depth 0',
      () =>
        rdd().treeAggregate(
          0,
          () => 0,
          () => 0,
          0,
        ),
      'the depth of treeAggregate must be',
    ],
    ['foreach of a number', () => rdd().foreach(3), 'foreach needs a function, not 3'],
  ])('is refused at once: %s', async (_, run, message) => {
    await expect(run()).rejects.toThrow(message);
    expect(events.filter(({ event }) => event === 'job-start')).toEqual([]);
  });
});
