/** The cases that fit SQL, in DuckDB with two threads; rows are made inside the query, as on the other sides. */
import { join as joinPath } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { columns } from './columns.js';
import { serve } from './serve.js';

const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
const connection = await instance.connect();

async function numbers(sql: string): Promise<number[]> {
  const [row] = (await connection.runAndReadAll(sql)).getRows();
  return row!.map(Number);
}

/** Rows `from` to `to` with their hash: a subquery a round, so that no value is computed twice. */
function hashed(from: number, to: number): string {
  const rounds = [
    `SELECT range AS row, range::UBIGINT AS x FROM range(${from}, ${to})`,
    'SELECT row, (xor(x, x >> 16) * 2246822507::UBIGINT) & 4294967295::UBIGINT AS x',
    'SELECT row, (xor(x, x >> 13) * 3266489909::UBIGINT) & 4294967295::UBIGINT AS x',
    'SELECT row, xor(x, x >> 16) AS hash',
  ];
  return rounds.reduce((inner, outer) => `${outer} FROM (${inner})`);
}

await serve({
  'map-filter-sum': (rows) =>
    numbers(`SELECT sum(y) FROM (SELECT 2 * range + 1 AS y FROM range(${rows})) WHERE y % 3 = 0`),
  reduceByKey: (rows, keys) =>
    numbers(`SELECT sum(key * (total % 1009)) FROM (
      SELECT key, sum(value) AS total FROM (SELECT hash % ${keys} AS key, row & 63 AS value FROM (${hashed(0, Number(rows))}))
      GROUP BY key)`),
  sortBy: async (rows) => {
    await connection.run(`CREATE OR REPLACE TEMP TABLE sorted AS
      SELECT hash / 4294967296.0::DOUBLE AS value FROM (${hashed(0, Number(rows))}) ORDER BY value`);
    return numbers('SELECT count(*), sum(value), sum(rowid * value) FROM sorted');
  },
  join: (rows) => {
    const side = (from: number) => `(SELECT hash % ${rows} AS key, row FROM (${hashed(from, from + Number(rows))}))`;
    return numbers(
      `SELECT sum((a.row * b.row + a.key) % 65521) FROM ${side(0)} a JOIN ${side(Number(rows))} b ON a.key = b.key`,
    );
  },
  csv: (directory) => {
    const types = ['line', ...columns].map((name) => `'${name}': '${name === 'line' ? 'INTEGER' : 'DOUBLE'}'`);
    const path = joinPath(directory!, '*/*.csv').replaceAll("'", "''");
    return numbers(`SELECT ${columns.map((name) => `sum("${name}")`).join(', ')}
      FROM read_csv('${path}', auto_detect = false, header = true, delim = ',', columns = {${types.join(', ')}})`);
  },
});
