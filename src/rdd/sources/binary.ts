import type { Json } from '../../protocol/json.js';
import { openStorage } from '../storage/storage.js';
import type { Source, SourceUnit } from './source.js';

/** A file as one row. */
export interface BinaryFile {
  /** A local file's absolute path, or its URL. */
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Whole files, one row each, as they are stored: a path or URL, several, a directory (all its files, searched
 * recursively) or a glob pattern. Small files are packed together; a file is never split, so it must fit into a slot's memory.
 * @param as `bytes`: `{ path, bytes }`; `text`: `[path, text]`, UTF-8 without a byte order mark, `.gz` files unpacked
 * @throws SourceError by `units()` for missing files
 */
export function wholeFilesSource(paths: string | readonly string[], as: 'bytes' | 'text'): Source {
  const list = typeof paths === 'string' ? [paths] : paths;
  return {
    module: 'rdd/sources/binary-reader',
    name: `${as === 'bytes' ? 'binary files' : 'whole text files'} ${list.join(' ')}`,
    options: { as } satisfies Json,
    batches: false,
    async units(storage = openStorage()): Promise<SourceUnit[]> {
      const files = await storage.list(list, /./);
      return files.map(({ path, bytes }) => ({ path, bytes }));
    },
  };
}
