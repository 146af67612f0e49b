import type { SaveOptions } from './sinks/save.js';
import type { ArffOptions } from './sources/arff.js';
import type { ArrowFileOptions } from './sources/arrow-file.js';
import type { CsvOptions } from './sources/csv.js';
import type { IdxOptions } from './sources/idx.js';
import type { JsonLinesOptions } from './sources/json-lines.js';
import type { LibsvmOptions } from './sources/libsvm.js';
import type { ParquetOptions } from './sources/parquet.js';
import type { CsvSaveOptions } from './table-saves.js';
import type { TableOptions } from './tables/to-table.js';

/** Names of a type's options; the compiler asks for all of them. */
type Names<T> = Readonly<Record<keyof T, true>>;

const csv: Names<CsvOptions> = {
  columns: true,
  infer: true,
  header: true,
  delimiter: true,
  nullValues: true,
  badRows: true,
  pathColumns: true,
  pathTypes: true,
  batch: true,
  unitBytes: true,
  multiline: true,
};
const jsonLines: Names<JsonLinesOptions> = { columns: true, infer: true, badRows: true, unitBytes: true };
const parquet: Names<ParquetOptions> = { columns: true, where: true, unitBytes: true };
const arrowFile: Names<ArrowFileOptions> = { columns: true, unitBytes: true };
const libsvm: Names<LibsvmOptions> = { numFeatures: true, sparse: true, badRows: true, unitBytes: true };
const arff: Names<ArffOptions> = { columns: true, badRows: true, unitBytes: true };
const idx: Names<IdxOptions> = { scale: true, unitBytes: true };
const table: Names<TableOptions> = { schema: true, partitions: true };
const lines: Names<SaveOptions> = { overwrite: true, compression: true };
const files: Names<Omit<SaveOptions, 'compression'>> = { overwrite: true };
const csvFiles: Names<CsvSaveOptions> = { ...lines, header: true, delimiter: true, nullValue: true };
const saves = {
  saveAsTextFile: lines,
  saveAsJson: lines,
  saveAsObjectFile: files,
  saveAsCsv: csvFiles,
  saveAsParquet: files,
  saveAsArrow: files,
};
const KNOWN = { csv, jsonLines, parquet, arrowFile, libsvm, arff, idx, table, ...saves };

/** Jobs run without a type check, and an option that is misspelt would be passed over. @throws TypeError naming it and those there are */
export function requireOptions(operator: keyof typeof KNOWN, options: object): void {
  const known = Object.keys(KNOWN[operator]);
  if (options === null || typeof options !== 'object')
    throw new TypeError(`the options of ${operator} are an object with ${known.join(', ')}`);
  const other = Object.keys(options).find((name) => !known.includes(name));
  if (other !== undefined) throw new TypeError(`${operator} has no option "${other}"; there are ${known.join(', ')}`);
}
