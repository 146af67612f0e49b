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

export const sqlText = (text: string) => `'${text.replaceAll("'", "''")}'`;
export const sqlList = (items: readonly string[]) => `[${items.map(sqlText).join(', ')}]`;
/** A file name as DuckDB takes it: with its own pattern characters taken literally. */
export const sqlPath = (path: string) => path.replace(/[[*?]/g, '[$&]');
