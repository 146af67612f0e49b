import { isGzip } from '../storage/names.js';
import type { FileEntry, Storage } from '../storage/storage.js';
import { contentOf } from './numbered-lines.js';

/**
 * How types are detected: in a `sample` (default: 4 MiB, which is all of a small input; of larger ones beginnings and ends
 * of up to 256 files, the first and the last among them), or over `all` rows, which reads the whole input once more, on the driver.
 */
export type Infer = 'sample' | 'all';

const SAMPLE_BYTES = 4 * 2 ** 20;
const SAMPLE_FILES = 256;
/** At the least, of a file: a few rows of most tables. */
const LEAST_BYTES = 16 * 2 ** 10;
/** Requests of the driver under way at once, when it looks into many files. */
export const AT_ONCE = 16;

export interface Sample {
  readonly path: string;
  readonly bytes: Buffer;
  /** Whether the file begins here. */
  readonly top: boolean;
  /** Whether it ends here. */
  readonly end: boolean;
}

/** Parts of the files to detect a schema in, in order. The same files give the same samples. */
export async function* samples(files: readonly FileEntry[], storage: Storage): AsyncGenerator<Sample> {
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const chosen = total <= SAMPLE_BYTES ? files : evenly(files, SAMPLE_FILES);
  const share = Math.max(LEAST_BYTES, Math.floor(SAMPLE_BYTES / chosen.length));
  for (let from = 0; from < chosen.length; from += AT_ONCE) {
    const parts = chosen.slice(from, from + AT_ONCE).map((file) => ofFile(file, share, storage));
    for (const part of await Promise.all(parts)) yield* part;
  }
}

/** @returns `count` of them, the first and the last among them */
function evenly<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, k) => items[Math.round((k * (items.length - 1)) / (count - 1))]!);
}

async function ofFile({ path, bytes, seekable }: FileEntry, share: number, storage: Storage): Promise<Sample[]> {
  if (isGzip(path) || !seekable) return [await headOf(path, share, storage)];
  const read = (start: number, end: number) => storage.readRange(path, start, end);
  if (bytes <= share) return [{ path, bytes: await read(0, bytes), top: true, end: true }];
  const half = Math.floor(share / 2);
  const [head, tail] = await Promise.all([read(0, half), read(bytes - half, bytes)]);
  return [
    { path, bytes: head, top: true, end: false },
    { path, bytes: tail, top: false, end: true },
  ];
}

async function headOf(path: string, share: number, storage: Storage): Promise<Sample> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of contentOf(path, storage)) {
    parts.push(part);
    length += part.length;
    if (length >= share) break;
  }
  const bytes = Buffer.concat(parts);
  return { path, bytes: bytes.subarray(0, share), top: true, end: length < share };
}

const NEWLINE = 10;

/** The whole lines of a sample. */
export function linesOfSample({ bytes, top, end }: Sample): string[] {
  const from = top ? 0 : bytes.indexOf(NEWLINE) + 1;
  const to = end ? bytes.length : bytes.lastIndexOf(NEWLINE) + 1;
  if ((!top && from === 0) || to <= from) return [];
  return bytes
    .toString('utf8', from, to)
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/);
}
