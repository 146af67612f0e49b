import { bytesOf, encodeChunks } from '../chunk-codec.js';
import { type Chunk, chunkLength } from '../chunks.js';
import type { Format } from './format.js';

/** What an object file begins with; the digit is the version of its layout. */
export const OBJECT_MAGIC = Buffer.from('sheafob1');
/** Rows that are encoded together. */
const ROWS = 16_384;

/** The engine's own encoding of values: frames of chunks, each after its length (8 bytes, little-endian). */
export const objectFormat: Format = {
  extension: '.obj',
  compressible: false,
  async *encode(chunks) {
    yield OBJECT_MAGIC;
    let gathered: Chunk[] = [];
    let rows = 0;
    for await (const chunk of chunks) {
      gathered.push(chunk);
      rows += chunkLength(chunk);
      if (rows < ROWS) continue;
      yield frame(gathered);
      [gathered, rows] = [[], 0];
    }
    if (rows > 0) yield frame(gathered);
  },
};

function frame(chunks: readonly Chunk[]): Buffer {
  const parts = encodeChunks(chunks);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytesOf(parts)));
  return Buffer.concat([length, ...parts]);
}
