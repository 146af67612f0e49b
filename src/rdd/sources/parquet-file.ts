import { rmSync } from 'node:fs';
import { mkdtemp, open } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileMetaData, parquetMetadataAsync } from 'hyparquet';
import type { FileEntry, LocalCopy, Storage } from '../storage/storage.js';
import { chunkRanges, type ParquetRun } from './parquet-plan.js';
import { SourceError } from './source.js';

/** A file's footer. @throws SourceError when it is no Parquet file, or on a server that sends whole files only */
export async function parquetFooter({ path, bytes, seekable }: FileEntry, storage: Storage): Promise<FileMetaData> {
  if (!seekable)
    throw new SourceError(
      `${path}: the server sends whole files only, and Parquet needs parts; copy it to a disk or object store`,
    );
  const slice = async (start: number, end = bytes) => {
    const part = await storage.readRange(path, start, end);
    return part.buffer.slice(part.byteOffset, part.byteOffset + part.byteLength) as ArrayBuffer;
  };
  try {
    return await parquetMetadataAsync({ byteLength: bytes, slice }, { initialFetchSize: 64 * 1024 });
  } catch (error) {
    if (error instanceof SourceError) throw error;
    throw new SourceError(`${path}: this is no Parquet file that can be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/**
 * A local file that DuckDB finds the wanted rows and columns in: a local file itself; of a remote one a sparse file of the same
 * length that holds the footer and what is wanted, so that nothing else is fetched.
 * @param run none for the footer alone
 */
export async function localParquet(
  { path, bytes }: { readonly path: string; readonly bytes: number },
  columns: readonly string[],
  run: ParquetRun | undefined,
  directory: string,
  storage: Storage,
  known?: FileMetaData,
): Promise<LocalCopy> {
  if (!isRemote(path)) return storage.localCopy(path, directory);
  const metadata = known ?? (await parquetFooter({ path, bytes, seekable: true }, storage));
  const folder = await mkdtemp(join(directory, 'parquet-'));
  const copy = {
    path: join(folder, 'part.parquet'),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
  try {
    const ranges = run ? chunkRanges(metadata, columns, run) : [];
    const footer = bytes - 8 - metadata.metadata_length;
    await using file = await disposable(copy.path);
    await file.truncate(bytes);
    for (const [start, end] of [[0, 4] as const, ...ranges, [footer, bytes] as const])
      await file.write(await storage.readRange(path, start, end), 0, undefined, start);
    return copy;
  } catch (error) {
    copy[Symbol.dispose]();
    throw error;
  }
}

async function disposable(path: string) {
  const file = await open(path, 'w');
  return Object.assign(file, { [Symbol.asyncDispose]: () => file.close() });
}

const isRemote = (path: string) => /^(?!file:)[a-z][a-z0-9+.-]+:\/\//i.test(path);
