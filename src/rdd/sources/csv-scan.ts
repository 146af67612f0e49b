import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { constants, gunzipSync } from 'node:zlib';

/** A record of a CSV file (RFC 4180). */
export interface CsvRecord {
  readonly fields: string[];
  /** Line on which each field begins, counted from 1 as an editor does. */
  readonly lines: number[];
  /** The file ends within the last field's quotes. */
  readonly unclosed: boolean;
}

const LF = 10;
const CR = 13;
const QUOTE = 34;

/**
 * Reads records with their line numbers, byte by byte. It reads headers, and finds the offending cell once a fast
 * reader has refused a file; it is not the fast path.
 */
export class CsvScanner {
  #delimiter: number;
  #cell = Buffer.alloc(256);
  #length = 0;
  #fields: string[] = [];
  #lines: number[] = [];
  #line = 1;
  #cellLine = 1;
  #quoted = false;
  /** After a quote inside quotes: either the first half of `""`, or the closing one. */
  #closing = false;
  #wasCR = false;
  #atStart = true;

  constructor(delimiter: string) {
    this.#delimiter = delimiter.charCodeAt(0);
  }

  *push(chunk: Uint8Array): Generator<CsvRecord> {
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      const afterCR = this.#wasCR;
      this.#wasCR = byte === CR;
      if (byte === LF && afterCR) {
        if (this.#quoted && !this.#closing) this.#put(byte);
        continue;
      }
      if (byte === LF || byte === CR) this.#line++;
      if (this.#quoted) {
        if (this.#closing) {
          this.#closing = false;
          if (byte === QUOTE) {
            this.#put(byte);
            continue;
          }
          this.#quoted = false;
        } else if (byte === QUOTE) {
          this.#closing = true;
          continue;
        } else {
          this.#put(byte);
          continue;
        }
      }
      if (byte === this.#delimiter) this.#endField();
      else if (byte === LF || byte === CR) yield this.#endRecord();
      else if (byte === QUOTE && this.#length === 0) this.#quoted = true;
      else this.#put(byte);
    }
  }

  /** The last record, when the file does not end with a newline. */
  *end(): Generator<CsvRecord> {
    if (this.#length > 0 || this.#fields.length > 0 || this.#quoted) yield this.#endRecord();
  }

  #put(byte: number): void {
    if (this.#length === this.#cell.length) this.#cell = Buffer.concat([this.#cell, Buffer.alloc(this.#cell.length)]);
    this.#cell[this.#length++] = byte;
    // A byte order mark is no part of the first name.
    if (this.#atStart && this.#length === 3) {
      if (this.#cell[0] === 0xef && this.#cell[1] === 0xbb && this.#cell[2] === 0xbf) this.#length = 0;
      this.#atStart = false;
    }
  }

  #endField(): void {
    this.#fields.push(this.#cell.toString('utf8', 0, this.#length));
    this.#lines.push(this.#cellLine);
    this.#length = 0;
    this.#atStart = false;
    this.#cellLine = this.#line;
  }

  #endRecord(): CsvRecord {
    this.#endField();
    const unclosed = this.#quoted && !this.#closing;
    const record = { fields: this.#fields, lines: this.#lines, unclosed };
    this.#fields = [];
    this.#lines = [];
    this.#quoted = this.#closing = false;
    return record;
  }
}

/** All records of a file (also `.gz`), lazily: a caller that stops after the first has read 64 KiB. */
export function* csvRecords(path: string, delimiter: string): Generator<CsvRecord> {
  const scanner = new CsvScanner(delimiter);
  for (const chunk of fileChunks(path)) yield* scanner.push(chunk);
  yield* scanner.end();
}

const CHUNK = 64 * 1024;

function* fileChunks(path: string): Generator<Uint8Array> {
  const file = openSync(path, 'r');
  try {
    for (let first = true; ; first = false) {
      const chunk = Buffer.allocUnsafe(CHUNK);
      const read = readSync(file, chunk);
      if (read === 0) return;
      const bytes = chunk.subarray(0, read);
      if (first && bytes[0] === 0x1f && bytes[1] === 0x8b) {
        const start = gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH });
        yield start;
        yield gunzipSync(readFileSync(path)).subarray(start.length);
        return;
      }
      yield bytes;
    }
  } finally {
    closeSync(file);
  }
}
