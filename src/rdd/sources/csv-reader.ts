import type { DuckDBConnection } from '@duckdb/node-api';
import type { RecordBatch } from 'apache-arrow';
import { BatchBuilder } from './csv-batches.js';
import { firstBadCell } from './csv-errors.js';
import { columnNames, positions } from './csv-header.js';
import type { PathColumns } from './csv-path.js';
import { COLUMN_TYPES, type ColumnType } from './csv-types.js';
import { connect, sqlList, sqlPath, sqlText } from './duckdb.js';
import { type ReadContext, SourceError, type SourceSplit } from './source.js';

/** What `csvSource` sends to the slots. */
export interface CsvReaderOptions {
  readonly columns: readonly { readonly name: string; readonly type: ColumnType }[];
  readonly header: boolean;
  readonly delimiter: string;
  readonly nullValues: readonly string[];
  readonly badRows: 'error' | 'drop';
  readonly pathColumns?: PathColumns;
  readonly batch: 'file' | number;
}

/** A query costs about 3 ms, so files of one layout share it; few enough that reading again after an error is cheap. */
const FILES_PER_QUERY = 64;

interface CsvFile {
  readonly path: string;
  /** Undefined for an empty file. */
  readonly layout?: Layout;
}

interface Layout {
  /** Cells a row. */
  readonly width: number;
  /** Where the wanted columns stand in it. */
  readonly positions: readonly number[];
}

/**
 * Reads a split's files, in order, into record batches of contiguous columns. A batch never crosses files; with
 * `batch: 'file'` every file gives exactly one, an empty file one without rows.
 * @throws SourceError naming file, line, column and text for what cannot be read
 */
export async function* read(
  options: CsvReaderOptions,
  split: SourceSplit,
  context: ReadContext,
): AsyncGenerator<RecordBatch> {
  const files = split.units.map((unit) => inspect(unit.path as string, options));
  const batches = new BatchBuilder(
    options,
    files.map(({ path }) => path),
  );
  const connection = await connect();
  try {
    for (const group of groupFiles(files)) yield* readGroup(connection, group, options, batches, context);
  } finally {
    connection.closeSync();
  }
}

function inspect(path: string, { delimiter, header, columns }: CsvReaderOptions): CsvFile {
  try {
    const present = columnNames(path, delimiter, header);
    if (!present) return { path };
    const wanted = columns.map(({ name }) => name);
    return { path, layout: { width: present.length, positions: positions(path, wanted, present, header) } };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new SourceError(`${path}: no such file here; every executor must see the files under the same path`);
  }
}

/** Runs of files that one query can read: of equal layout; empty files fit anywhere. */
function groupFiles(files: readonly CsvFile[]): CsvFile[][] {
  const groups: CsvFile[][] = [];
  let layout: string | undefined;
  for (const file of files) {
    const own = file.layout && JSON.stringify(file.layout);
    const group = groups.at(-1);
    if (group && group.length < FILES_PER_QUERY && (!own || !layout || own === layout)) group.push(file);
    else {
      groups.push([file]);
      layout = undefined;
    }
    layout ??= own;
  }
  return groups;
}

async function* readGroup(
  connection: DuckDBConnection,
  group: readonly CsvFile[],
  options: CsvReaderOptions,
  batches: BatchBuilder,
  context: ReadContext,
): AsyncGenerator<RecordBatch> {
  const layout = group.find((file) => file.layout)?.layout;
  let current = 0;
  if (layout) {
    const chunks = fetchChunks(connection, query(group, layout, options));
    for (;;) {
      // The consumer's own errors must not pass for the file's: only the fetch is guarded.
      const { value: chunk } = await chunks.next().catch((error: Error) => {
        throw explain(error, group, layout, options);
      });
      if (!chunk) break;
      const bad = batches.badRows(chunk);
      if (bad && options.badRows === 'error') throw explain(new Error('unreadable cell'), group, layout, options);
      if (bad) context.report('badRows', count(bad));
      const fileNumbers = chunk.getColumnVector(options.columns.length) as unknown as { items: BigUint64Array };
      for (const { file, from, to } of runs(fileNumbers.items, bad)) {
        for (; current < file; current++) yield* batches.endFile(group[current]!.path);
        yield* batches.append(group[file]!.path, chunk, from, to);
      }
    }
    if (options.badRows === 'drop') await reportRejects(connection, context);
  }
  for (; current < group.length; current++) yield* batches.endFile(group[current]!.path);
}

async function* fetchChunks(connection: DuckDBConnection, sql: string) {
  const result = await connection.stream(sql);
  for (;;) {
    const chunk = await result.fetchChunk();
    if (!chunk || chunk.rowCount === 0) return;
    yield chunk;
  }
}

/** The types are given, nothing is detected; columns that are not wanted are skipped, not converted. */
function query(group: readonly CsvFile[], layout: Layout, options: CsvReaderOptions): string {
  const types = Array.from({ length: layout.width }, () => 'VARCHAR');
  layout.positions.forEach((position, k) => {
    types[position] = COLUMN_TYPES[options.columns[k]!.type].duck;
  });
  const settings = [
    sqlList(group.map(({ path }) => sqlPath(path))),
    'auto_detect = false',
    `header = ${options.header}`,
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

/** Stretches of good rows of one file. `files` is the file number of each row, ascending. */
function* runs(files: BigUint64Array, bad: Uint8Array | undefined) {
  const rows = files.length;
  for (let from = 0, to = 0; from < rows; from = to + (bad?.[to] ?? 0)) {
    const file = files[from]!;
    if (!bad && files[rows - 1] === file) to = rows;
    else for (to = from; to < rows && files[to] === file && !bad?.[to]; ) to++;
    if (to > from) yield { file: Number(file), from, to };
  }
}

function explain(error: Error, group: readonly CsvFile[], layout: Layout, options: CsvReaderOptions): Error {
  const columns = options.columns.map((column, k) => ({ ...column, position: layout.positions[k]! }));
  for (const { path } of group) {
    const found = firstBadCell(path, { ...options, width: layout.width, columns });
    if (found) return found;
  }
  const file = /file = (.*)/.exec(error.message)?.[1];
  const [first, second] = error.message.split('\n');
  return new SourceError(`${file ?? group[0]!.path}: ${first} ${second ?? ''}`.trim(), { cause: error });
}

async function reportRejects(connection: DuckDBConnection, context: ReadContext): Promise<void> {
  const rows = await connection.runAndReadAll(
    'SELECT count(DISTINCT (file_id, line_byte_position)) AS rows FROM reject_errors',
  );
  const dropped = Number(rows.getRowObjects()[0]!.rows);
  if (dropped > 0) context.report('badRows', dropped);
  await connection.run('DROP TABLE reject_errors; DROP TABLE reject_scans');
}

const count = (flags: Uint8Array) => flags.reduce((sum, flag) => sum + flag, 0);
