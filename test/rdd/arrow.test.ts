import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import fc from 'fast-check';
import { ArrowRDD, SheafContext, takeRows } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let sc: SheafContext;
let directory: string;

beforeAll(async () => {
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
  directory = mkdtempSync(join(tmpdir(), 'sheaf-arrow-'));
});
afterAll(async () => {
  await sc.stop();
  rmSync(directory, { recursive: true });
});

interface TableRow {
  readonly x: number;
  readonly y: number | null;
  readonly name: string;
  readonly group: string;
}

let tables = 0;

/** A table of CSV files, one batch a file; `group` is a dictionary column of the path. */
function table(files: readonly (readonly Omit<TableRow, 'group'>[])[], partitions: number) {
  const home = join(directory, `table-${tables++}`);
  for (const [k, rows] of files.entries()) {
    mkdirSync(join(home, `g${k % 3}`), { recursive: true });
    const lines = rows.map(({ x, y, name }) => `${x},${y ?? ''},${name}`);
    writeFileSync(
      join(home, `g${k % 3}`, `${String(k).padStart(2, '0')}.csv`),
      `${['x,y,name', ...lines].join('\n')}\n`,
    );
  }
  const order = [...files.keys()].sort((a, b) => (a % 3) - (b % 3) || a - b);
  const rows = order.flatMap((k) => files[k]!.map((row): TableRow => ({ ...row, group: `g${k % 3}` })));
  const columns = { x: 'int32', y: 'float64', name: 'utf8' } as const;
  const rdd = sc.csv(home, { columns, pathColumns: /(?<group>g\d)\/\d+\.csv$/, batch: 'file' }, partitions);
  return { rdd, rows };
}

const files = fc.array(
  fc.array(
    fc.record({
      x: fc.integer({ min: -100, max: 100 }),
      y: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }), { nil: null }),
      name: fc.constantFrom('ann', 'bob', 'ç'),
    }),
    { maxLength: 6 },
  ),
  { minLength: 1, maxLength: 6 },
);

/** Steps over tables, each beside its meaning on plain rows. */
const STEPS: Record<string, { apply(rdd: ArrowRDD): ArrowRDD; model(rows: TableRow[]): TableRow[] }> = {
  whereNumber: { apply: (rdd) => rdd.where('x', (x) => x > 0), model: (rows) => rows.filter(({ x }) => x > 0) },
  whereNull: { apply: (rdd) => rdd.where('y', (y) => y !== null), model: (rows) => rows.filter(({ y }) => y !== null) },
  whereText: {
    apply: (rdd) => rdd.where('name', (name) => name !== 'bob'),
    model: (rows) => rows.filter(({ name }) => name !== 'bob'),
  },
  whereDictionary: {
    apply: (rdd) => rdd.where('group', (group) => group === 'g1'),
    model: (rows) => rows.filter(({ group }) => group === 'g1'),
  },
  split: {
    apply: (rdd) =>
      rdd.mapBatches((batch) => [batch.slice(0, batch.numRows >> 1), batch.slice(batch.numRows >> 1)] as RecordBatch[]),
    model: (rows) => rows,
  },
  even: {
    apply: (rdd) =>
      rdd.mapBatches(async (batch) => {
        const xs = batch.getChild('x')!;
        return takeRows(
          batch,
          [...Array(batch.numRows).keys()].filter((row) => xs.get(row) % 2 === 0),
        );
      }),
    model: (rows) => rows.filter(({ x }) => x % 2 === 0),
  },
  nothing: { apply: (rdd) => rdd.mapBatches(() => []), model: () => [] },
  cached: { apply: (rdd) => rdd.cache(), model: (rows) => rows },
  twice: { apply: (rdd) => rdd.union(rdd), model: (rows) => [...rows, ...rows] },
};

const steps = fc.array(fc.constantFrom(...Object.keys(STEPS)), { maxLength: 4 });

describe('any steps over a table', () => {
  it('give the rows that plain objects give', async () => {
    await fc.assert(
      fc.asyncProperty(files, fc.integer({ min: 1, max: 4 }), steps, async (contents, partitions, names) => {
        let { rdd, rows }: { rdd: ArrowRDD; rows: TableRow[] } = table(contents, partitions);
        for (const name of names) {
          rdd = STEPS[name]!.apply(rdd);
          rows = STEPS[name]!.model(rows);
        }
        expect(rdd).toBeInstanceOf(ArrowRDD);
        expect(await rdd.collect()).toEqual(rows);
        expect(await rdd.count()).toBe(rows.length);
        expect(await rdd.take(3)).toEqual(rows.slice(0, 3));
        expect(await rdd.map((row) => row.name).collect()).toEqual(rows.map((row) => row.name));
        expect(await rdd.filter((row) => row.group === 'g0').count()).toBe(
          rows.filter((row) => row.group === 'g0').length,
        );
      }),
      { seed: 1, numRuns: 40 },
    );
  });

  it('can be dealt: row i goes to partition i mod partitions', async () => {
    await fc.assert(
      fc.asyncProperty(
        files,
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        steps,
        async (contents, partitions, shards, names) => {
          let { rdd, rows }: { rdd: ArrowRDD; rows: TableRow[] } = table(contents, partitions);
          for (const name of names) {
            rdd = STEPS[name]!.apply(rdd);
            rows = STEPS[name]!.model(rows);
          }
          const dealt = await rdd.deal(shards);
          const expected = Array.from({ length: shards }, (_, shard) =>
            rows.filter((_, row) => row % shards === shard),
          );
          expect(await dealt.glom().collect()).toEqual(expected);
        },
      ),
      { seed: 2, numRuns: 30 },
    );
  });
});

describe('a union of a table with plain rows', () => {
  it('is an RDD of rows', async () => {
    const { rdd, rows } = table([[{ x: 1, y: null, name: 'ann' }]], 1);
    const both = rdd.union(sc.parallelize([{ z: 1 }], 1));
    expect(both).not.toBeInstanceOf(ArrowRDD);
    expect(await both.collect()).toEqual([...rows, { z: 1 }]);
  });
});

describe('errors', () => {
  const one = () => table([[{ x: 1, y: null, name: 'ann' }]], 1).rdd;

  it.each([
    [
      'a missing column',
      () =>
        one()
          .where('z', () => true)
          .count(),
      /where at arrow\.test\.ts:\d+: there is no column "z"; there are x, y, name, group/,
    ],
    [
      'a function of where that throws',
      () =>
        one()
          .where('x', (x) => x.y.z)
          .count(),
      /\(in where at arrow\.test\.ts:\d+\)/,
    ],
    [
      'a promise in where',
      () =>
        one()
          .where('x', (x) => Promise.resolve(x) as any)
          .count(),
      /the function of where at arrow\.test\.ts:\d+ returned a promise: it must return/,
    ],
    [
      'a promise in mapBatches',
      () =>
        one()
          .mapBatches((batch) => Promise.resolve(batch))
          .count(),
      /the function of mapBatches at arrow\.test\.ts:\d+ returned a promise: declare it "async"/,
    ],
    [
      'a mapBatches that throws',
      () =>
        one()
          .mapBatches(async () => {
            throw new Error('boom');
          })
          .count(),
      /boom \(in mapBatches at/,
    ],
    [
      'a mapBatches without batch',
      () =>
        one()
          .mapBatches(() => 7 as any)
          .count(),
      /must return an Arrow RecordBatch/,
    ],
    [
      'a deal with wrong counts',
      async () => (await one().deal(2, [1, 2])).count(),
      /deal needs the rows of all 1 partitions, not of 2/,
    ],
    [
      'a deal into nothing',
      async () => (await one().deal(0)).count(),
      /the number of partitions must be a whole number/,
    ],
  ])('say where and what: %s', async (_, run, message) => {
    await expect(run()).rejects.toThrow(message);
  });
});
