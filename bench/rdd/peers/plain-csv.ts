import { readFileSync } from 'node:fs';
import { globSync } from 'tinyglobby';
import { columns } from './columns.js';

const COMMA = 0x2c;
const POINT = 0x2e;
const MINUS = 0x2d;
const NEWLINE = 0x0a;

/** Below these a product or quotient of two exact doubles is rounded once, which is the nearest double (Clinger 1990). */
const EXACT_DIGITS = 2 ** 53;
const POWERS = Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);

/** Sums of the number columns of all files, read byte by byte: no string is made but for the few long numbers. */
export function parseAndSum(directory: string): number[] {
  const sums = new Float64Array(columns.length);
  for (const path of globSync('*/*.csv', { cwd: directory, absolute: true })) sumFile(readFileSync(path), sums);
  return [...sums];
}

function sumFile(bytes: Buffer, sums: Float64Array): void {
  let at = bytes.indexOf(NEWLINE) + 1;
  while (at > 0 && at < bytes.length) {
    at = bytes.indexOf(COMMA, at) + 1;
    if (at === 0) return;
    for (let column = 0; column < sums.length; column++) {
      const start = at;
      const negative = bytes[at] === MINUS;
      if (negative) at++;
      let digits = 0;
      let decimals = -1;
      let plain = true;
      let byte = 0;
      for (; at < bytes.length; at++) {
        byte = bytes[at]!;
        if (byte === COMMA || byte === NEWLINE) break;
        if (byte >= 0x30 && byte <= 0x39) {
          digits = digits * 10 + (byte - 0x30);
          if (decimals >= 0) decimals++;
        } else if (byte === POINT && decimals < 0) decimals = 0;
        else plain = false; // an exponent, a carriage return, a quote
      }
      if (plain && digits < EXACT_DIGITS && decimals <= 22) {
        const value = decimals > 0 ? digits / POWERS[decimals]! : digits;
        sums[column]! += negative ? -value : value;
      } else sums[column]! += Number(bytes.toString('latin1', start, at));
      at++;
    }
  }
}
