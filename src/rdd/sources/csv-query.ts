import type { DuckDBConnection } from '@duckdb/node-api';
import type { CsvReaderOptions } from './csv-reader.js';
import { COLUMN_TYPES } from './csv-types.js';
import { sqlList, sqlPath, sqlText } from './duckdb.js';

export interface Layout {
  /** Cells a row. */
  readonly width: number;
  /** Where the wanted columns stand in it. */
  readonly positions: readonly number[];
}

/**
 * Reads the wanted columns of files of one layout, and last the number of the file. The types are given, nothing is
 * detected; columns that are not wanted are skipped, not converted.
 */
export function csvQuery(paths: readonly string[], header: boolean, layout: Layout, options: CsvReaderOptions): string {
  const types = Array.from({ length: layout.width }, () => 'VARCHAR');
  layout.positions.forEach((position, k) => {
    types[position] = COLUMN_TYPES[options.columns[k]!.type].duck;
  });
  const settings = [
    sqlList(paths.map(sqlPath)),
    'auto_detect = false',
    `header = ${header}`,
    `delim = ${sqlText(options.delimiter)}`,
    `quote = '"'`,
    `escape = '"'`,
    `nullstr = ${sqlList(options.nullValues)}`,
    `columns = {${types.map((type, k) => `'c${k}': '${type}'`).join(', ')}}`,
  ];
  if (options.badRows === 'drop') settings.push('store_rejects = true', 'rejects_limit = 0');
  const wanted = [...layout.positions.map((position) => `c${position}`), 'file_index'];
  return `SELECT ${wanted.join(', ')} FROM read_csv(${settings.join(', ')})`;
}

/** Rows that the query before left out, which had `store_rejects`. */
export async function takeRejects(connection: DuckDBConnection): Promise<number> {
  const rows = await connection.runAndReadAll(
    'SELECT count(DISTINCT (file_id, line_byte_position)) AS rows FROM reject_errors',
  );
  await connection.run('DROP TABLE reject_errors; DROP TABLE reject_scans');
  return Number(rows.getRowObjects()[0]!.rows);
}
