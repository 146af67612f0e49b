import { listFiles } from './files.js';
import { type Source, SourceError, type SourceUnit } from './source.js';

export interface TextOptions {
  /** Bytes of a piece: larger files are read in several. Default 32 MiB. */
  readonly unitBytes?: number;
}

/**
 * Lines of local UTF-8 text files, without their line ends (LF or CRLF): a path, several, a directory (all its files,
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
    async units() {
      const files = await listFiles(list, /./);
      return files.flatMap(({ path, bytes }) => pieces(path, bytes, path.endsWith('.gz') ? bytes : unitBytes));
    },
  };
}

/** Equal pieces of at most `size` bytes. A line belongs to the piece in which it begins. */
function pieces(path: string, bytes: number, size: number): SourceUnit[] {
  const count = Math.max(1, Math.ceil(bytes / Math.max(size, 1)));
  const cut = (k: number) => Math.floor((bytes * k) / count);
  return Array.from({ length: count }, (_, k) => ({
    path,
    start: cut(k),
    end: cut(k + 1),
    bytes: cut(k + 1) - cut(k),
  }));
}
