import { isGzip } from '../storage/names.js';
import type { Storage } from '../storage/storage.js';
import { newlines } from './csv-split.js';
import type { SourceUnit } from './source.js';
import { type Piece, readPiece, unpacked } from './text-reader.js';

export interface Lines {
  readonly lines: readonly string[];
  /** Lines of the piece that came before. */
  readonly before: number;
}

/** The lines of a piece of a text file, in arrays of about a megabyte of text. */
export async function* numberedLines(unit: SourceUnit, storage: Storage): AsyncGenerator<Lines> {
  let before = 0;
  for await (const lines of readPiece(unit as unknown as Piece, storage)) {
    yield { lines, before };
    before += lines.length;
  }
}

/** Number, as an editor counts, of line `index` of a piece: the file is read again up to it, so this is for errors. */
export async function lineNumber(unit: SourceUnit, index: number, storage: Storage): Promise<number> {
  const { path, start } = unit as unknown as Piece;
  if (start === 0) return index + 1;
  // The piece's first line begins behind the first newline from its last byte before on.
  const before = await newlines(storage.openStream(path, 0, start - 1));
  return before + 1 + index + 1;
}

/** A file's bytes as its format sees them: unpacked where the name says gzip. */
export function contentOf(path: string, storage: Storage): AsyncIterable<Buffer> {
  return isGzip(path) ? unpacked(path, storage) : storage.openStream(path);
}
