import { rmSync } from 'node:fs';
import { appendFile, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { RecordBatch } from 'apache-arrow';
import type { LocalCopy, Storage } from '../storage/storage.js';
import { BatchBuilder } from './csv-batches.js';
import { firstBadCell } from './csv-errors.js';
import { columnNames, namesIn, positions } from './csv-header.js';
import type { PathColumns } from './csv-path.js';
import { PlainReader } from './csv-plain.js';
import { csvQuery, type Layout, takeRejects } from './csv-query.js';
import { hasOddQuotes, newlines } from './csv-split.js';
import type { ColumnType } from './csv-types.js';
import { connect, fetchChunks } from './duckdb.js';
import { type ReadContext, SourceError, type SourceReader, type SourceSplit, type SourceUnit } from './source.js';

/** What `csvSource` sends to the slots. */
export interface CsvReaderOptions {
  readonly columns: readonly { readonly name: string; readonly type: ColumnType }[];
  readonly header: boolean;
  readonly delimiter: string;
  readonly nullValues: readonly string[];
  readonly badRows: 'error' | 'drop';
  readonly pathColumns?: PathColumns;
  readonly batch: 'file' | number;
  readonly multiline: boolean;
  /** Whether the types were found in the data. */
  readonly detected: boolean;
}

/** A query costs about 3 ms, so files of one layout share it; few enough that reading again after an error is cheap. */
const FILES_PER_QUERY = 64;

interface CsvFile {
  /** As the user knows it. */
  readonly path: string;
  /** Absent from a piece, which is cut out when its turn comes. */
  readonly copy?: LocalCopy;
  readonly piece?: Piece;
  /** Undefined for an empty file. */
  readonly layout?: Layout;
}

/** Bytes `start` to `end` of a file whose second record begins at `second`. */
interface Piece {
  readonly start: number;
  readonly end: number;
  readonly second: number;
}

/**
 * Reads a split's files, in order, into record batches of contiguous columns. A batch never crosses files or pieces; with
 * `batch: 'file'` every file gives exactly one, an empty file one without rows.
 * @throws SourceError naming file, line, column and text for what cannot be read
 */
export const read: SourceReader<RecordBatch, SourceSplit, CsvReaderOptions> = async function* (
  options,
  split,
  context,
) {
  const batches = new BatchBuilder(
    options,
    split.units.map(({ path }) => path as string),
  );
  // From the first file on that is not plain DuckDB reads: those behind it are probably not plain either.
  let plain = 0;
  const reader = PlainReader.for(options, context);
  for (; reader && plain < split.units.length; plain++) {
    const unit = split.units[plain]!;
    const chunk = await reader.read(unit);
    if (!chunk) break;
    yield* batches.append(unit.path as string, chunk, 0, chunk.rows);
    yield* batches.endFile(unit.path as string);
  }
  if (plain === split.units.length) return;
  const files: CsvFile[] = [];
  using _ = disposing(files);
  for (const unit of split.units.slice(plain)) files.push(await inspect(unit, options, context));
  const connection = await connect();
  try {
    for (const group of groupFiles(files)) {
      using _ = disposing(group);
      yield* readGroup(connection, group, options, batches, context);
    }
  } finally {
    connection.closeSync();
  }
};

async function inspect(unit: SourceUnit, options: CsvReaderOptions, context: ReadContext): Promise<CsvFile> {
  const path = unit.path as string;
  const { delimiter, header, columns } = options;
  const layout = (present: string[]): Layout => {
    const wanted = columns.map(({ name }) => name);
    return { width: present.length, positions: positions(path, wanted, present, header) };
  };
  if (unit.start !== undefined) {
    const piece = unit as unknown as Piece;
    const head = await context.storage.readRange(path, 0, piece.second);
    return { path, piece, layout: layout(namesIn(head, delimiter, header)) };
  }
  const copy = await context.storage.localCopy(path, context.directory);
  try {
    const present = columnNames(copy.path, delimiter, header);
    return { path, copy, layout: present && layout(present) };
  } catch (error) {
    copy[Symbol.dispose]();
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new SourceError(`${path}: no such file here; every executor must see the files under the same path`);
  }
}

function disposing(files: readonly CsvFile[]): Disposable {
  return {
    [Symbol.dispose]() {
      for (const { copy } of files) copy?.[Symbol.dispose]();
    },
  };
}

/** Runs of files that one query can read: of equal layout; empty files fit anywhere; a piece stands alone. */
function groupFiles(files: readonly CsvFile[]): CsvFile[][] {
  const groups: CsvFile[][] = [];
  let layout: string | undefined;
  for (const file of files) {
    const own = file.layout && JSON.stringify(file.layout);
    const group = groups.at(-1);
    const joins = group && group.length < FILES_PER_QUERY && !file.piece && !group[0]!.piece;
    if (joins && (!own || !layout || own === layout)) group.push(file);
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
    using scratch = group[0]!.piece && (await cutOut(group[0]!, options, context));
    const header = options.header || scratch?.headed === true;
    const paths = scratch ? [scratch.path] : group.map(({ copy }) => copy!.path);
    const explain = (error: Error) =>
      explainFailure(error, group, paths, { ...options, header }, layout, context.storage);
    const chunks = fetchChunks(connection, csvQuery(paths, header, layout, options));
    for (;;) {
      // The consumer's own errors must not pass for the file's: only the fetch is guarded.
      const { value: chunk } = await chunks.next().catch(async (error: Error) => {
        throw await explain(error);
      });
      if (!chunk) break;
      const bad = batches.badRows(chunk);
      if (bad && options.badRows === 'error') throw await explain(new Error('unreadable cell'));
      if (bad) context.report('badRows', count(bad));
      const fileNumbers = chunk.getColumnVector(options.columns.length) as unknown as { items: BigUint64Array };
      for (const { file, from, to } of runs(fileNumbers.items, bad)) {
        for (; current < file; current++) yield* batches.endFile(group[current]!.path);
        yield* batches.append(group[file]!.path, chunk, from, to);
      }
    }
    const rejected = options.badRows === 'drop' ? await takeRejects(connection) : 0;
    if (rejected > 0) context.report('badRows', rejected);
  }
  for (; current < group.length; current++) yield* batches.endFile(group[current]!.path);
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

async function explainFailure(
  error: Error,
  group: readonly CsvFile[],
  paths: readonly string[],
  options: CsvReaderOptions,
  layout: Layout,
  storage: Storage,
): Promise<Error> {
  const columns = options.columns.map((column, k) => ({ ...column, position: layout.positions[k]! }));
  for (const [k, { path, piece }] of group.entries()) {
    // A later piece is headed by the first record, whose lines it counts itself.
    const linesBefore = piece?.start ? await newlines(storage.openStream(path, piece.second, piece.start)) : 0;
    const where = { path, linesBefore };
    const found = firstBadCell(paths[k]!, { ...options, width: layout.width, columns }, where);
    if (found) return found;
  }
  if (error.message.includes('state machine reached an invalid state'))
    return new SourceError(
      `${fileIn(error, group, paths)}: the file mixes kinds of line ends (LF, CRLF, CR), or is no CSV; convert them to one kind (dos2unix)`,
      { cause: error },
    );
  if (error.message.includes('not utf-8 encoded'))
    return new SourceError(
      `${fileIn(error, group, paths)}: the text is not UTF-8; convert it, for example with iconv -f LATIN1 -t UTF-8`,
      { cause: error },
    );
  const [first, second] = error.message.split('\n');
  return new SourceError(`${fileIn(error, group, paths)}: ${first} ${second ?? ''}`.trim(), { cause: error });
}

/** The file that DuckDB complains about. */
function fileIn(error: Error, group: readonly CsvFile[], paths: readonly string[]): string {
  const named = /file = (.*)/.exec(error.message)?.[1];
  return group[paths.indexOf(named ?? '')]?.path ?? group[0]!.path;
}

/**
 * A piece as a file of its own, because DuckDB reads whole files; removed when it has been read. A later piece is headed
 * by the file's first record, header or not, so that its kind of newline is recognised from the same one.
 */
async function cutOut({ path, piece }: CsvFile, { multiline }: CsvReaderOptions, { directory, storage }: ReadContext) {
  const { start, end, second } = piece!;
  const folder = await mkdtemp(join(directory, 'csv-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const copy = join(folder, 'piece.csv');
  try {
    if (start > 0) await appendFile(copy, await storage.readRange(path, 0, second));
    let odd = false;
    for await (const bytes of storage.openStream(path, start, end)) {
      await appendFile(copy, bytes);
      if (!multiline && hasOddQuotes(bytes)) odd = !odd;
    }
    if (odd)
      throw new SourceError(
        `${path}: a quoted cell holds a newline, at an end of the bytes from ${start} to ${end}; read it with multiline: true`,
      );
  } catch (error) {
    remove();
    throw error;
  }
  return { path: copy, headed: start > 0, [Symbol.dispose]: remove };
}

const count = (flags: Uint8Array) => flags.reduce((sum, flag) => sum + flag, 0);
