import { expect, test } from 'vitest';
import { connect, fetchChunks } from './duckdb.js';

const FAILS_LATE = "SELECT CASE WHEN range = 900000 THEN error('row 900000') ELSE range END FROM range(1000000);";

async function rowsOf(connection: Awaited<ReturnType<typeof connect>>, sql: string, atMost = Number.POSITIVE_INFINITY) {
  let rows = 0;
  for await (const chunk of fetchChunks(connection, sql)) {
    rows += chunk.rowCount;
    if (rows >= atMost) break;
  }
  return rows;
}

test('an error behind the first chunk is no end of the rows, and the connection goes on', async () => {
  const connection = await connect();
  try {
    await expect(rowsOf(connection, FAILS_LATE)).rejects.toThrow('row 900000');
    expect(await rowsOf(connection, 'FROM range(100000) -- all')).toBe(100_000);
  } finally {
    connection.closeSync();
  }
});

test('a query may be left before its end', async () => {
  const connection = await connect();
  try {
    expect(await rowsOf(connection, FAILS_LATE, 1)).toBeGreaterThan(0);
    await expect(rowsOf(connection, 'FROM nothing')).rejects.toThrow('nothing');
    expect(await rowsOf(connection, 'FROM range(0)')).toBe(0);
  } finally {
    connection.closeSync();
  }
});
