import { createReadStream, type Dirent, promises as fs, type Stats } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SourceError } from '../sources/source.js';
import { isHalfCommitted } from './local-output.js';
import { byCodeUnit, isHidden, isHiddenFrom, isPattern, literalFolder } from './names.js';
import type { FileEntry } from './storage.js';

const CHUNK = 2 ** 20;

/** Local files, also as `file://` URLs. */
export class LocalStore {
  async list(path: string, inDirectory: RegExp): Promise<FileEntry[]> {
    const files = await expand(localPath(path), path, inDirectory);
    return Promise.all(files.map(async (file) => ({ path: file, bytes: (await fs.stat(file)).size, seekable: true })));
  }

  async readRange(path: string, start: number, end: number): Promise<Buffer> {
    const file = await fs.open(localPath(path)).catch((error) => gone(path, error));
    try {
      const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(end, (await file.stat()).size) - start));
      let length = 0;
      while (length < bytes.length) {
        const { bytesRead } = await file.read(bytes, length, bytes.length - length, start + length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      return bytes.subarray(0, length);
    } finally {
      await file.close();
    }
  }

  async *openStream(path: string, start = 0, end = Number.POSITIVE_INFINITY): AsyncGenerator<Buffer> {
    if (end <= start) return;
    const stream = createReadStream(localPath(path), { start, end: end - 1, highWaterMark: CHUNK });
    try {
      yield* stream as AsyncIterable<Buffer>;
    } catch (error) {
      gone(path, error);
    } finally {
      stream.destroy();
    }
  }
}

export function localPath(path: string): string {
  return /^file:\/\//i.test(path) ? fileURLToPath(path) : path;
}

function gone(path: string, error: unknown): never {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  throw new SourceError(`${path}: no such file here; every executor must see the files under the same path`);
}

async function expand(path: string, given: string, inDirectory: RegExp): Promise<string[]> {
  const absolute = slashes(resolve(path));
  const stat = await fs.stat(absolute).catch(() => undefined);
  if (stat?.isFile()) return [absolute];
  if (stat?.isDirectory()) {
    if (await isHalfCommitted(absolute))
      throw new SourceError(`${given}: a save into it was cut short, or is about to end; save again, or wait`);
    const found = (await walk(absolute)).filter((file) => inDirectory.test(file));
    if (found.length === 0)
      throw new SourceError(`${given}: the directory holds no file whose name fits ${inDirectory}`);
    return found.sort(byCodeUnit);
  }
  if (!isPattern(path)) throw new SourceError(`${given}: no such file or directory (looked for ${absolute})`);
  // Where nothing is read it is not needed: slots start sooner.
  const { glob } = await import('tinyglobby');
  const found = (await glob(slashes(path), { absolute: true, expandDirectories: false })).map(slashes);
  const visible = found.filter((file) => !isHiddenFrom(slashes(absolute), file));
  if (visible.length === 0) throw new SourceError(`${given}: ${await whyNothing(path)}`);
  return visible.sort(byCodeUnit);
}

/** Of a pattern without a match. */
async function whyNothing(pattern: string): Promise<string> {
  const folder = resolve(literalFolder(slashes(pattern)) || '.');
  const there = await fs.stat(folder).catch(() => undefined);
  return there?.isDirectory() ? `the pattern matches no file in ${folder}` : `there is no directory ${folder}`;
}

async function walk(directory: string): Promise<string[]> {
  const visible = (await fs.readdir(directory, { withFileTypes: true })).filter(({ name }) => !isHidden(name));
  const parts = await Promise.all(visible.map((entry) => visit(`${directory}/${entry.name}`, entry)));
  return parts.flat();
}

async function visit(path: string, entry: Dirent): Promise<string[]> {
  const kind = entry.isSymbolicLink() ? await target(path) : entry;
  if (kind.isDirectory()) return walk(path);
  return kind.isFile() ? [path] : [];
}

/** What a symbolic link leads to. @throws SourceError when it leads nowhere, or back to a directory that holds it */
async function target(link: string): Promise<Stats> {
  const broken = (why: string) => new SourceError(`${link}: the symbolic link ${why}; remove it, or name the files`);
  const real = await fs.realpath(link).catch((error: NodeJS.ErrnoException) => {
    throw broken(error.code === 'ELOOP' ? 'leads to itself' : `leads to nothing that can be read (${error.code})`);
  });
  const holder = await fs.realpath(dirname(link));
  if (`${holder}${sep}`.startsWith(real.endsWith(sep) ? real : `${real}${sep}`))
    throw broken('leads back to a directory that holds it');
  return fs.stat(real);
}

const slashes = (path: string) => (sep === '/' ? path : path.replaceAll(sep, '/'));
