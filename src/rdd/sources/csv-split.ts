import type { Storage } from '../storage/storage.js';

const NEWLINE = 10;
const QUOTE = 34;

/**
 * Byte offsets at which records begin: the second record, then one for about every `size` bytes. They lie behind
 * newlines with an even number of quotes before them, which in RFC 4180 are the newlines outside quoted cells. The file
 * is read once, not parsed.
 */
export async function recordStarts(file: AsyncIterable<Buffer>, size: number): Promise<number[]> {
  const starts: number[] = [];
  let position = 0;
  let quoted = false;
  for await (const chunk of file) {
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

/** The same where no cell holds a newline: a look at the bytes around each cut is enough. */
export async function lineStarts(path: string, bytes: number, size: number, storage: Storage): Promise<number[]> {
  const starts: number[] = [];
  for (let from = 0; from < bytes; ) {
    const newline = await nextNewline(path, from, bytes, storage);
    if (newline === undefined || newline + 1 >= bytes) break;
    starts.push(newline + 1);
    from = Math.max(newline + 1, newline + size);
  }
  return starts;
}

/** Bytes looked at around a cut: longer than most lines. */
const LOOK = 64 * 1024;

async function nextNewline(path: string, from: number, bytes: number, storage: Storage): Promise<number | undefined> {
  for (let at = from; at < bytes; at += LOOK) {
    const found = (await storage.readRange(path, at, at + LOOK)).indexOf(NEWLINE);
    if (found >= 0) return at + found;
  }
  return undefined;
}

export function hasOddQuotes(bytes: Buffer): boolean {
  let odd = 0;
  const first = bytes.indexOf(QUOTE);
  if (first >= 0) for (let k = first; k < bytes.length; k++) odd ^= bytes[k] === QUOTE ? 1 : 0;
  return odd === 1;
}

/** Newlines in these bytes. */
export async function newlines(file: AsyncIterable<Buffer>): Promise<number> {
  let lines = 0;
  for await (const bytes of file)
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}
