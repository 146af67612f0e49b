import { closeSync, createReadStream, openSync, readSync, writeSync } from 'node:fs';

const NEWLINE = 10;
const QUOTE = 34;
const CHUNK = 4 * 2 ** 20;

/**
 * Byte offsets at which records begin: the second record, then one for about every `size` bytes. They lie behind
 * newlines with an even number of quotes before them, which in RFC 4180 are the newlines outside quoted cells. The file
 * is read once, not parsed.
 */
export async function recordStarts(path: string, size: number): Promise<number[]> {
  const starts: number[] = [];
  let position = 0;
  let quoted = false;
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK }) as AsyncIterable<Buffer>) {
    let at = 0;
    for (;;) {
      // No record that begins before the wanted place can be a cut: up to there only quotes count.
      const wanted = (starts.length === 0 ? 0 : starts.at(-1)! + size - 1) - position;
      if (wanted > at) {
        const to = Math.min(wanted, chunk.length);
        if (hasOddQuotes(chunk.subarray(at, to))) quoted = !quoted;
        at = to;
      }
      if (at >= chunk.length) break;
      const byte = chunk[at++]!;
      if (byte === QUOTE) quoted = !quoted;
      else if (byte === NEWLINE && !quoted) starts.push(position + at);
    }
    position += chunk.length;
  }
  return starts.filter((start) => start < position);
}

function hasOddQuotes(bytes: Buffer): boolean {
  let odd = 0;
  const first = bytes.indexOf(QUOTE);
  if (first >= 0) for (let k = first; k < bytes.length; k++) odd ^= bytes[k] === QUOTE ? 1 : 0;
  return odd === 1;
}

/** Appends bytes `start` to `end` of a file to another. */
export function appendRange(from: string, start: number, end: number, to: string): void {
  const target = openSync(to, 'a');
  try {
    for (const bytes of ranges(from, start, end)) writeSync(target, bytes);
  } finally {
    closeSync(target);
  }
}

/** Lines that end before the offset. */
export function linesBefore(path: string, offset: number): number {
  let lines = 0;
  for (const bytes of ranges(path, 0, offset))
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}

function* ranges(from: string, start: number, end: number): Generator<Buffer> {
  const source = openSync(from, 'r');
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK, end - start));
  try {
    for (let at = start; at < end; ) {
      const read = readSync(source, buffer, 0, Math.min(buffer.length, end - at), at);
      if (read === 0) throw new Error(`${from} became shorter while it was read`);
      yield buffer.subarray(0, read);
      at += read;
    }
  } finally {
    closeSync(source);
  }
}
