import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mapOrdered } from '../map-ordered.js';
import { SourceError } from '../sources/source.js';
import { LocalStore, localPath } from './local.js';

/**
 * Where data lie: local files, `http(s)://` and `s3://` URLs, behind one narrow interface. Readers of every format use
 * it, in the driver and in slots alike (`ReadContext.storage`), so each format can be read from everywhere.
 *
 * Every read that fails for a passing reason (a connection reset, a busy server) is tried again; what is thrown is final.
 */
export interface Storage {
  /**
   * The files that paths, directories (searched recursively) and glob patterns stand for: in the order given, and within
   * one of them sorted by path, code unit by code unit, so that no file system's or locale's order shows through.
   * Names that begin with `.` or `_` are skipped inside directories and patterns (`_SUCCESS`, `.crc`).
   * @param inDirectory which of a directory's files belong to the source
   * @throws SourceError when a path is missing, or a directory or pattern yields no file
   */
  list(paths: readonly string[], inDirectory: RegExp): Promise<FileEntry[]>;

  /** Bytes `start` to `end` (exclusive); fewer when the file ends before. @throws SourceError naming the path, when it is gone */
  readRange(path: string, start: number, end: number): Promise<Buffer>;

  /**
   * The bytes from `start` (default 0) to `end` (exclusive, default the file's end), as they are stored: a `.gz` file is not
   * unpacked. Whoever stops early closes the stream by leaving the loop.
   * @throws SourceError naming the path, when it is gone
   */
  openStream(path: string, start?: number, end?: number): AsyncIterable<Buffer>;

  /**
   * The file for readers that need a local one: itself when it is local, else a download below `directory` that keeps the
   * name's ending and is removed on disposal (a local file never is).
   * @param directory scratch space, such as `ReadContext.directory`
   * @example using file = await storage.localCopy('s3://bucket/a.parquet', context.directory);
   */
  localCopy(path: string, directory: string): Promise<LocalCopy>;
}

export interface FileEntry {
  /** A local file's absolute path with `/` between its parts, or a URL. */
  readonly path: string;
  /** 0 where a server does not say; then it is not `seekable` either. */
  readonly bytes: number;
  /** False where a server sends whole files only: such a file is to be read in one piece, to its end. */
  readonly seekable: boolean;
}

export interface LocalCopy extends Disposable {
  readonly path: string;
}

/** What reaches storage and is no secret; it travels to the slots. Credentials come from each process's environment. */
export interface StorageSettings {
  readonly s3?: {
    readonly endpoint?: string;
    readonly region?: string;
    readonly pathStyle?: boolean;
    readonly anonymous?: boolean;
  };
}

/** One kind of storage, reached by the scheme of its paths. */
export interface Store {
  list(path: string, inDirectory: RegExp): Promise<FileEntry[]>;
  readRange(path: string, start: number, end: number): Promise<Buffer>;
  openStream(path: string, start?: number, end?: number): AsyncIterable<Buffer>;
}

/** The storage that these settings reach. @example openStorage().list(['data'], /\.csv$/) */
export function openStorage(settings: StorageSettings = {}): Storage {
  const key = JSON.stringify(settings);
  const known = opened.get(key) ?? new Stores(settings);
  opened.set(key, known);
  return known;
}

/** Paths that are looked up at a time: each may cost a server a request. */
const WIDTH = 16;

/** Of this process: clients keep connections between tasks. */
const opened = new Map<string, Storage>();

class Stores implements Storage {
  readonly #local = new LocalStore();
  readonly #stores = new Map<string, Promise<Store>>();

  constructor(readonly settings: StorageSettings) {}

  async list(paths: readonly string[], inDirectory: RegExp): Promise<FileEntry[]> {
    if (paths.length === 0) throw new SourceError('a source needs at least one path');
    const lists = await mapOrdered(paths, WIDTH, async (path) => (await this.#store(path)).list(path, inDirectory));
    return lists.flat();
  }

  async readRange(path: string, start: number, end: number): Promise<Buffer> {
    return (await this.#store(path)).readRange(path, start, end);
  }

  async *openStream(path: string, start?: number, end?: number): AsyncGenerator<Buffer> {
    yield* (await this.#store(path)).openStream(path, start, end);
  }

  async localCopy(path: string, directory: string): Promise<LocalCopy> {
    const store = await this.#store(path);
    if (store === this.#local) return { path: localPath(path), [Symbol.dispose]() {} };
    const folder = await mkdtemp(join(directory, 'copy-'));
    const copy = { path: join(folder, `file${ending(path)}`), [Symbol.dispose]: () => remove(folder) };
    try {
      await writeFile(copy.path, store.openStream(path));
    } catch (error) {
      copy[Symbol.dispose]();
      throw error;
    }
    return copy;
  }

  async #store(path: string): Promise<Store> {
    const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(path)?.[1]?.toLowerCase();
    if (scheme === undefined || scheme === 'file') return this.#local;
    const open = Object.hasOwn(REMOTE, scheme) ? REMOTE[scheme]! : undefined;
    if (!open)
      throw new SourceError(
        `${path}: "${scheme}" is no storage that can be read; give a local path, an http(s):// or s3:// URL`,
      );
    const store = this.#stores.get(scheme) ?? open(this.settings);
    this.#stores.set(scheme, store);
    return store;
  }
}

/** Loaded by the first path that needs them. */
const http = async () => new (await import('./http.js')).HttpStore();
const s3 = async (settings: StorageSettings) => new (await import('./s3.js')).S3Store(settings.s3);
const REMOTE: Record<string, (settings: StorageSettings) => Promise<Store>> = { http, https: http, s3, s3a: s3 };

/** `.csv.gz` of `https://host/a.csv.gz?token=…`. */
function ending(path: string): string {
  const name = path.replace(/[?#].*$/s, '').replace(/^.*\//s, '');
  return /(\.[\w-]+)?(\.gz)?$/i.exec(name)![0];
}

const remove = (folder: string) => rmSync(folder, { recursive: true, force: true });
