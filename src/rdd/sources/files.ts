import { type Dirent, promises as fs, type Stats } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import { glob } from 'tinyglobby';
import { SourceError } from './source.js';

export interface FileEntry {
  /** Absolute, with `/` between its parts. */
  readonly path: string;
  readonly bytes: number;
}

/**
 * The files that paths, directories (searched recursively) and glob patterns stand for: in the order given, and within
 * one of them sorted by path, code unit by code unit, so that no file system's or locale's order shows through.
 * Names that begin with `.` or `_` are skipped inside directories and patterns (`_SUCCESS`, `.crc`).
 * @param inDirectory which of a directory's files belong to the source
 * @throws SourceError when a path is missing, or a directory or pattern yields no file
 */
export async function listFiles(paths: readonly string[], inDirectory: RegExp): Promise<FileEntry[]> {
  if (paths.length === 0) throw new SourceError('a source needs at least one path');
  const lists = await Promise.all(paths.map((path) => expand(path, inDirectory)));
  return Promise.all(lists.flat().map(async (path) => ({ path, bytes: (await fs.stat(path)).size })));
}

async function expand(path: string, inDirectory: RegExp): Promise<string[]> {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(path))
    throw new SourceError(`${path}: only local files can be read; give a path, a directory or a glob pattern`);
  const absolute = slashes(resolve(path));
  const stat = await fs.stat(absolute).catch(() => undefined);
  if (stat?.isFile()) return [absolute];
  if (stat?.isDirectory()) {
    const found = (await walk(absolute)).filter((file) => inDirectory.test(file));
    if (found.length === 0)
      throw new SourceError(`${path}: the directory holds no file whose name fits ${inDirectory}`);
    return found.sort(byCodeUnit);
  }
  if (!/[*?[\]{}!()]/.test(path)) throw new SourceError(`${path}: no such file or directory (looked for ${absolute})`);
  const found = (await glob(slashes(path), { absolute: true, expandDirectories: false })).map(slashes);
  const visible = found.filter((file) => !/^[._]/.test(file.slice(file.lastIndexOf('/') + 1)));
  if (visible.length === 0) throw new SourceError(`${path}: ${await whyNothing(path)}`);
  return visible.sort(byCodeUnit);
}

/** Of a pattern without a match. */
async function whyNothing(pattern: string): Promise<string> {
  const folder = resolve(/^[^*?[\]{}!()]*\//.exec(slashes(pattern))?.[0] ?? '.');
  const there = await fs.stat(folder).catch(() => undefined);
  return there?.isDirectory() ? `the pattern matches no file in ${folder}` : `there is no directory ${folder}`;
}

async function walk(directory: string): Promise<string[]> {
  const visible = (await fs.readdir(directory, { withFileTypes: true })).filter((entry) => !/^[._]/.test(entry.name));
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

const byCodeUnit = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const slashes = (path: string) => (sep === '/' ? path : path.replaceAll(sep, '/'));
