import type { Schema } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import { mapOrdered } from '../map-ordered.js';
import { isGzip } from '../storage/names.js';
import { type FileEntry, openStorage, type Storage } from '../storage/storage.js';
import { csvSchema } from './csv-batches.js';
import { detectColumns } from './csv-detect.js';
import { groupNames, type PathColumnType, pathValues } from './csv-path.js';
import type { CsvReaderOptions } from './csv-reader.js';
import { lineStarts, recordStarts } from './csv-split.js';
import { COLUMN_TYPES, type ColumnType } from './csv-types.js';
import type { Infer } from './sample.js';
import { checkedUnitBytes, requireBadRows, requireInfer, type Source, SourceError, type SourceUnit } from './source.js';

export interface CsvOptions {
  /**
   * The columns to read, with their types, or names of columns whose types are detected; no other column is converted.
   * Default: all columns of the first file that is not empty, with detected types: whole numbers, floats (`float64`), booleans,
   * text, and whatever holds all that is seen where rows differ.
   */
  readonly columns?: Readonly<Record<string, ColumnType>> | readonly string[];
  /** Where types are looked for when they are not given. Default `sample`. */
  readonly infer?: Infer;
  /** Whether the first row holds names. Default true. Without one, `columns` names the columns from the left. */
  readonly header?: boolean;
  /** One ASCII character. Default `,`, or a tab for `.tsv`. */
  readonly delimiter?: string;
  /** Texts that stand for null. Default: the empty cell. In columns of floats NaN is null too. */
  readonly nullValues?: readonly string[];
  /** What to do with a row that has a cell of the wrong type or the wrong number of cells. Default `error`. `drop` counts them in `badRows`. */
  readonly badRows?: 'error' | 'drop';
  /** Named groups that become columns, constant for each file, matched against its absolute path: `/sub_(?<subject>\d+)\.csv$/`. */
  readonly pathColumns?: RegExp;
  /** Types of path columns. Default `utf8` (dictionary-encoded). */
  readonly pathTypes?: Readonly<Record<string, PathColumnType>>;
  /** Rows of a record batch, or `'file'` for one batch a file. Batches never cross files or pieces. Default 65,536. */
  readonly batch?: 'file' | number;
  /** Bytes of a piece: larger files are read in several, unless `batch` is `'file'`. Default 16 MiB. */
  readonly unitBytes?: number;
  /**
   * Whether quoted cells may hold newlines. Default true. With false large files are cut at newlines, and need not be read once
   * to find where records begin; a cell with a newline at a cut is then an error.
   */
  readonly multiline?: boolean;
}

const isNames = (columns: CsvOptions['columns']): columns is readonly string[] => Array.isArray(columns);
/** Large files that are read at once, to find where their records begin. */
const FILES_AT_ONCE = 4;
const IN_DIRECTORY = /\.(csv|tsv)(\.gz)?$/i;

/**
 * CSV files (RFC 4180, UTF-8, also gzipped): a path or URL, several, a directory (its `.csv` and `.tsv` files, searched
 * recursively) or a glob pattern. Large files are split between records: `units()` reads each of them once to find where,
 * because a quoted cell may hold newlines. `.gz` files, and all with `batch: 'file'`, are read in one piece.
 * @throws SourceError by `units()` for missing files, and for a path that does not fit `pathColumns`
 * @example csvSource('runs/*.csv', { columns: { x: 'float32', y: 'float32' }, pathColumns: /run_(?<run>\d+)/, pathTypes: { run: 'int32' } })
 */
export function csvSource(paths: string | readonly string[], options: CsvOptions = {}): Source {
  return new CsvSource(typeof paths === 'string' ? [paths] : paths, options);
}

class CsvSource implements Source {
  readonly module = 'rdd/sources/csv-reader';
  readonly batches = true;
  readonly name: string;
  #options: CsvReaderOptions;
  readonly #paths: readonly string[];
  readonly #unitBytes: number;
  readonly #infer: Infer;
  readonly #wanted: readonly string[] | undefined;
  #detect: boolean;

  constructor(paths: readonly string[], options: CsvOptions) {
    this.#paths = paths;
    this.name = `csv ${paths.join(' ')}`;
    this.#unitBytes = checkedUnitBytes(options.unitBytes, 16 * 2 ** 20);
    this.#infer = requireInfer(options.infer);
    this.#wanted = isNames(options.columns) ? options.columns : undefined;
    this.#detect = options.columns === undefined || this.#wanted !== undefined;
    this.#options = checked(paths, options);
  }

  get options(): Json {
    return this.#options as unknown as Json;
  }

  async units(storage = openStorage()): Promise<SourceUnit[]> {
    const files = await storage.list(this.#paths, IN_DIRECTORY);
    const { pathColumns } = this.#options;
    if (pathColumns) for (const { path } of files) pathValues(pathColumns, path);
    await this.#detectColumns(files, storage);
    return (await mapOrdered(files, FILES_AT_ONCE, (file) => this.#pieces(file, storage))).flat();
  }

  async schema(storage = openStorage()): Promise<Schema> {
    if (this.#detect) await this.#detectColumns(await storage.list(this.#paths, IN_DIRECTORY), storage);
    return csvSchema(this.#options);
  }

  async #detectColumns(files: readonly FileEntry[], storage: Storage): Promise<void> {
    if (!this.#detect) return;
    const columns = await detectColumns(files, this.#options, this.#infer, this.#wanted, storage);
    this.#options = withColumns(this.#options, columns);
    this.#detect = false;
  }

  async #pieces({ path, bytes, seekable }: FileEntry, storage: Storage): Promise<SourceUnit[]> {
    if (bytes <= this.#unitBytes || this.#options.batch === 'file' || isGzip(path) || !seekable)
      return [{ path, bytes }];
    const [second, ...starts] = this.#options.multiline
      ? await recordStarts(storage.openStream(path), this.#unitBytes)
      : await lineStarts(path, bytes, this.#unitBytes, storage);
    const cuts = [0, ...starts, bytes];
    return cuts
      .slice(1)
      .map((end, k) => ({ path, start: cuts[k]!, end, second: second ?? bytes, bytes: end - cuts[k]! }));
  }
}

function checked(paths: readonly string[], options: CsvOptions): CsvReaderOptions {
  const { header = true, nullValues = [''], pathColumns, batch = 65_536, multiline = true } = options;
  const columns = options.columns === undefined || isNames(options.columns) ? {} : options.columns;
  const delimiter = options.delimiter ?? (paths.every((path) => /\.tsv(\.gz)?$/i.test(path)) ? '\t' : ',');
  if (delimiter.length !== 1 || delimiter.charCodeAt(0) > 127 || /["\r\n]/.test(delimiter))
    throw new SourceError(
      `delimiter must be one ASCII character other than a quote or newline, not ${JSON.stringify(delimiter)}`,
    );
  if (batch !== 'file' && !(Number.isInteger(batch) && batch > 0))
    throw new SourceError(`batch must be 'file' or a number of rows, not ${batch}`);
  for (const [name, type] of Object.entries(columns))
    if (!Object.hasOwn(COLUMN_TYPES, type))
      throw new SourceError(
        `column "${name}" has no type "${type}"; the types are ${Object.keys(COLUMN_TYPES).join(', ')}`,
      );
  // JavaScript puts such keys of an object first, and so would give them the wrong places.
  const number = header ? undefined : Object.keys(columns).find((name) => /^(0|[1-9]\d*)$/.test(name));
  if (number !== undefined)
    throw new SourceError(
      `column "${number}": without a header \`columns\` names the columns from the left, and names that are whole numbers do not keep their order; call it "c${number}"`,
    );
  const groups = pathColumns ? groupNames(pathColumns) : [];
  if (pathColumns && groups.length === 0)
    throw new SourceError(`pathColumns ${pathColumns} has no named group, such as (?<subject>\\d+)`);
  for (const name of Object.keys(options.pathTypes ?? {}))
    if (!groups.includes(name)) throw new SourceError(`pathTypes names "${name}", which is no group of pathColumns`);
  const badRows = requireBadRows(options.badRows);
  const detected = options.columns === undefined || isNames(options.columns);
  const base: CsvReaderOptions = { columns: [], header, delimiter, nullValues, badRows, batch, multiline, detected };
  return withColumns(
    pathColumns
      ? {
          ...base,
          pathColumns: {
            pattern: pathColumns.source,
            flags: pathColumns.flags.replace(/[gy]/g, ''),
            types: options.pathTypes ?? {},
          },
        }
      : base,
    Object.entries(columns).map(([name, type]) => ({ name, type })),
  );
}

function withColumns(options: CsvReaderOptions, columns: CsvReaderOptions['columns']): CsvReaderOptions {
  const { pathColumns } = options;
  const groups = pathColumns ? groupNames(new RegExp(pathColumns.pattern, pathColumns.flags)) : [];
  const twice = columns.find(({ name }) => groups.includes(name));
  if (twice) throw new SourceError(`"${twice.name}" is both a column and a group of pathColumns; rename the group`);
  return { ...options, columns };
}
