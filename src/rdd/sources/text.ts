import { isGzip } from '../storage/names.js';
import { type FileEntry, openStorage } from '../storage/storage.js';
import { type Source, SourceError, type SourceUnit } from './source.js';

export interface TextOptions {
  /** Bytes of a piece: larger files are read in several. Default 32 MiB. */
  readonly unitBytes?: number;
}

/**
 * Lines of UTF-8 text files, without their line ends (LF or CRLF): a path or URL, several, a directory (all its files,
 * searched recursively) or a glob pattern. Files are split at line ends; `.gz` files are read, but not split.
 * @throws SourceError by `units()` for missing files
 * @example textSource('logs/*.txt')
 */
export function textSource(paths: string | readonly string[], { unitBytes = 32 * 2 ** 20 }: TextOptions = {}): Source {
  if (!Number.isInteger(unitBytes) || unitBytes < 1)
    throw new SourceError(`unitBytes must be a whole number of bytes, not ${unitBytes}`);
  const list = typeof paths === 'string' ? [paths] : paths;
  return {
    module: 'rdd/sources/text-reader',
    options: {},
    name: `text ${list.join(' ')}`,
    batches: false,
    async units(storage = openStorage()) {
      const files = await storage.list(list, /./);
      return files.flatMap((file) => pieces(file, isGzip(file.path) || !file.seekable ? undefined : unitBytes));
    },
  };
}

/** Equal pieces of at most `size` bytes, or the whole file. A line belongs to the piece in which it begins. */
export function pieces({ path, bytes }: FileEntry, size: number | undefined): SourceUnit[] {
  if (size === undefined) return [{ path, start: 0, bytes }];
  const count = Math.max(1, Math.ceil(bytes / size));
  const cut = (k: number) => Math.floor((bytes * k) / count);
  return Array.from({ length: count }, (_, k) => ({
    path,
    start: cut(k),
    end: cut(k + 1),
    bytes: cut(k + 1) - cut(k),
  }));
}
