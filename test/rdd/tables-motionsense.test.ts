import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { count, countDistinct, max, mean, min, type Row, SheafContext, stdev, sum } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, sqlText } from '../../src/rdd/sources/duckdb.js';
import { fullSet, fullSetsWanted } from '../data/full-sets.js';

let sc: SheafContext;

beforeAll(async () => {
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
});
afterAll(() => sc.stop());

const COLUMNS = { 'attitude.roll': 'float64', 'attitude.yaw': 'float64', 'userAcceleration.x': 'float64' } as const;

/** The recordings as a table: twice the same, by Sheaf and by DuckDB in one piece. */
function recordings(directory: string) {
  const table = sc
    .csv(
      join(directory, '**/sub_*.csv'),
      { columns: COLUMNS, pathColumns: /(?<activity>[a-z]+)_\d+\/sub_(?<subject>\d+)\.csv$/ },
      5,
    )
    .rename({ 'attitude.roll': 'roll', 'attitude.yaw': 'yaw', 'userAcceleration.x': 'ax' });
  const files = sqlText(join(directory, '**/sub_*.csv'));
  const view = `(SELECT "attitude.roll" AS roll, "attitude.yaw" AS yaw, "userAcceleration.x" AS ax,
    regexp_extract(filename, '([a-z]+)_[0-9]+/sub_', 1) AS activity, regexp_extract(filename, 'sub_([0-9]+)', 1) AS subject
    FROM read_csv(${files}, filename = true, header = true, types = {'attitude.roll': 'DOUBLE', 'attitude.yaw': 'DOUBLE', 'userAcceleration.x': 'DOUBLE'}))`;
  return { table, view };
}

async function duck(query: string): Promise<Row[]> {
  const connection = await connect();
  try {
    return (await connection.runAndReadAll(query)).getRowObjectsJS() as Row[];
  } finally {
    connection.closeSync();
  }
}

/** Sums of another order end in other digits. */
function expectClose(found: readonly Row[], expected: readonly Row[]): void {
  const near = (value: unknown) =>
    typeof value === 'number' ? expect.closeTo(value, 9 - Math.ceil(Math.log10(Math.abs(value) + 1))) : value;
  const close = expected.map((row) =>
    Object.fromEntries(Object.entries(row).map(([key, value]) => [key, near(value)])),
  );
  expect(found).toEqual(close);
}

async function compare(directory: string) {
  const { table, view } = recordings(directory);
  const groups = table.groupBy('activity', 'subject').agg({
    ...{ n: count(), m: mean('ax'), s: sum('yaw'), lo: min('roll'), hi: max('roll') },
    ...{ sd: stdev('ax'), different: countDistinct('roll') },
  });
  const found = await groups.orderBy('activity', { column: 'subject', descending: true }).collect();
  const expected =
    await duck(`SELECT activity, subject, count(*)::DOUBLE AS n, avg(ax) AS m, sum(yaw) AS s, min(roll) AS lo,
    max(roll) AS hi, stddev_samp(ax) AS sd, count(DISTINCT roll)::DOUBLE AS different
    FROM ${view} GROUP BY ALL ORDER BY activity, subject DESC`);
  expect(found).toHaveLength(6 * 24);
  expectClose(found, expected);

  const means = table.groupBy('subject').agg({ usual: mean('ax') });
  const strong = table
    .withColumn('size', ['roll', 'yaw'], (roll, yaw) => Math.abs(roll) + Math.abs(yaw), 'float64')
    .where('size', (size) => size > 2)
    .join(means, 'subject')
    .where(['ax', 'usual'], (ax, usual) => ax > usual);
  const [totals] = await strong
    .groupBy()
    .agg({ n: count(), s: sum('size') })
    .collect();
  const wanted = await duck(`WITH t AS ${view}, m AS (SELECT subject, avg(ax) AS usual FROM t GROUP BY subject)
    SELECT count(*)::DOUBLE AS n, sum(abs(roll) + abs(yaw)) AS s FROM t JOIN m USING (subject)
    WHERE abs(roll) + abs(yaw) > 2 AND ax > usual`);
  expectClose([totals!], wanted);
}

describe('tables of the MotionSense sample', () => {
  it('give what DuckDB gives over all files at once', () =>
    compare(fileURLToPath(new URL('../../data/motionsense-sample', import.meta.url))));
});

if (fullSetsWanted)
  describe('tables of the full MotionSense set', () => {
    it('give what DuckDB gives over all files at once', () => compare(fullSet('motionsense')));
  });
