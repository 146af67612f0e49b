import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { isGzip } from '../storage/names.js';
import type { Storage } from '../storage/storage.js';
import { SourceError, type SourceReader, type SourceSplit } from './source.js';

const NEWLINE = 10;
const CHUNK = 2 ** 20;
/** Most lines are shorter. */
const LINE_BYTES = 64 * 1024;

/** A part of a file, or the whole of it. */
export interface Piece {
  readonly path: string;
  readonly start: number;
  readonly end?: number;
}

/** Reads the lines of a split's pieces, in order, in arrays of about a megabyte of text. */
export const read: SourceReader<string[], SourceSplit> = async function* (_options, split, { storage }) {
  for (const unit of split.units) yield* readPiece(unit as unknown as Piece, storage);
};

/** The lines that begin in a piece, in arrays of about a megabyte of text. */
export async function* readPiece(piece: Piece, storage: Storage): AsyncGenerator<string[]> {
  let rest: Buffer[] = [];
  let first = piece.start === 0;
  for await (const { bytes, last } of pieceBytes(piece, storage)) {
    const cut = last ? bytes.length : bytes.lastIndexOf(NEWLINE) + 1;
    if (cut === 0 && !last) {
      rest.push(bytes);
      continue;
    }
    let text = Buffer.concat([...rest, bytes.subarray(0, cut)]).toString('utf8');
    rest = [bytes.subarray(cut)];
    if (first) text = text.replace(/^\uFEFF/, '');
    first = false;
    const lines = text.split(/\r?\n/);
    if (lines.at(-1) === '') lines.pop();
    if (lines.length > 0) yield lines;
  }
}

/** The bytes of all lines that begin in a piece, the last chunk marked. */
async function* pieceBytes(
  { path, start, end = Number.POSITIVE_INFINITY }: Piece,
  storage: Storage,
): AsyncGenerator<{ bytes: Buffer; last: boolean }> {
  // The byte before the piece tells whether a line begins with it.
  let position = Math.max(0, start - 1);
  let skipping = start > 0;
  const chunks = isGzip(path) ? unpacked(path, storage) : bytesFrom(path, position, end, storage);
  for await (const chunk of chunks) {
    let bytes = chunk;
    const at = position;
    position += chunk.length;
    if (skipping) {
      const from = bytes.indexOf(NEWLINE) + 1;
      if (from === 0) continue;
      if (at + from >= end) return;
      bytes = bytes.subarray(from);
      skipping = false;
    }
    const stop = position < end ? -1 : chunk.indexOf(NEWLINE, Math.max(0, end - 1 - at));
    if (stop >= 0) {
      yield { bytes: chunk.subarray(chunk.length - bytes.length, stop + 1), last: true };
      return;
    }
    yield { bytes, last: false };
  }
  yield { bytes: Buffer.alloc(0), last: true };
}

/** A piece and what its last line needs of the next: asked for apart, so that no server sends a whole file for it. */
async function* bytesFrom(path: string, start: number, end: number, storage: Storage): AsyncGenerator<Buffer> {
  yield* storage.openStream(path, start, end + LINE_BYTES);
  if (Number.isFinite(end)) yield* storage.openStream(path, end + LINE_BYTES);
}

/** What gzip packed. @throws SourceError for a file that breaks off or is no gzip file */
export async function* unpacked(path: string, storage: Storage): AsyncGenerator<Buffer> {
  const source = Readable.from(storage.openStream(path));
  const gunzip = createGunzip({ chunkSize: CHUNK });
  source.once('error', (error) => gunzip.destroy(error));
  try {
    yield* source.pipe(gunzip) as AsyncIterable<Buffer>;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!code?.startsWith('Z_')) throw error;
    throw new SourceError(`${path}: the gzip file is damaged or breaks off (${message}); get it anew`, {
      cause: error,
    });
  } finally {
    source.destroy();
  }
}
