import { nearestQuotient, POWERS_OF_TEN } from './csv-decimal.js';

/** How the lines of a plain file are laid out. */
export interface PlainLayout {
  /** The byte between cells. */
  readonly delimiter: number;
  /** Whether lines end with CR LF rather than LF. */
  readonly crlf: boolean;
  /** For each cell of a line, the column that takes its number, or -1. */
  readonly targets: Int32Array;
  /** Whether a cell may be empty, which is NaN. */
  readonly emptyIsNull: boolean;
}

const MINUS = 0x2d;
const ZERO = 0x30;
/** As `byte - ZERO`. */
const POINT = 0x2e - ZERO;
const FOUR_ZEROS = 0x30303030;
const QUOTE = 0x22;
const LF = 0x0a;
const CR = 0x0d;
/** Bytes behind the last line that are written by `endLine`, or looked at. */
export const ROOM_FOR_END = 8;

/** The numbers that this reader takes; a set of which DuckDB reads each as JavaScript does. */
export const PLAIN_NUMBER = /^-?\d+(\.\d+)?(e[+-]?\d{1,2})?$/i;
const LONGEST_NUMBER = 64;

/**
 * Ends a last line that has no newline, in bytes with room for it, and puts a byte behind it at which any number ends.
 * @returns where the last line ends
 */
export function endLine(bytes: Uint8Array, end: number, crlf: boolean): number {
  let at = end;
  if (end > 0 && bytes[end - 1] !== LF) {
    if (crlf) bytes[at++] = CR;
    bytes[at++] = LF;
  }
  bytes[at] = 0;
  return at;
}

/** Rows of numbers in columns that grow with them and are used again for the next file. */
export class PlainScanner {
  readonly columns: Float64Array[];
  #at = 0;

  constructor(columns: number) {
    this.columns = Array.from({ length: columns }, () => new Float64Array(4096));
  }

  /**
   * Reads whole lines, the last of them ended by `endLine`, into `columns`, null as NaN.
   * @returns their number; undefined when anything is not plain: a quote, a line of another width, a cell that is no number
   * in a wanted column, or not ASCII in another
   */
  scan(bytes: Buffer, start: number, end: number, layout: PlainLayout): number | undefined {
    this.#at = start;
    let rows = 0;
    for (;;) {
      rows = this.#fill(bytes, end, layout, rows);
      if (rows < 0) return undefined;
      if (this.#at >= end) return rows;
      for (const [k, column] of this.columns.entries()) {
        const grown = new Float64Array(column.length * 2);
        grown.set(column);
        this.columns[k] = grown;
      }
    }
  }

  /**
   * One loop, because it sees every byte; what it calls for common numbers V8 compiles into it. Two whole numbers of up to
   * nine digits, small integers to V8, take the digits, decimals four at a time; a third takes those beyond.
   * @returns the rows so far when the columns are full or the bytes at an end, -1 when something is not plain
   */
  #fill(bytes: Buffer, end: number, { delimiter, crlf, targets, emptyIsNull }: PlainLayout, row: number): number {
    const columns = this.columns;
    const room = columns[0]!.length;
    const width = targets.length;
    const newline = crlf ? CR : LF;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = this.#at;
    for (; at < end && row < room; row++) {
      for (let cell = 0; cell < width; cell++) {
        const target = targets[cell]!;
        const begin = at;
        if (target < 0) {
          let byte = bytes[at]!;
          while (byte !== delimiter && byte >= 0x20 && byte <= 0x7e && byte !== QUOTE) byte = bytes[++at]!;
          if (at === begin && width === 1) return -1;
        } else {
          // A branch on the sign would be foretold wrongly half of the time.
          const first = bytes[at]!;
          const below = (first - ZERO) >>> 31;
          at += below;
          const from = at;
          let high = 0;
          let digit = bytes[at]! - ZERO;
          for (; digit >>> 0 <= 9; digit = bytes[++at]! - ZERO) high = (Math.imul(high, 10) + digit) | 0;
          const whole = at - from;
          let simple = whole > 0 && whole <= 9 && Math.imul(below, first ^ MINUS) === 0;
          let low = 0;
          let lowDigits = 0;
          let decimals = 0;
          if (digit === POINT) {
            const point = at++;
            const full = from + 10;
            for (; at + 4 <= full; at += 4) {
              const word = view.getInt32(at, true) - FOUR_ZEROS;
              if (noDigits(word) !== 0) break;
              high = (Math.imul(high, 10_000) + fourDigits(word)) | 0;
            }
            for (digit = bytes[at]! - ZERO; digit >>> 0 <= 9 && at < full; digit = bytes[++at]! - ZERO)
              high = (Math.imul(high, 10) + digit) | 0;
            if (at === full) {
              for (; at + 4 <= full + 9; at += 4) {
                const word = view.getInt32(at, true) - FOUR_ZEROS;
                if (noDigits(word) !== 0) break;
                low = (Math.imul(low, 10_000) + fourDigits(word)) | 0;
              }
              for (digit = bytes[at]! - ZERO; digit >>> 0 <= 9 && at < full + 9; digit = bytes[++at]! - ZERO)
                low = (Math.imul(low, 10) + digit) | 0;
              const third = at;
              let rest = 0;
              for (; digit >>> 0 <= 9; digit = bytes[++at]! - ZERO) rest = (Math.imul(rest, 10) + digit) | 0;
              if (at > third) {
                // Zeros at the front leave room behind.
                const more = at - third;
                simple &&= more <= 3 && high * POWERS_OF_TEN[more]! < 1e9;
                low = low * POWERS_OF_TEN[more]! + rest;
              }
              lowDigits = at - full;
            }
            decimals = at - point - 1;
            simple &&= decimals > 0 && decimals <= 20;
          }
          const byte = digit + ZERO;
          if (simple && (byte === delimiter || byte === newline)) {
            const digits = high * POWERS_OF_TEN[lowDigits]! + low;
            // Two exact doubles: their quotient is rounded once (Clinger 1990).
            const value =
              digits < 2 ** 53
                ? digits / POWERS_OF_TEN[decimals]!
                : nearestQuotient(high, POWERS_OF_TEN[lowDigits]!, low, POWERS_OF_TEN[decimals]!);
            columns[target]![row] = value * (1 - 2 * below);
          } else {
            at = begin;
            while (bytes[at] !== delimiter && bytes[at] !== newline && bytes[at] !== LF) at++;
            const empty = at === begin;
            const value = empty ? Number.NaN : rareNumber(bytes, begin, at);
            if (value === undefined || (empty && (!emptyIsNull || width === 1))) return -1;
            columns[target]![row] = value;
          }
        }
        if (bytes[at++] !== (cell === width - 1 ? newline : delimiter)) return -1;
      }
      if (crlf && bytes[at++] !== LF) return -1;
    }
    this.#at = at;
    return row;
  }
}

/** Not 0 when one of the four bytes of a word, less `FOUR_ZEROS`, is no digit. */
const noDigits = (word: number) => (word | (word + 0x06060606)) & 0xf0f0f0f0;

/** The number that the digits of a word make, the first in its lowest byte. */
function fourDigits(word: number): number {
  const pairs = (Math.imul(word, 10) + (word >>> 8)) & 0x00ff00ff;
  return Math.imul(pairs & 0xff, 100) + (pairs >>> 16);
}

/** A number with an exponent, or of more digits than the loop takes; undefined for what is none. */
function rareNumber(bytes: Buffer, from: number, to: number): number | undefined {
  if (to - from > LONGEST_NUMBER) return undefined;
  let whole = 0;
  let at = from;
  for (; at < to && (bytes[at]! - ZERO) >>> 0 <= 9; at++) whole = whole * 10 + (bytes[at]! - ZERO);
  if (at === to && at - from <= 15) return whole;
  const text = bytes.toString('latin1', from, to);
  return PLAIN_NUMBER.test(text) ? Number(text) : undefined;
}
