import { OBJECT_MAGIC } from '../sinks/object-format.js';
import { type FileEntry, openStorage, type Storage } from '../storage/storage.js';
import { checkedUnitBytes, type Source, SourceError, type SourceUnit } from './source.js';

export interface ObjectFileOptions {
  /** Bytes of a piece: larger files are read in several. Default 32 MiB. */
  readonly unitBytes?: number;
}

/**
 * What `saveAsObjectFile` wrote: values of any kind, as they were. Only files that you trust: values may hold functions, which are
 * code. A directory stands for its `.obj` files.
 * @throws SourceError by `units()` for missing files and what is no such file
 */
export function objectFileSource(paths: string | readonly string[], { unitBytes }: ObjectFileOptions = {}): Source {
  const list = typeof paths === 'string' ? [paths] : paths;
  const size = checkedUnitBytes(unitBytes, 32 * 2 ** 20);
  return {
    module: 'rdd/sources/object-file-reader',
    name: `object file ${list.join(' ')}`,
    options: null,
    batches: false,
    async units(storage = openStorage()) {
      const files = await storage.list(list, /\.obj$/i);
      const units: SourceUnit[] = [];
      for (const file of files) units.push(...(await piecesOf(file, size, storage)));
      return units;
    },
  };
}

const START = OBJECT_MAGIC.length;

/** Runs of whole frames. A small file is not looked into: one request less. */
async function piecesOf({ path, bytes, seekable }: FileEntry, size: number, storage: Storage): Promise<SourceUnit[]> {
  if (bytes <= size || !seekable) return [{ path, start: 0, bytes }];
  const head = await storage.readRange(path, 0, START);
  if (!head.equals(OBJECT_MAGIC)) throw noObjectFile(path);
  const cuts = [START];
  let at = START;
  while (at < bytes) {
    const header = await storage.readRange(path, at, at + 8);
    at += header.length < 8 ? Number.POSITIVE_INFINITY : 8 + Number(header.readBigUInt64LE());
    if (at > bytes) throw new SourceError(`${path}: the object file is cut off; it is not whole`);
    if (at - cuts.at(-1)! >= size || at === bytes) cuts.push(at);
  }
  return cuts.slice(1).map((end, k) => ({ path, start: cuts[k]!, end, bytes: end - cuts[k]! }));
}

export const noObjectFile = (path: string) =>
  new SourceError(`${path}: this was not written by saveAsObjectFile of this version`);
