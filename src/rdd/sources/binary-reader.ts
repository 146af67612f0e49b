import type { BinaryFile } from './binary.js';
import { contentOf } from './numbered-lines.js';
import { SourceError, type SourceReader, type SourceSplit } from './source.js';

/** Reads files whole, one row a chunk, so that no more than one is held. */
export const read: SourceReader<readonly (BinaryFile | [string, string])[], SourceSplit, { as: 'bytes' | 'text' }> =
  async function* ({ as }, split, { storage }) {
    for (const { path } of split.units as readonly { path: string; bytes: number }[]) {
      const parts: Buffer[] = [];
      const content = as === 'text' ? contentOf(path, storage) : storage.openStream(path);
      for await (const part of content) parts.push(part);
      if (as === 'text') yield [[path, textOf(path, Buffer.concat(parts))]];
      else yield [{ path, bytes: new Uint8Array(Buffer.concat(parts)) }];
    }
  };

function textOf(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new SourceError(`${path}: the file is no UTF-8 text, or too long for one text; read it with binaryFiles`, {
      cause: error,
    });
  }
}
