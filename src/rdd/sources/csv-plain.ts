import { isUtf8 } from 'node:buffer';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { isGzip } from '../storage/names.js';
import type { Chunk } from './csv-columns.js';
import { namesIn, positions } from './csv-header.js';
import { endLine, PLAIN_NUMBER, type PlainLayout, PlainScanner, ROOM_FOR_END } from './csv-plain-scan.js';
import type { CsvReaderOptions } from './csv-reader.js';
import { type ColumnType, isInt32 } from './csv-types.js';
import type { ReadContext, SourceUnit } from './source.js';

/** Larger files are streamed by DuckDB: here all of a file is in memory, and its numbers beside it. */
const LARGEST = 64 * 2 ** 20;
const LF = 0x0a;
const CR = 0x0d;
const QUOTE = 0x22;

/** Rows of numbers, null as NaN, until the next ones are read. */
export interface PlainRows extends Chunk {
  readonly rows: number;
}

/**
 * Reads files of plain numbers: the wanted columns are numbers, written as most programs write them, and no cell is quoted.
 * All of MotionSense (216 MB, 12 columns) takes 1.0 s of one core, where DuckDB and the copying of its chunks take 1.9.
 * Whatever is not plain is left to DuckDB and to those who explain errors: nothing of such a file is read here.
 */
export class PlainReader {
  readonly #options: CsvReaderOptions;
  readonly #context: ReadContext;
  readonly #scanner: PlainScanner;
  /** Used for one file after the other. */
  #buffer = Buffer.alloc(0);

  private constructor(options: CsvReaderOptions, context: ReadContext) {
    this.#options = options;
    this.#context = context;
    this.#scanner = new PlainScanner(options.columns.length);
  }

  /** Undefined when files cannot be plain with these options. */
  static for(options: CsvReaderOptions, context: ReadContext): PlainReader | undefined {
    const { columns, delimiter, nullValues } = options;
    const numbers = columns.length > 0 && columns.every(({ type }) => FITS[type]);
    const possible = numbers && !/[\d.e+-]/i.test(delimiter) && !nullValues.some((text) => PLAIN_NUMBER.test(text));
    return possible ? new PlainReader(options, context) : undefined;
  }

  /**
   * The rows of a file or piece; undefined when it is not plain, or cannot be read.
   * @throws SourceError for columns that are not there
   */
  async read(unit: SourceUnit): Promise<PlainRows | undefined> {
    const path = unit.path as string;
    if (unit.bytes > LARGEST || isGzip(path)) return undefined;
    const piece = unit.start === undefined ? undefined : (unit as unknown as { start: number; end: number });
    const size = piece ? await this.#readPiece(path, piece) : await this.#readFile(path);
    if (size === undefined) return undefined;
    if (size === 0) return this.#rows(0);
    // The first record tells the columns and the kind of newline.
    const later = piece !== undefined && piece.start > 0;
    const head = later
      ? await this.#context.storage.readRange(path, 0, unit.second as number)
      : this.#buffer.subarray(0, this.#buffer.subarray(0, size).indexOf(LF) + 1);
    const layout = this.#layout(path, head);
    if (!layout) return undefined;
    const start = this.#options.header && !later ? head.length : 0;
    const rows = this.#scanner.scan(this.#buffer, start, endLine(this.#buffer, size, layout.crlf), layout);
    return rows === undefined || !this.#fits(rows) ? undefined : this.#rows(rows);
  }

  #layout(path: string, head: Buffer): PlainLayout | undefined {
    const { columns, delimiter, header, nullValues } = this.#options;
    const crlf = head.at(-2) === CR;
    const line = head.subarray(0, head.length - (crlf ? 2 : 1));
    if (head.length === 0 || line.length === 0 || line.includes(QUOTE) || line.includes(CR) || !isUtf8(line))
      return undefined;
    const present = namesIn(head, delimiter, header);
    const wanted = columns.map(({ name }) => name);
    const targets = new Int32Array(present.length).fill(-1);
    for (const [k, position] of positions(path, wanted, present, header).entries()) targets[position] = k;
    return { delimiter: delimiter.charCodeAt(0), crlf, targets, emptyIsNull: nullValues.includes('') };
  }

  async #readPiece(path: string, { start, end }: { start: number; end: number }): Promise<number> {
    const bytes = await this.#context.storage.readRange(path, start, end);
    this.#reserve(bytes.length);
    return bytes.copy(this.#buffer);
  }

  /** Undefined for a file that is not there, of which the caller tells more, or is too large. */
  async #readFile(path: string): Promise<number | undefined> {
    using copy = await this.#context.storage.localCopy(path, this.#context.directory);
    let file: number;
    try {
      file = openSync(copy.path, 'r');
    } catch {
      return undefined;
    }
    try {
      const { size } = fstatSync(file);
      if (size > LARGEST) return undefined;
      this.#reserve(size);
      let length = 0;
      for (let read = -1; read !== 0 && length < size; length += read)
        read = readSync(file, this.#buffer, length, size - length, length);
      return length;
    } finally {
      closeSync(file);
    }
  }

  #reserve(size: number): void {
    if (this.#buffer.length < size + ROOM_FOR_END)
      this.#buffer = Buffer.allocUnsafeSlow(Math.ceil((size + ROOM_FOR_END) * 1.5));
  }

  #fits(rows: number): boolean {
    return this.#options.columns.every(({ type }, k) => FITS[type]!(this.#scanner.columns[k]!.subarray(0, rows)));
  }

  #rows(rows: number): PlainRows {
    const columns = this.#scanner.columns.map((column) => ({
      items: column.subarray(0, rows),
      validity: { data: null },
    }));
    return { rows, getColumnVector: (k) => columns[k]! };
  }
}

/** Whether numbers are all of the type, null aside; undefined for types that are read otherwise. */
const FITS: Partial<Record<ColumnType, (values: Float64Array) => boolean>> = {
  float64: () => true,
  float32: roundOnce,
  int32(values) {
    for (const value of values) if (!isInt32(value) && !Number.isNaN(value)) return false;
    return true;
  },
  integer(values) {
    for (const value of values) if (!Number.isSafeInteger(value) && !Number.isNaN(value)) return false;
    return true;
  },
};

const SMALLEST_NORMAL = 2 ** -126;
const LARGEST_FLOAT = Math.fround(3.4028235e38);

/**
 * Whether rounding the doubles nearest to decimal numbers gives the floats nearest to them: not when a double lies halfway
 * between two floats, its last 29 bits being 1 and zeros, for then the decimal may lie on either side. Nor is what
 * overflows or underflows decided here.
 */
function roundOnce(doubles: Float64Array): boolean {
  const words = new Uint32Array(doubles.buffer, doubles.byteOffset, doubles.length * 2);
  for (let row = 0; row < doubles.length; row++) {
    if ((words[2 * row]! & 0x1fffffff) === 0x10000000) return false;
    const magnitude = Math.abs(doubles[row]!);
    if (magnitude > LARGEST_FLOAT || (magnitude < SMALLEST_NORMAL && magnitude !== 0)) return false;
  }
  return true;
}
