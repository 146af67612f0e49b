import { decodeChunks } from '../chunk-codec.js';
import type { Chunk } from '../chunks.js';
import { OBJECT_MAGIC } from '../sinks/object-format.js';
import type { Storage } from '../storage/storage.js';
import { noObjectFile } from './object-file.js';
import { SourceError, type SourceReader, type SourceSplit } from './source.js';

/** Reads runs of frames, one frame in memory at a time. */
export const read: SourceReader<Chunk, SourceSplit> = async function* (_options, split, { storage }) {
  for (const { path, start, end } of split.units as readonly any[])
    for await (const frame of frames(path, start, end, storage)) yield* decodeChunks(frame);
};

async function* frames(path: string, start: number, end: number | undefined, storage: Storage): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0);
  let headed = start > 0;
  for await (const bytes of storage.openStream(path, start, end)) {
    rest = Buffer.concat([rest, bytes]);
    if (!headed && rest.length >= OBJECT_MAGIC.length) {
      if (!rest.subarray(0, OBJECT_MAGIC.length).equals(OBJECT_MAGIC)) throw noObjectFile(path);
      rest = rest.subarray(OBJECT_MAGIC.length);
      headed = true;
    }
    if (!headed) continue;
    for (let length = lengthOf(rest); length !== undefined && rest.length >= 8 + length; length = lengthOf(rest)) {
      // Copied, because columns are views that must begin at a multiple of 8.
      const frame = Buffer.allocUnsafeSlow(length);
      rest.copy(frame, 0, 8, 8 + length);
      rest = rest.subarray(8 + length);
      yield frame;
    }
  }
  if (!headed) throw noObjectFile(path);
  if (rest.length > 0) throw new SourceError(`${path}: the object file is cut off; it is not whole`);
}

const lengthOf = (bytes: Buffer) => (bytes.length < 8 ? undefined : Number(bytes.readBigUInt64LE()));
