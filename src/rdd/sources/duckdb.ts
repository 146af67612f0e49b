import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

let instance: Promise<DuckDBInstance> | undefined;

/** A connection to this process's in-memory DuckDB, which computes on the calling slot's one core. Close it after use. */
export async function connect(): Promise<DuckDBConnection> {
  instance ??= import('@duckdb/node-api').then(({ DuckDBInstance }) =>
    // Nothing is fetched at run time, and rows come in the order of the files.
    DuckDBInstance.create(':memory:', { threads: '1', autoinstall_known_extensions: 'false' }),
  );
  return (await instance).connect();
}

/**
 * What a query gives, chunk after chunk, one query of a connection at a time. DuckDB's client takes an error behind the first
 * chunk for the end of the rows and tells nobody; the transaction around the query is aborted then, so it is asked.
 * @throws Error of DuckDB's, before the first chunk or after any
 */
export async function* fetchChunks(connection: DuckDBConnection, sql: string) {
  await connection.run('BEGIN');
  try {
    const result = await connection.stream(sql);
    for (;;) {
      const chunk = await result.fetchChunk();
      if (!chunk || chunk.rowCount === 0) break;
      yield chunk;
    }
    await connection.run('SELECT 1').catch((aborted: Error) => failAgain(connection, sql, aborted));
  } finally {
    // Keeps the table of rejected rows. What fails behind a query that was left concerns nobody.
    await connection.run('COMMIT').catch(() => connection.run('ROLLBACK'));
  }
}

/** The error itself is lost: every row is computed once more, and none kept. */
async function failAgain(connection: DuckDBConnection, sql: string, aborted: Error): Promise<never> {
  await connection.run('ROLLBACK; BEGIN');
  await connection.run(`SELECT max(hash(r)) FROM (${sql.replace(/;\s*$/, '')}
) r`);
  throw aborted;
}

export const sqlText = (text: string) => `'${text.replaceAll("'", "''")}'`;
export const sqlList = (items: readonly string[]) => `[${items.map(sqlText).join(', ')}]`;
/** A file name as DuckDB takes it: with its own pattern characters taken literally. */
export const sqlPath = (path: string) => path.replace(/[[*?]/g, '[$&]');
