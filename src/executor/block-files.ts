import { createHash, randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { nativeAddon } from '../native/addon.js';
import {
  type BlockLocation,
  type BlockRef,
  type BlockSegment,
  type Blocks,
  blockFile,
  type CopiedBlock,
} from '../protocol/block.js';
import { FailureError } from '../protocol/failure.js';
import { transfer } from './transfer.js';

/** Where one holder (an executor with its slots, or the driver) keeps its blocks and how others reach them. */
export interface BlockHome {
  readonly holder: string;
  readonly host: string;
  readonly url: string;
  /** Bearer token of every block service of the cluster. */
  readonly token: string;
  /** Preferred, usually on `/dev/shm`; used while the file system has room. */
  readonly memoryDirectory: string;
  readonly diskDirectory: string;
}

/** `/dev/shm` is 64 MB in many containers, so blocks leave it well before it is full. */
const MEMORY_RESERVE_BYTES = 32 * 1024 * 1024;
/** From here on a file is mapped: to read it into new memory costs more, most of it page faults. */
const MAPPED_BYTES = 256 * 1024;
/** So much is mapped before the event loop has a turn, in which what was collected is unmapped: at most 1024 files. */
const MAPPED_IN_A_TURN = 256 * 1024 * 1024;

/**
 * The blocks of one home, shared by the executor's process and its slots: they all write into the same two directories,
 * a folder a scope, a file a block. Files appear by rename, so a reader never sees half a block, and a task that runs
 * twice replaces its block by equal bytes. Reads and writes are synchronous: a slot has nothing else to do meanwhile.
 */
export class BlockFiles implements Blocks {
  /** @param freeBytes of the file system that holds a directory; for tests */
  constructor(
    readonly home: BlockHome,
    readonly freeBytes: (directory: string) => number = freeBytesAt,
  ) {}

  async put(
    id: string,
    scope: string,
    content: Uint8Array | Iterable<Uint8Array>,
    options: { code?: boolean; bytes?: number; disk?: boolean } = {},
  ): Promise<BlockRef> {
    const parts = content instanceof Uint8Array ? [content] : content;
    const expected = content instanceof Uint8Array ? content.length : (options.bytes ?? 0);
    try {
      const root = options.disk ? this.home.diskDirectory : this.#directoryFor(expected);
      const { path, ...written } = this.#write(root, scope, id, parts, options.code);
      const { holder, host, url } = this.home;
      return { id, scope, ...written, at: [{ holder, host, path, url }] };
    } catch (error) {
      if (error instanceof FailureError) throw error;
      const message = `block ${id} (${expected} bytes) could not be written: ${(error as Error).message}`;
      throw new FailureError({ kind: 'resource', message });
    }
  }

  #write(root: string, scope: string, id: string, parts: Iterable<Uint8Array>, code = false): WrittenFile {
    const path = join(root, scope, blockFile(id));
    const partial = `${path}.partial-${process.pid}`;
    try {
      makeBelow(root, scope);
      const written = writeParts(partial, parts, code);
      renameSync(partial, path);
      return { path, ...written };
    } catch (error) {
      rmSync(partial, { force: true });
      const full = (error as NodeJS.ErrnoException).code === 'ENOSPC'; // others filled it between asking and writing
      if (full && root !== this.home.diskDirectory) return this.#write(this.home.diskDirectory, scope, id, parts, code);
      throw error;
    }
  }

  async get(ref: BlockRef, segment?: BlockSegment): Promise<Buffer> {
    return this.#fromHolders(ref, async (location) => {
      const bytes =
        location.host === this.home.host && existsSync(location.path)
          ? await readPart(location.path, segment?.offset ?? 0, segment?.bytes ?? ref.bytes)
          : await fetchPart(location, ref, this.home.token, segment);
      if (ref.sha256 && !segment) checkCode(ref, bytes);
      return bytes;
    });
  }

  async copy(ref: BlockRef, needed: 'home' | 'host'): Promise<CopiedBlock> {
    const { holder, host, url } = this.home;
    if (needed === 'host') {
      const near = ref.at.find((each) => each.host === host && existsSync(each.path));
      if (near) return { ...ref, at: [near], from: near.holder };
      const path = this.find(ref.scope, ref.id); // taken by another slot
      if (path) return { ...ref, at: [{ holder, host, path, url }], from: holder };
    }
    return this.#fromHolders(ref, async (location) => {
      const path = await this.#receive(this.#directoryFor(ref.bytes), ref, location);
      return { ...ref, at: [{ holder, host, path, url }], from: location.holder };
    });
  }

  async #receive(root: string, ref: BlockRef, location: BlockLocation): Promise<string> {
    const path = join(root, ref.scope, blockFile(ref.id));
    const partial = `${path}.partial-${process.pid}`;
    try {
      makeBelow(root, ref.scope);
      await transfer(location, ref, this.home, partial);
      renameSync(partial, path);
      return path;
    } catch (error) {
      rmSync(partial, { force: true });
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      if (root !== this.home.diskDirectory) return this.#receive(this.home.diskDirectory, ref, location);
      const message = `block ${ref.id} (${ref.bytes} bytes) could not be written: ${(error as Error).message}`;
      throw new FailureError({ kind: 'resource', message });
    }
  }

  /** Asks one holder after another. @throws FailureError `fetch-failed` when none gives the block */
  async #fromHolders<T>(ref: BlockRef, read: (location: BlockLocation) => Promise<T>): Promise<T> {
    const problems: string[] = [];
    for (const location of nearestFirst(ref.at, this.home)) {
      try {
        return await read(location);
      } catch (error) {
        if (error instanceof FailureError) throw error;
        problems.push(`${location.holder}: ${(error as Error).message}`);
      }
    }
    const message = `block ${ref.id} cannot be read (${problems.join('; ') || 'nobody holds it'})`;
    throw new FailureError({ kind: 'fetch-failed', message, block: ref });
  }

  /** Deletes every block of the scope and of the scopes below it, out of the way of whoever still writes there. */
  release(scope: string): void {
    for (const directory of [this.home.memoryDirectory, this.home.diskDirectory]) {
      const path = join(directory, scope);
      // A folder into which a slot writes meanwhile cannot be removed; one that has another name it does not find.
      const released = `${path}.released-${randomUUID()}`;
      if (renamed(path, released)) rmSync(released, { recursive: true, force: true });
    }
  }

  drop(ref: BlockRef): void {
    for (const { holder, path } of ref.at) if (holder === this.home.holder) rmSync(path, { force: true });
  }

  /** The path of a block of this home, for the block service; undefined when it is not here. */
  find(scope: string, id: string): string | undefined {
    return [this.home.memoryDirectory, this.home.diskDirectory]
      .map((directory) => ({ path: join(directory, scope, blockFile(id)), root: `${directory}/` }))
      .find(({ path, root }) => path.startsWith(root) && statSync(path, { throwIfNoEntry: false })?.isFile())?.path;
  }

  #directoryFor(bytes: number): string {
    const { memoryDirectory, diskDirectory } = this.home;
    if (memoryDirectory === diskDirectory) return diskDirectory;
    return this.freeBytes(dirname(memoryDirectory)) > bytes + MEMORY_RESERVE_BYTES ? memoryDirectory : diskDirectory;
  }
}

/** Never makes `root` itself: when it is gone its owner has ended, and nothing may appear there again. */
function makeBelow(root: string, scope: string): void {
  if (existsSync(join(root, scope))) return;
  let directory = root;
  for (const part of scope.split('/')) {
    directory = join(directory, part);
    try {
      mkdirSync(directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new Error(`${root} is gone`);
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** @returns whether it was there */
function renamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

interface WrittenFile extends Pick<BlockRef, 'bytes' | 'crc32' | 'sha256'> {
  readonly path: string;
}

function writeParts(path: string, parts: Iterable<Uint8Array>, code: boolean): Omit<WrittenFile, 'path'> {
  const file = openSync(path, 'w');
  const sha256 = code ? createHash('sha256') : undefined;
  let bytes = 0;
  let crc = 0;
  try {
    for (const part of parts) {
      for (let done = 0; done < part.length; ) done += writeSync(file, part, done);
      crc = crc32(part, crc);
      sha256?.update(part);
      bytes += part.length;
    }
  } finally {
    closeSync(file);
  }
  return { bytes, crc32: crc, ...(sha256 ? { sha256: sha256.digest('hex') } : {}) };
}

/** Half of the file system is left to others: on /dev/shm, by default half of the machine's memory, blocks so take a quarter of it. */
function freeBytesAt(directory: string): number {
  const { bavail, blocks, bsize } = statfsSync(directory);
  return (bavail - blocks / 2) * bsize;
}

function nearestFirst(at: readonly BlockLocation[], home: BlockHome): BlockLocation[] {
  return [...at].sort((a, b) => Number(b.host === home.host) - Number(a.host === home.host));
}

/** A part of a file, aligned for typed columns: mapped where that costs less than to read it into memory of its own. */
async function readPart(path: string, offset: number, bytes: number): Promise<Buffer> {
  if (bytes >= MAPPED_BYTES && offset % 8 === 0) {
    const mapped = await mapPart(path, offset, bytes);
    if (mapped) return mapped;
  }
  const target = Buffer.allocUnsafeSlow(bytes);
  const file = openSync(path, 'r');
  try {
    let done = 0;
    while (done < bytes) {
      const count = readSync(file, target, done, bytes - done, offset + done);
      if (count === 0) throw new Error(`${path} ends after ${offset + done} of ${offset + bytes} bytes`);
      done += count;
    }
  } finally {
    closeSync(file);
  }
  return target;
}

/** Bytes mapped since the last turn of the event loop that somebody waited for. */
let mappedInTurn = 0;
let turn: Promise<void> | undefined;

/**
 * Tasks read block after block in promises alone, in which the event loop has no turn; nothing would be unmapped, and released
 * blocks would stay in memory.
 * @returns undefined where it cannot be mapped: too much is, there is no add-on, or the file is not what it should be
 */
async function mapPart(path: string, offset: number, bytes: number): Promise<Buffer | undefined> {
  const addon = nativeAddon();
  if (!addon) return undefined;
  while (mappedInTurn >= MAPPED_IN_A_TURN) {
    turn ??= setImmediate().then(() => {
      mappedInTurn = 0;
      turn = undefined;
    });
    await turn;
  }
  try {
    const mapped = Buffer.from(addon.mapToRead(path, offset, bytes));
    mappedInTurn += bytes;
    return mapped;
  } catch {
    return undefined;
  }
}

async function fetchPart(
  location: BlockLocation,
  ref: BlockRef,
  token: string,
  segment: BlockSegment | undefined,
): Promise<Buffer> {
  if (!location.url) throw new Error('no block service');
  const headers: Record<string, string> = { authorization: `Bearer ${token}` };
  if (segment) headers.range = `bytes=${segment.offset}-${segment.offset + segment.bytes - 1}`;
  const response = await fetch(`${location.url}/${ref.scope}/${encodeURIComponent(blockFile(ref.id))}`, { headers });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const bytes = Buffer.from(await response.arrayBuffer());
  const expected = segment ?? ref;
  if (bytes.length !== expected.bytes || crc32(bytes) !== expected.crc32) throw new Error('the checksum differs');
  return bytes;
}

function checkCode(ref: BlockRef, bytes: Buffer): void {
  if (createHash('sha256').update(bytes).digest('hex') !== ref.sha256)
    throw new Error('the code is not what the driver signed');
}
