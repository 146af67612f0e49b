import type { FileEntry, Storage } from '../storage/storage.js';
import { missingColumn } from './csv-errors.js';
import { namesOf } from './csv-header.js';
import type { CsvReaderOptions } from './csv-reader.js';
import { CsvScanner } from './csv-scan.js';
import { type ColumnType, INT64, isInt64, NUMBER } from './csv-types.js';
import { contentOf } from './numbered-lines.js';
import { type Infer, type Sample, samples } from './sample.js';

type Columns = CsvReaderOptions['columns'];

/**
 * Names and types of the first file that is not empty; no columns when all are. Types are widened over the rows looked at,
 * of all files: columns are found by name, wherever a file has them; rows of the wrong number of cells are passed over.
 * @param wanted names, when not all columns are asked for
 */
export async function detectColumns(
  files: readonly FileEntry[],
  options: CsvReaderOptions,
  infer: Infer,
  wanted: readonly string[] | undefined,
  storage: Storage,
): Promise<Columns> {
  const { delimiter, header, nullValues } = options;
  const rows = infer === 'sample' ? sampledRows(files, delimiter, storage) : allRows(files, delimiter, storage);
  const nulls = new Set(nullValues);
  let types: ColumnTypes | undefined;
  let place: { path: string; names: string[] } | undefined;
  for await (const { path, records } of rows) {
    let from = 0;
    if (place?.path !== path) {
      const first = records.findIndex((record) => !isBlank(record));
      if (first < 0) continue;
      place = { path, names: namesOf(records[first]!, header) };
      if (header) from = first + 1;
      types ??= new ColumnTypes(path, place.names, wanted);
    }
    types?.add(records, from, place.names, nulls);
  }
  return types?.columns ?? [];
}

const isBlank = (record: readonly string[]) => record.length === 1 && record[0] === '';

/** In the order of width: each but the last can hold what those before it hold, but for booleans. */
type Kind = 'bool' | 'integer' | 'int64' | 'float64' | 'utf8';

class ColumnTypes {
  readonly #names: readonly string[];
  readonly #kinds = new Map<string, Kind>();

  constructor(path: string, present: readonly string[], wanted: readonly string[] | undefined) {
    const missing = wanted?.find((name) => !present.includes(name));
    if (missing !== undefined) throw missingColumn(path, missing, present);
    this.#names = wanted ?? present;
  }

  add(
    records: readonly (readonly string[])[],
    from: number,
    names: readonly string[],
    nulls: ReadonlySet<string>,
  ): void {
    const width = names.length;
    for (const name of this.#names) {
      const position = names.indexOf(name);
      if (position < 0) continue; // the reader says that the file lacks it
      let kind = this.#kinds.get(name);
      for (let r = from; r < records.length && kind !== 'utf8'; r++) {
        const record = records[r]!;
        const text = record[position];
        if (record.length === width && text !== undefined && !nulls.has(text)) kind = wider(kind, kindOf(text));
      }
      if (kind) this.#kinds.set(name, kind);
    }
  }

  get columns(): { name: string; type: ColumnType }[] {
    return this.#names.map((name) => ({ name, type: this.#kinds.get(name) ?? 'utf8' }));
  }
}

function wider(a: Kind | undefined, b: Kind): Kind {
  if (a === undefined || a === b) return b;
  if (a === 'bool' || b === 'bool' || a === 'utf8' || b === 'utf8') return 'utf8';
  return a === 'float64' || b === 'float64' ? 'float64' : 'int64';
}

const WHOLE = /^\s*[+-]?\d+\s*$/;

function kindOf(text: string): Kind {
  if (WHOLE.test(text)) {
    if (Number.isSafeInteger(Number(text))) return 'integer';
    return INT64.test(text) && isInt64(BigInt(text.trim())) ? 'int64' : 'utf8';
  }
  if (NUMBER.test(text) && !text.includes('_')) return 'float64';
  return /^\s*(true|false)\s*$/i.test(text) ? 'bool' : 'utf8';
}

interface Rows {
  readonly path: string;
  readonly records: string[][];
}

async function* sampledRows(files: readonly FileEntry[], delimiter: string, storage: Storage): AsyncGenerator<Rows> {
  let width = 0;
  for await (const sample of samples(files, storage)) {
    const records = recordsOfSample(sample, delimiter, width);
    if (sample.top) width = records.find((record) => !isBlank(record))?.length ?? 0;
    yield { path: sample.path, records };
  }
}

const NEWLINE = 10;
const QUOTE = Buffer.from('"');

/** @param width of the file's rows: which of two readings of a piece from its middle is right shows in it */
function recordsOfSample({ bytes, top, end }: Sample, delimiter: string, width: number): string[][] {
  if (top) return recordsIn(bytes, delimiter, end);
  const from = bytes.indexOf(NEWLINE) + 1;
  if (from === 0) return [];
  const rest = bytes.subarray(from);
  const fitting = (records: string[][]) => records.filter((record) => record.length === width);
  const outside = recordsIn(rest, delimiter, end);
  if (fitting(outside).length === outside.length) return outside;
  // The newline may have been one in a quoted cell.
  const inside = recordsIn(Buffer.concat([QUOTE, rest]), delimiter, end).slice(1);
  return fitting(inside).length === inside.length && inside.length > 0 ? inside : fitting(outside);
}

/** @param end whether the last record is whole without a newline */
function recordsIn(bytes: Buffer, delimiter: string, end: boolean): string[][] {
  const whole = end ? bytes : bytes.subarray(0, bytes.lastIndexOf(NEWLINE) + 1);
  if (isPlain(whole)) return plainRecords(whole, delimiter);
  const scanner = new CsvScanner(delimiter);
  const records = [...scanner.push(bytes), ...(end ? scanner.end() : [])];
  return records.map(({ fields }) => fields);
}

/** Without quotes, and with line ends that begin or end with LF, cells are what lies between delimiters. */
const isPlain = (bytes: Buffer) => !bytes.includes('"') && (!bytes.includes('\r') || bytes.includes('\r\n'));

function plainRecords(bytes: Buffer, delimiter: string): string[][] {
  const lines = bytes
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line) => line.split(delimiter));
}

async function* allRows(files: readonly FileEntry[], delimiter: string, storage: Storage): AsyncGenerator<Rows> {
  for (const { path } of files) {
    let rest: Buffer = Buffer.alloc(0);
    let scanner: CsvScanner | undefined;
    for await (const chunk of contentOf(path, storage)) {
      const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      // From the first quote on, records are scanned byte by byte.
      if (!scanner && !isPlain(bytes)) scanner = new CsvScanner(delimiter);
      const cut = scanner ? bytes.length : bytes.lastIndexOf(NEWLINE) + 1;
      rest = bytes.subarray(cut);
      if (cut === 0) continue;
      const records = scanner
        ? Array.from(scanner.push(bytes), ({ fields }) => fields)
        : plainRecords(bytes.subarray(0, cut), delimiter);
      if (records.length > 0) yield { path, records };
    }
    const last = scanner ? Array.from(scanner.end(), ({ fields }) => fields) : plainRecords(rest, delimiter);
    if (last.length > 0) yield { path, records: last };
  }
}
