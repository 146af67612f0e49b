import { randomBytes } from 'node:crypto';
import { promises as fs } from 'node:fs';
import { dirname, join } from 'node:path';
import { SourceError } from '../sources/source.js';
import { type Output, type OutputSpec, occupied, type PartWriter, SUCCESS, type WrittenPart } from './output.js';

export const TEMPORARY = '_temporary';
/** Holds the names of the parts while they are being shown. */
const COMMITTING = 'committing';
/** Holds what they replace. */
const REPLACED = 'replaced';

/**
 * A local directory, on a file system that driver and executors share. Parts are written to `_temporary/<save>` and moved
 * by renaming, what they replace is moved there first; so a commit that fails, or is cut short by a crash, can be undone.
 */
export class LocalOutput implements Output {
  readonly #path: string;
  readonly #folder: string;
  /** Whether this save made the directory. */
  #made = false;

  constructor(readonly spec: OutputSpec) {
    this.#path = spec.path;
    this.#folder = join(spec.path, TEMPORARY, spec.save);
  }

  async begin(): Promise<void> {
    const stat = await fs.stat(this.#path).catch(() => undefined);
    if (stat && !stat.isDirectory()) throw new SourceError(`${this.#path} is a file: a save needs a directory`);
    if (stat) await undoInterrupted(this.#path);
    if (!this.spec.overwrite && (await this.#present()).length > 0) throw occupied(this.#path);
    this.#made = await makeDirectories(this.#path);
    await makeDirectories(this.#folder);
  }

  /** Never makes the folder: it is gone when the job has ended, and a task that still runs must not bring it back. */
  async create(name: string): Promise<PartWriter> {
    const id = `${name}.${randomBytes(6).toString('hex')}`;
    const path = join(this.#folder, id);
    const file = await fs.open(path, 'wx').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      throw new SourceError(
        `${this.#folder} is gone: another save to ${this.#path} has begun, or this host does not see it under the same path`,
      );
    });
    let bytes = 0;
    return {
      async write(chunk) {
        await file.appendFile(chunk);
        bytes += chunk.length;
      },
      async close() {
        await file.close();
        return { name, bytes, id };
      },
      async abort() {
        await file.close().catch(() => {});
        await fs.rm(path, { force: true });
      },
    };
  }

  async commit(parts: readonly WrittenPart[]): Promise<void> {
    for (const { id, bytes } of parts) await this.#check(id, bytes);
    try {
      await fs.mkdir(join(this.#folder, REPLACED));
      for (const name of await this.#present())
        await fs.rename(join(this.#path, name), join(this.#folder, REPLACED, name));
      await fs.writeFile(join(this.#folder, COMMITTING), JSON.stringify(parts.map(({ name }) => name)));
      for (const { id, name } of parts) await fs.rename(join(this.#folder, id), join(this.#path, name));
      await fs.writeFile(join(this.#path, SUCCESS), '');
    } catch (error) {
      await undo(this.#path, this.#folder);
      throw error;
    }
    await clear(this.#path);
  }

  async abort(): Promise<void> {
    await clear(this.#path);
    // Only what this save made, and only while it is empty.
    if (this.#made) await fs.rmdir(this.#path).catch(() => {});
  }

  /** What readers see at the path now. `_SUCCESS` first: without it a directory is not taken for whole. */
  async #present(): Promise<string[]> {
    const names = await fs.readdir(this.#path).catch(() => [] as string[]);
    const visible = names.filter((name) => name !== TEMPORARY);
    return visible.sort((a, b) => Number(b === SUCCESS) - Number(a === SUCCESS));
  }

  async #check(id: string, bytes: number): Promise<void> {
    const stat = await fs.stat(join(this.#folder, id)).catch(() => undefined);
    if (stat?.size === bytes) return;
    const found = stat ? `it has ${stat.size} bytes instead of ${bytes}` : 'the driver does not see it';
    throw new SourceError(
      `${this.#path}: part ${id} was written by an executor, and ${found}; save to a directory that all hosts share, or to s3://`,
    );
  }
}

/** Whether a save into a directory stopped while its parts were being shown, so that it holds neither the old nor the new. */
export async function isHalfCommitted(path: string): Promise<boolean> {
  for (const save of await saves(path)) {
    const names = await fs.readdir(save).catch(() => [] as string[]);
    if (names.includes(REPLACED) && !(await exists(join(path, SUCCESS)))) return true;
  }
  return false;
}

/** Clears what killed saves left; one that was cut short while it moved files is undone. */
async function undoInterrupted(path: string): Promise<void> {
  if (await isHalfCommitted(path)) for (const save of await saves(path)) await undo(path, save);
  await clear(path);
}

/** Moves shown parts out and replaced files back. Any step of it may have been done before. */
async function undo(path: string, folder: string): Promise<void> {
  const shown: string[] = JSON.parse(await fs.readFile(join(folder, COMMITTING), 'utf8').catch(() => '[]'));
  for (const name of shown) await fs.rm(join(path, name), { force: true });
  await fs.rm(join(folder, COMMITTING), { force: true });
  const replaced = await fs.readdir(join(folder, REPLACED)).catch(() => [] as string[]);
  // `_SUCCESS` last: whoever finds it takes the directory for whole.
  for (const name of replaced.sort((a, b) => Number(a === SUCCESS) - Number(b === SUCCESS)))
    await fs.rename(join(folder, REPLACED, name), join(path, name));
}

async function saves(path: string): Promise<string[]> {
  const names = await fs.readdir(join(path, TEMPORARY)).catch(() => [] as string[]);
  return names.map((name) => join(path, TEMPORARY, name));
}

/** Tasks of a failed job may still be writing: a file that appears meanwhile is met in the next round. */
const clear = (path: string) =>
  fs.rm(join(path, TEMPORARY), { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });

const exists = (path: string) =>
  fs.access(path).then(
    () => true,
    () => false,
  );

/**
 * As Node's `mkdir` with `recursive`, which never ends where the system refuses directories with ENOENT, as below /proc.
 * @returns whether it was not there
 */
export async function makeDirectories(path: string): Promise<boolean> {
  const missing = await makeDirectory(path);
  if (!missing) return missing !== undefined;
  await makeDirectories(dirname(path));
  if (await makeDirectory(path)) throw new SourceError(`${path}: no directory can be made here`);
  return true;
}

/** @returns undefined where it is there already, otherwise whether the one above it is missing */
async function makeDirectory(path: string): Promise<boolean | undefined> {
  try {
    await fs.mkdir(path);
    return false;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return undefined;
    if (code === 'ENOENT') return true;
    throw error;
  }
}
