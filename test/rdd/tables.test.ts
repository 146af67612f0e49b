import { Dictionary, Int32, type RecordBatch, Table, Utf8, Vector, vectorFromArray } from 'apache-arrow';
import fc from 'fast-check';
import {
  ArrowRDD,
  count,
  countDistinct,
  first,
  last,
  max,
  mean,
  min,
  type Row,
  SheafContext,
  stdev,
  sum,
  type TableTypes,
  variance,
} from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let sc: SheafContext;

beforeAll(async () => {
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
});
afterAll(() => sc.stop());

interface Person extends Row {
  readonly id: number | null;
  readonly x: number | null;
  readonly name: string | null;
  readonly big: bigint | null;
  readonly good: boolean | null;
  readonly tags: number[] | null;
}

const TYPES: TableTypes = { id: 'int32', x: 'float64', name: 'utf8', big: 'int64', good: 'bool', tags: ['float64'] };
const orNull = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: null, freq: 4 });
const person: fc.Arbitrary<Person> = fc.record({
  id: orNull(fc.integer({ min: -3, max: 3 })),
  x: orNull(fc.integer({ min: -40, max: 40 }).map((n) => n / 4)),
  name: orNull(fc.constantFrom('ann', 'bob', 'ç', '')),
  big: orNull(fc.constantFrom(0n, 1n, -5n, 2n ** 60n)),
  good: orNull(fc.boolean()),
  tags: orNull(fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 2 })),
});
const people = fc.array(person, { maxLength: 24 });
const partitions = fc.integer({ min: 1, max: 4 });
const columns = fc.subarray(['id', 'x', 'name', 'big', 'good'] as const, { minLength: 1 });

const tableOf = (rows: readonly Row[], parts: number, schema = TYPES) => sc.table(rows, { schema, partitions: parts });
/** Equal for rows that hold the same, whatever their order. */
const bag = (rows: readonly Row[]) => rows.map((row) => JSON.stringify(row, plain)).sort();
const plain = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value);
const isMissing = (value: unknown) => value === null;

const STEPS: Record<string, { apply(table: ArrowRDD): ArrowRDD; model(rows: Person[]): Row[] }> = {
  select: {
    apply: (table) =>
      table.select('x', 'id', 'name', 'big', 'good', 'tags').select('id', 'x', 'name', 'big', 'good', 'tags'),
    model: (rows) => rows,
  },
  rename: {
    apply: (table) => table.rename({ id: 'no', x: 'id' }).rename({ id: 'x', no: 'id' }),
    model: (rows) => rows,
  },
  double: {
    apply: (table) => table.withColumn('x', ['x', 'id'], (x, id) => (x === null ? null : x + id), 'float64'),
    model: (rows) => rows.map((row) => ({ ...row, x: row.x === null ? null : row.x + (row.id ?? 0) })),
  },
  ofRow: {
    apply: (table) => table.withColumn('name', (row) => (row.name === null ? null : `${row.name}${row.id}`), 'utf8'),
    model: (rows) => rows.map((row) => ({ ...row, name: row.name === null ? null : `${row.name}${row.id}` })),
  },
  where: {
    apply: (table) => table.where(['x', 'name'], (x, name) => x !== null && name !== 'bob'),
    model: (rows) => rows.filter(({ x, name }) => x !== null && name !== 'bob'),
  },
  whereOne: { apply: (table) => table.where('good', (good) => good), model: (rows) => rows.filter(({ good }) => good) },
  dropSome: {
    apply: (table) => table.dropNulls(['x', 'name']),
    model: (rows) => rows.filter(({ x, name }) => x !== null && name !== null),
  },
  dropAll: {
    apply: (table) => table.dropNulls(undefined, 'all'),
    model: (rows) => rows.filter((row) => !Object.values(row).every(isMissing)),
  },
  fill: {
    apply: (table) => table.fillNulls({ id: 7, name: 'none', good: false }),
    model: (rows) =>
      rows.map((row) => ({ ...row, id: row.id ?? 7, name: row.name ?? 'none', good: row.good ?? false })),
  },
  cached: { apply: (table) => table.cache(), model: (rows) => rows },
  halves: { apply: (table) => table.mapBatches((batch) => [batch.slice(0, 2), batch.slice(2)]), model: (rows) => rows },
  coalesce: { apply: (table) => table.coalesce(2), model: (rows) => rows },
  limit: { apply: (table) => table.limit(9), model: (rows) => rows.slice(0, 9) },
  twice: { apply: (table) => table.union(table), model: (rows) => [...rows, ...rows] },
};
const steps = fc.array(fc.constantFrom(...Object.keys(STEPS)), { maxLength: 4 });

describe('steps over columns', () => {
  it('give what plain objects give, in order, and stay tables', async () => {
    await fc.assert(
      fc.asyncProperty(people, partitions, steps, async (rows, parts, names) => {
        let table = tableOf(rows, parts);
        let model: Row[] = rows;
        for (const name of names) {
          table = STEPS[name]!.apply(table);
          model = STEPS[name]!.model(model as Person[]);
        }
        expect(table).toBeInstanceOf(ArrowRDD);
        expect(await table.collect()).toEqual(model);
        expect(await table.count()).toBe(model.length);
      }),
      { seed: 1, numRuns: 60 },
    );
  });
});

describe('sample and randomSplit', () => {
  it('draw what they draw of an RDD of plain rows', async () => {
    await fc.assert(
      fc.asyncProperty(people, partitions, fc.integer({ min: 0, max: 99 }), async (rows, parts, seed) => {
        const table = tableOf(rows, parts);
        const plainRows = table.toRows();
        expect(await table.sample(false, 0.4, seed).collect()).toEqual(
          await plainRows.sample(false, 0.4, seed).collect(),
        );
        expect(await table.sample(true, 1.5, seed).collect()).toEqual(
          await plainRows.sample(true, 1.5, seed).collect(),
        );
        const split = table.randomSplit([2, 1], seed);
        const parts2 = await Promise.all(split.map((each) => each.collect()));
        expect(bag(parts2.flat())).toEqual(bag(rows));
        expect(parts2[0]).toEqual(await plainRows.randomSplit([2, 1], seed)[0]!.collect());
      }),
      { seed: 2, numRuns: 10 },
    );
  });
});

describe('repartition', () => {
  it('moves record batches, and loses and doubles nothing', async () => {
    await fc.assert(
      fc.asyncProperty(people, partitions, partitions, async (rows, from, to) => {
        const moved = tableOf(rows, from).repartition(to);
        expect(moved).toBeInstanceOf(ArrowRDD);
        expect(await moved.getNumPartitions()).toBe(to);
        expect(bag(await moved.collect())).toEqual(bag(rows));
      }),
      { seed: 3, numRuns: 15 },
    );
  });
});

/** Groups in the order of their first rows. */
function groupsOf(rows: readonly Person[], keys: readonly string[]): Person[][] {
  const groups = new Map<string, Person[]>();
  for (const row of rows) {
    const key = JSON.stringify(
      keys.map((name) => row[name]),
      plain,
    );
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return [...groups.values()];
}

const given = (rows: readonly Person[], column: keyof Person) =>
  rows.map((row) => row[column]).filter((value) => value !== null);

function aggregated(rows: readonly Person[]): Row {
  const xs = given(rows, 'x') as number[];
  const names = (given(rows, 'name') as string[]).sort();
  const total = xs.reduce((a, b) => a + b, 0);
  const squares = xs.reduce((all, x) => all + (x - total / xs.length) ** 2, 0);
  const inOrder = (values: any[]) => [...values].sort((a, b) => (a < b ? -1 : 1));
  const least = (values: any[]) => inOrder(values)[0] ?? null;
  const most = (values: any[]) => inOrder(values).at(-1) ?? null;
  return {
    rows: rows.length,
    n: xs.length,
    s: xs.length === 0 ? null : total,
    m: xs.length === 0 ? null : total / xs.length,
    v: xs.length < 2 ? null : squares / (xs.length - 1),
    sd: xs.length < 2 ? null : Math.sqrt(squares / (xs.length - 1)),
    lo: least(xs),
    hi: most(given(rows, 'id')),
    loName: least(names),
    hiBig: most(given(rows, 'big')),
    dNames: new Set(names).size,
    dTags: new Set(given(rows, 'tags').map(String)).size,
    f: (given(rows, 'name')[0] as string) ?? null,
    l: given(rows, 'tags').at(-1) ?? null,
    bigs: given(rows, 'big').length === 0 ? null : given(rows, 'big').reduce((a: number, b) => a + Number(b), 0),
    goods: mean_(given(rows, 'good').map(Number)),
  };
}
const mean_ = (values: number[]) => (values.length === 0 ? null : values.reduce((a, b) => a + b, 0) / values.length);

const AGGREGATES = {
  ...{ rows: count(), n: count('x'), s: sum('x'), m: mean('x'), v: variance('x'), sd: stdev('x') },
  ...{ lo: min('x'), hi: max('id'), loName: min('name'), hiBig: max('big') },
  ...{ dNames: countDistinct('name'), dTags: countDistinct('tags'), f: first('name'), l: last('tags') },
  ...{ bigs: sum('big'), goods: mean('good') },
};

/** Floating-point sums depend on the order of their terms. */
const rounded = (rows: readonly Row[]) =>
  rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([key, value]) => [
        key,
        typeof value === 'number' ? Number(value.toPrecision(12)) : value,
      ]),
    ),
  );

describe('groupBy().agg()', () => {
  it('gives what plain objects give', async () => {
    await fc.assert(
      fc.asyncProperty(people, columns, partitions, partitions, async (rows, keys, from, to) => {
        const renamed = Object.fromEntries(Object.entries(AGGREGATES).map(([name, each]) => [`_${name}`, each]));
        const expected = groupsOf(rows, keys).map((group) => ({
          ...Object.fromEntries(keys.map((key) => [key, group[0]![key]])),
          ...Object.fromEntries(Object.entries(aggregated(group)).map(([name, value]) => [`_${name}`, value])),
        }));
        const grouped = tableOf(rows, from)
          .groupBy(...keys)
          .agg(renamed, to);
        const { fields } = await grouped.schema();
        expect(fields.map(({ name }) => name)).toEqual([...keys, ...Object.keys(renamed)]);
        expect(bag(rounded(await grouped.collect()))).toEqual(bag(rounded(expected)));
      }),
      { seed: 4, numRuns: 60 },
    );
  });

  it('without keys is of all rows, also of none', async () => {
    await fc.assert(
      fc.asyncProperty(people, partitions, async (rows, parts) => {
        const [totals, ...more] = await tableOf(rows, parts).groupBy().agg(AGGREGATES).collect();
        expect(more).toEqual([]);
        expect(rounded([totals!])).toEqual(rounded([aggregated(rows)]));
      }),
      { seed: 5, numRuns: 15 },
    );
  });

  it('distinct leaves each different row once', async () => {
    await fc.assert(
      fc.asyncProperty(people, partitions, async (rows, parts) => {
        const once = [...new Map(rows.map((row) => [bag([row])[0], row])).values()];
        expect(
          bag(
            await tableOf([...rows, ...rows], parts)
              .distinct()
              .collect(),
          ),
        ).toEqual(bag(once));
      }),
      { seed: 6, numRuns: 15 },
    );
  });
});

describe('join', () => {
  const other = fc.array(
    fc.record({
      id: orNull(fc.integer({ min: -3, max: 3 })),
      name: orNull(fc.constantFrom('ann', 'bob')),
      y: fc.nat(9),
    }),
    { maxLength: 12 },
  );
  const how = fc.constantFrom(...(['inner', 'left', 'right', 'outer', 'semi', 'anti'] as const));
  const keys = fc.constantFrom<string[]>(['id'], ['name'], ['id', 'name']);
  const OTHER: TableTypes = { id: 'float64', name: 'utf8', y: 'int32' };

  function joined(left: Person[], right: Row[], on: string[], kind: string): Row[] {
    const matches = (a: Row, b: Row) => on.every((key) => a[key] !== null && a[key] === b[key]);
    const lefts = [...Object.keys(TYPES)];
    const rest = ['id', 'name', 'y'].filter((key) => !on.includes(key));
    const renamed = (key: string) => (lefts.includes(key) ? `${key}_right` : key);
    const both = (a: Row | undefined, b: Row | undefined): Row => ({
      ...Object.fromEntries(lefts.map((key) => [key, a ? a[key] : on.includes(key) ? b![key] : null])),
      ...Object.fromEntries(rest.map((key) => [renamed(key), b ? b[key] : null])),
    });
    if (kind === 'semi' || kind === 'anti')
      return left.filter((a) => right.some((b) => matches(a, b)) === (kind === 'semi'));
    const inner = left.flatMap((a) => right.filter((b) => matches(a, b)).map((b) => both(a, b)));
    const lonelyLeft = left.filter((a) => !right.some((b) => matches(a, b))).map((a) => both(a, undefined));
    const lonelyRight = right.filter((b) => !left.some((a) => matches(a, b))).map((b) => both(undefined, b));
    return [
      ...inner,
      ...(kind === 'left' || kind === 'outer' ? lonelyLeft : []),
      ...(kind === 'right' || kind === 'outer' ? lonelyRight : []),
    ];
  }

  it('gives what nested loops give', async () => {
    await fc.assert(
      fc.asyncProperty(people, other, keys, how, partitions, partitions, async (left, right, on, kind, p, q) => {
        const table = tableOf(left, p).join(tableOf(right, q, OTHER), on, kind);
        expect(bag(await table.collect())).toEqual(bag(joined(left, right, on, kind)));
      }),
      { seed: 7, numRuns: 80 },
    );
  });

  it('joins columns of other names, dictionaries with texts, with a suffix', async () => {
    const left = sc.table({ k: ['a', 'b', 'c'], v: [1, 2, 3] }, { partitions: 2 });
    const right = sc
      .table(
        [
          { key: 'b', v: 20 },
          { key: 'c', v: 30 },
        ],
        { partitions: 2 },
      )
      .mapBatches((batch) => batch);
    const rows = await left.join(right, { k: 'key' }, { how: 'outer', suffix: '2', partitions: 3 }).collect();
    expect(bag(rows)).toEqual(
      bag([
        { k: 'a', v: 1, v2: null },
        { k: 'b', v: 2, v2: 20 },
        { k: 'c', v: 3, v2: 30 },
      ]),
    );
  });
});

describe('orderBy', () => {
  it('sorts as a stable sort of plain objects does, nulls first', async () => {
    const by = fc.subarray(['id', 'x', 'name', 'big', 'good'] as const, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(people, by, fc.array(fc.boolean()), partitions, async (rows, names, signs, parts) => {
        const order = names.map((column, k) => ({ column, descending: signs[k] ?? false }));
        const compare = (a: any, b: any) => (a === b ? 0 : a === null ? -1 : b === null ? 1 : a < b ? -1 : 1);
        const expected = [...rows].sort((a, b) => {
          for (const { column, descending } of order) {
            const result = compare(a[column], b[column]);
            if (result !== 0) return descending ? -result : result;
          }
          return 0;
        });
        expect(
          await tableOf(rows, parts)
            .orderBy(...order)
            .collect(),
        ).toEqual(expected);
      }),
      { seed: 8, numRuns: 60 },
    );
  });
});

describe('actions', () => {
  const rows = [
    { id: 1, x: 1.5, name: 'ann' },
    { id: 2, x: null, name: 'a long name that is cut somewhere' },
    { id: 3, x: 4, name: null },
  ];
  const table = () => sc.table(rows, { schema: { id: 'int32', x: 'float64', name: 'utf8' }, partitions: 2 });

  it('describe', async () => {
    const { rows: count, columns } = await table().describe();
    expect(count).toBe(3);
    expect(columns.x).toEqual({
      ...{ type: 'Float64', count: 2, nulls: 1, mean: 2.75, stdev: Math.sqrt(3.125) },
      ...{ min: 1.5, q1: 1.5, median: 1.5, q3: 4, max: 4 },
    });
    expect(columns.name).toEqual({
      type: 'Utf8',
      count: 2,
      nulls: 1,
      min: 'a long name that is cut somewhere',
      max: 'ann',
    });
    expect((await table().limit(0).describe()).columns.x).toEqual({ type: 'Float64', count: 0, nulls: 0 });
    expect(String(await table().describe())).toContain('| id     | Int32   |     3 |     0 |');
  });

  it('show and printSchema', async () => {
    expect(await table().show(2, { truncate: 10 })).toBe(
      `+----+------+------------+
| id |    x | name       |
+----+------+------------+
|  1 |  1.5 | ann        |
|  2 | null | a long na… |
+----+------+------------+
only the first 2 rows`,
    );
    expect(await table().printSchema()).toBe('id: Int32\nx: Float64\nname: Utf8');
  });

  it('collectColumns', async () => {
    expect(await table().collectColumns()).toEqual({
      id: Int32Array.of(1, 2, 3),
      x: [1.5, null, 4],
      name: ['ann', 'a long name that is cut somewhere', null],
    });
    expect(await table().limit(0).collectColumns()).toEqual({ id: [], x: [], name: [] });
  });

  it('toMatrix', async () => {
    const filled = table().fillNulls({ x: -1 });
    const expected = { features: Float32Array.of(1, 1.5, 2, -1, 3, 4), rows: 3, width: 2 };
    expect(await filled.toMatrix(['id', 'x'], 'id')).toEqual({ ...expected, labels: Int32Array.of(1, 2, 3) });
    expect(await filled.assemble(['id', 'x']).toMatrix('features')).toEqual(expected);
    await expect(table().toMatrix(['x'])).rejects.toThrow(/column "x" has no value in row 1 of the partition/);
  });
});

describe('toTable and table', () => {
  it('infer types, and give rows back', async () => {
    const rows = [
      { n: 1, t: null, at: new Date(5), tags: ['a'], o: { p: 1 }, b: 3n },
      { n: 2.5, t: 'x', at: null, tags: [], o: null, b: null },
    ];
    const back = [
      { n: 1, t: null, at: 5, tags: ['a'], o: { p: 1 }, b: 3n },
      { n: 2.5, t: 'x', at: null, tags: [], o: null, b: null },
    ];
    for (const table of [sc.parallelize(rows, 2).toTable(), sc.table(rows, { partitions: 3 })]) {
      expect((await table.schema()).fields.map(({ name, type }) => `${name}: ${type}`)).toEqual([
        ...[
          'n: Float64',
          't: Utf8',
          'at: Timestamp<MILLISECOND>',
          'tags: List<Utf8>',
          'o: Struct<{p:Float64}>',
          'b: Int64',
        ],
      ]);
      expect((await table.collect()).map((row) => ({ ...row, o: row.o && { ...(row.o as object) } }))).toEqual(back);
    }
  });

  it('takes columns, typed arrays as they are', async () => {
    const table = sc.table({ x: Float32Array.of(1, 2, 3), name: ['a', null, 'c'] });
    expect(await table.collectColumns()).toEqual({ x: Float32Array.of(1, 2, 3), name: ['a', null, 'c'] });
  });

  it.each([
    [
      'a value of another type',
      () =>
        sc
          .parallelize([{ x: 1 }, { x: 'a' }], 1)
          .toTable()
          .count(),
      /toTable at tables\.test\.ts:\d+: column "x", row 2 of the partition: 'a' is not a number \(float64\); the type was taken from the first rows/,
    ],
    [
      'a property that is new',
      () =>
        sc
          .parallelize(
            [...Array(1500).keys()].map((k) => (k < 1400 ? { x: k } : { x: k, y: 1 })),
            1,
          )
          .toTable()
          .count(),
      /row 1401 of the partition has a property "y"/,
    ],
    [
      'a row that is no object',
      () => sc.parallelize([1], 1).toTable({ x: 'int32' }).count(),
      /row 1 of the partition is 1; a table's rows are objects/,
    ],
    [
      'a value in the driver',
      async () => sc.table([{ x: 1 }, { x: 2.5 }], { schema: { x: 'int32' } }),
      /table: column "x", row 2: 2\.5 is not a 32-bit whole number \(int32\)/,
    ],
    [
      'columns of different lengths',
      async () => sc.table({ x: [1], y: [1, 2] }),
      /the column "y" has 2 values, "x" has 1/,
    ],
    ['no type', async () => sc.table([{ x: 1 }], { schema: { x: 'number' as never } }), /has no type "number"/],
  ])('%s is an error', async (_, run, message) => {
    await expect(run()).rejects.toThrow(message);
  });
});

describe('errors', () => {
  const table = () => sc.table([{ id: 1, x: 1.5, name: 'ann' }], { partitions: 1 });
  let jobs = 0;
  const counted = async (run: () => Promise<unknown>) => {
    const stop = sc.bus.listen(({ event }) => {
      if (event === 'task-end') jobs++;
    });
    try {
      await run();
    } finally {
      stop();
    }
  };

  it.each([
    [
      'select',
      () => table().select('q'),
      /select at tables\.test\.ts:\d+: there is no column "q"; there are id, x, name/,
    ],
    ['drop', () => table().drop('q'), /there is no column "q"/],
    ['rename', () => table().rename({ id: 'x' }), /there would be two columns "x"/],
    ['withColumn', () => table().withColumn('y', 'q', (q) => q), /there is no column "q"/],
    ['where', () => table().where('q', () => true), /there is no column "q"/],
    ['fillNulls', () => table().fillNulls({ name: 1 }), /column "name" holds Utf8, which 1 is not/],
    [
      'mean of texts',
      () =>
        table()
          .groupBy('id')
          .agg({ m: mean('name') }),
      /mean needs a column of numbers, and "name" holds Utf8/,
    ],
    ['two columns of one name', () => table().groupBy('id').agg({ id: count() }), /there would be two columns "id"/],
    ['a missing key', () => table().join(table(), 'q'), /there is no column "q"/],
    [
      'keys of different kinds',
      () => table().join(table(), { id: 'name' }),
      /the keys "id" \(Float64\) and "name" \(Utf8\) can never be equal/,
    ],
    [
      'a union with other columns',
      () => table().union(table().drop('x')),
      /union at tables\.test\.ts:\d+: column 2 is "x" \(Float64\) here and "name" \(Utf8\) there/,
    ],
    ['orderBy', () => table().orderBy('q'), /there is no column "q"/],
    ['assemble', () => table().assemble(['q']), /there is no column "q"/],
  ])('%s is refused before any task starts', async (_, make, message) => {
    jobs = 0;
    await counted(() => expect(make().count()).rejects.toThrow(message));
    expect(jobs).toBe(0);
  });

  it.each([
    [
      'a missing column, where the schema is not known',
      () =>
        table()
          .mapBatches((b) => b)
          .select('q'),
      /select at tables\.test\.ts:\d+: there is no column "q"/,
    ],
    [
      'a function that throws',
      () => table().withColumn('y', 'x', (x) => x.y.z),
      /\(in withColumn at tables\.test\.ts:\d+\)/,
    ],
    [
      'a promise',
      () => table().withColumn('y', 'x', (x) => Promise.resolve(x)),
      /returned a promise: it must return its result at once/,
    ],
    [
      'what differs from batch to batch',
      () =>
        table()
          .mapBatches((b) => b)
          .union(table().drop('x'))
          .coalesce(1)
          .orderBy('id'),
      /orderBy at tables\.test\.ts:\d+: record batches of one partition differ: column 2/,
    ],
    ['a promise of where', () => table().where(['x', 'id'], (x) => Promise.resolve(x) as never), /returned a promise/],
    [
      'a value of another type',
      () => table().withColumn('y', 'x', () => 'a', 'float64'),
      /column "y", row 1 of the partition: 'a' is not a number \(float64\)/,
    ],
  ])('%s fails the job', async (_, make, message) => {
    await expect(make().count()).rejects.toThrow(message);
  });

  it.each([
    ['no column', () => table().select()],
    ['a column twice', () => table().drop('x', 'x')],
    ['no function', () => table().withColumn('y', 'x', 3 as never)],
    ['an async function', () => table().withColumn('y', 'x', async () => 1)],
    [
      'no aggregate',
      () =>
        table()
          .groupBy('id')
          .agg({ n: 3 as never }),
    ],
    ['no such join', () => table().join(table(), 'id', 'cross' as never)],
    ['an RDD to join with', () => table().join(sc.parallelize([1]) as never, 'id')],
    ['a wrong order', () => table().orderBy({ column: 'x', descending: 1 as never })],
  ])('%s is refused at once', (_, make) => {
    expect(make).toThrow(TypeError);
  });
});

describe('sql', () => {
  it('runs over each partition', async () => {
    const bigs = { big: 5n, good: true, at: new Date(1000), name: 'ç' };
    const rows = [
      { id: 1, x: 1.5, ...bigs },
      { id: 2, x: null, ...bigs, name: null, big: null, good: null, at: null },
      { id: 3, x: 4, ...bigs },
    ];
    const schema: TableTypes = { id: 'int32', x: 'float64', big: 'int64', good: 'bool', at: 'timestamp', name: 'utf8' };
    const table = sc.table(rows, { schema, partitions: 3 });
    const back = rows.map((row) => ({ ...row, at: row.at?.getTime() ?? null }));
    expect(await table.sql('FROM t').collect()).toEqual(back);
    const counted = table.where('id', (id) => id > 1).sql('SELECT count(*) AS n, sum(x) AS s FROM t');
    expect((await counted.schema()).fields.map(({ name, type }) => `${name}: ${type}`)).toEqual([
      'n: Int64',
      's: Float64',
    ]);
    expect(await counted.collect()).toEqual([
      { n: 0n, s: null },
      { n: 1n, s: null },
      { n: 1n, s: 4 },
    ]);
  });

  it('gives what columns give, of many rows', async () => {
    const x = Float64Array.from({ length: 10_000 }, (_, k) => k % 97);
    const table = sc.table({ x }, { partitions: 2 });
    const found = await table.sql('SELECT x * 2 AS y FROM t WHERE x > 50').collectColumns();
    expect(found.y).toEqual(
      (
        await table
          .where('x', (x) => x > 50)
          .withColumn('y', 'x', (x) => x * 2)
          .collectColumns()
      ).y,
    );
  });

  it('refuses a wrong query before any task starts', async () => {
    const table = sc.table([{ x: 1, tags: [1] }]);
    await expect(table.select('x').sql('SELECT q FROM t').count()).rejects.toThrow(
      /sql at tables\.test\.ts:\d+: .*"q" not found/,
    );
    await expect(table.sql('FROM t').count()).rejects.toThrow(
      /column "tags" holds List<Float64>, which SQL cannot take over/,
    );
  });
});

describe('dictionaries', () => {
  it('of different partitions are one in groups, joins and order', async () => {
    const coded = sc
      .table({ id: [0, 1, 2, 3, 4, 5], name: ['b', 'a', 'c', 'a', 'd', 'b'] }, { partitions: 3 })
      .mapBatches(encodeNames);
    const names = sc.table({ name: ['a', 'b'], n: [1, 2] }, { partitions: 2 });
    expect(
      bag(
        await coded
          .groupBy('name')
          .agg({ n: count(), f: first('id') })
          .collect(),
      ),
    ).toEqual(
      bag([
        { name: 'a', n: 2, f: 1 },
        { name: 'b', n: 2, f: 0 },
        { name: 'c', n: 1, f: 2 },
        { name: 'd', n: 1, f: 4 },
      ]),
    );
    expect((await coded.orderBy('name', 'id').collect()).map(({ id }) => id)).toEqual([1, 3, 0, 5, 2, 4]);
    const joined = await coded.join(names, 'name', 'left').orderBy('id').collect();
    expect(joined.map(({ n }) => n)).toEqual([2, 1, null, 1, null, 2]);
    const twice = await coded
      .join(coded.rename({ name: 'other' }), 'id')
      .orderBy('id')
      .collect();
    expect(twice.map(({ name, other }) => `${name}${other}`)).toEqual(['bb', 'aa', 'cc', 'aa', 'dd', 'bb']);
    expect((await coded.fillNulls({ name: 'x' }).select('name').distinct().collect()).length).toBe(4);
  });
});

function encodeNames(batch: RecordBatch): RecordBatch {
  const type = new Dictionary(new Utf8(), new Int32(), 0);
  const names = vectorFromArray([...batch.getChild('name')!], type);
  return new Table({ id: new Vector([batch.getChild('id')!.data[0]!]), name: names }).batches[0]!;
}
