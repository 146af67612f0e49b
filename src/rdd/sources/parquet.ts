import { tmpdir } from 'node:os';
import { Field, Schema } from 'apache-arrow';
import type { FileMetaData } from 'hyparquet';
import type { Json } from '../../protocol/json.js';
import { mapOrdered } from '../map-ordered.js';
import { type FileEntry, openStorage, type Storage } from '../storage/storage.js';
import { arrowTypeOfDuck } from './duck-arrow.js';
import { connect, sqlPath, sqlText } from './duckdb.js';
import { localParquet, parquetFooter } from './parquet-file.js';
import { type ParquetRange, planRuns } from './parquet-plan.js';
import type { ParquetReaderOptions } from './parquet-reader.js';
import { AT_ONCE } from './sample.js';
import { encodeSchema } from './schema.js';
import { checkedUnitBytes, type Source, SourceError, type SourceUnit } from './source.js';
import { commonSchema } from './table-columns.js';

export interface ParquetOptions {
  /** Names of the columns to read, in this order. Default: all of the first file. No other column is read. */
  readonly columns?: readonly string[];
  /** Rows to keep, by one range or several that must all hold. Row groups whose statistics exclude them are not read. */
  readonly where?: ParquetRange | readonly ParquetRange[];
  /** Bytes of a piece, unpacked: small row groups are read together up to this size. Default 16 MiB. */
  readonly unitBytes?: number;
}

const IN_DIRECTORY = /\.(parquet|parq|pq)$/i;

/**
 * Parquet files: a path or URL, several, a directory (its `.parquet` files, searched recursively) or a glob pattern. A piece is one row group, or several
 * small ones. Of remote files only the footer and the wanted columns of the wanted row groups are fetched.
 * Types stay what they are (64-bit integers are bigints in rows); decimals become float64, dates and times show as
 * milliseconds since 1970 in rows, maps are lists of `{ key, value }`.
 * @throws SourceError by `units()` for missing files, what is no Parquet file, and files whose columns differ
 * @example parquetSource('trips', { columns: ['distance'], where: { column: 'day', min: new Date('2024-01-01') } })
 */
export function parquetSource(paths: string | readonly string[], options: ParquetOptions = {}): Source {
  const list = typeof paths === 'string' ? [paths] : paths;
  const size = checkedUnitBytes(options.unitBytes, 16 * 2 ** 20);
  const ranges = options.where === undefined ? [] : [options.where].flat();
  for (const range of ranges) requireRange(range);
  let planned: { schema: Schema; units: SourceUnit[] } | undefined;
  const plan = async (storage: Storage) => {
    planned ??= await planParquet(await storage.list(list, IN_DIRECTORY), options.columns, ranges, size, storage);
    return planned;
  };
  return {
    module: 'rdd/sources/parquet-reader',
    name: `parquet ${list.join(' ')}`,
    batches: true,
    get options(): Json {
      const schema = encodeSchema(planned?.schema ?? new Schema([]));
      const asked = ranges.map(({ column }) => column);
      return { schema, where: ranges.map(sqlCondition), asked } satisfies ParquetReaderOptions as unknown as Json;
    },
    units: async (storage = openStorage()) => (await plan(storage)).units,
    schema: async (storage = openStorage()) => (await plan(storage)).schema,
  };
}

async function planParquet(
  files: readonly FileEntry[],
  wanted: readonly string[] | undefined,
  ranges: readonly ParquetRange[],
  size: number,
  storage: Storage,
) {
  const footers = await mapOrdered(files, AT_ONCE, (file) => parquetFooter(file, storage));
  const known = new Map<string, Schema>();
  const plans: (FileEntry & { schema: Schema; metadata: FileMetaData })[] = [];
  for (const [k, file] of files.entries()) {
    const metadata = footers[k]!;
    // Files of one schema, as most sets are, are asked for it once.
    const key = JSON.stringify(metadata.schema, (_, value) => (typeof value === 'bigint' ? String(value) : value));
    const schema = known.get(key) ?? (await describe(file, metadata, storage));
    known.set(key, schema);
    plans.push({ ...file, schema, metadata });
  }
  const conditions = ranges.map(({ column }) => column);
  const schema = commonSchema(plans, wanted);
  if (conditions.length > 0) commonSchema(plans, conditions);
  const columns = [...schema.fields.map(({ name }) => name), ...conditions];
  const units = plans.flatMap(({ path, bytes: fileBytes, metadata }) =>
    planRuns(metadata, columns, ranges, size).map(
      (run): SourceUnit => ({ path, fileBytes, ...run, whole: run.from === 0 && run.to === Number(metadata.num_rows) }),
    ),
  );
  return { schema, units };
}

/** Names and types as DuckDB reads them. */
async function describe(file: FileEntry, metadata: FileMetaData, storage: Storage): Promise<Schema> {
  using local = await localParquet(file, [], undefined, tmpdir(), storage, metadata);
  const connection = await connect();
  try {
    const result = await connection.run(`SELECT * FROM read_parquet(${sqlText(sqlPath(local.path))}) LIMIT 0`);
    const types = result.columnTypes();
    return new Schema(result.columnNames().map((name, k) => new Field(name, arrowTypeOfDuck(types[k]!), true)));
  } catch (error) {
    throw new SourceError(
      `${file.path}: this Parquet file cannot be read: ${(error as Error).message.split('\n')[0]}`,
      { cause: error },
    );
  } finally {
    connection.closeSync();
  }
}

function requireRange({ column, min, max }: ParquetRange): void {
  if (typeof column !== 'string' || (min === undefined && max === undefined))
    throw new SourceError('where needs { column, min, max }: a name, and a least or a greatest value or both');
  for (const bound of [min, max])
    if (!['undefined', 'number', 'bigint', 'string'].includes(typeof bound) && !(bound instanceof Date))
      throw new SourceError(`where on "${column}": ${String(bound)} is no number, bigint, text or Date`);
    else if (
      Number.isNaN(bound instanceof Date ? bound.getTime() : bound) &&
      typeof bound !== 'string' &&
      bound !== undefined
    )
      throw new SourceError(`where on "${column}": a bound must be a number or a date, not ${String(bound)}`);
}

function sqlCondition({ column, min, max }: ParquetRange): string {
  const name = sqlName(column);
  const dated = min instanceof Date || max instanceof Date;
  const value = dated ? `epoch_ms(${name})` : name;
  const bounds = [
    min === undefined ? [] : `${value} >= ${sqlValue(min)}`,
    max === undefined ? [] : `${value} <= ${sqlValue(max)}`,
  ];
  // DuckDB takes NaN for the greatest number.
  const number = [min, max].some((bound) => typeof bound === 'number') ? [`NOT isnan(${name}::DOUBLE)`] : [];
  return [...bounds.flat(), ...number].join(' AND ');
}

export const sqlName = (name: string) => `"${name.replaceAll('"', '""')}"`;

function sqlValue(value: number | bigint | string | Date): string {
  if (value instanceof Date) return String(value.getTime());
  if (typeof value === 'string') return sqlText(value);
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return String(value);
  return `'${value}'::DOUBLE`;
}
