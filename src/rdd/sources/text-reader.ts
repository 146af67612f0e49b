import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { SourceError, type SourceReader, type SourceSplit } from './source.js';

const NEWLINE = 10;
const CHUNK = 2 ** 20;

/** Reads the lines of a split's pieces, in order, in arrays of about a megabyte of text. */
export const read: SourceReader<string[], SourceSplit> = async function* (_options, split) {
  for (const unit of split.units) {
    const { path, start, end } = unit as unknown as { path: string; start: number; end: number };
    try {
      yield* readPiece(path, start, end);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new SourceError(`${path}: no such file here; every executor must see the files under the same path`);
    }
  }
};

async function* readPiece(path: string, start: number, end: number): AsyncGenerator<string[]> {
  let rest: Buffer[] = [];
  let first = start === 0;
  for await (const { bytes, last } of pieceBytes(path, start, end)) {
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
async function* pieceBytes(path: string, start: number, end: number): AsyncGenerator<{ bytes: Buffer; last: boolean }> {
  const zipped = path.endsWith('.gz');
  // The byte before the piece tells whether a line begins with it.
  let position = Math.max(0, start - 1);
  const file = createReadStream(path, { start: zipped ? 0 : position, highWaterMark: CHUNK });
  const stream = zipped
    ? file.on('error', (error) => stream.destroy(error)).pipe(createGunzip({ chunkSize: CHUNK }))
    : file;
  let skipping = start > 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
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
      const stop = zipped || position < end ? -1 : chunk.indexOf(NEWLINE, Math.max(0, end - 1 - at));
      if (stop >= 0) {
        yield { bytes: chunk.subarray(chunk.length - bytes.length, stop + 1), last: true };
        return;
      }
      yield { bytes, last: false };
    }
    yield { bytes: Buffer.alloc(0), last: true };
  } finally {
    file.destroy();
  }
}
