import { access, constants, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlockRef, Blocks } from '../../protocol/block.js';
import { makeDirectories } from '../../rdd/storage/local-output.js';
import type { Committed } from '../committed.js';
import { type Checkpoint, HEADER, type Header, isSameState, parsedHeader, sha256 } from './checkpoint-header.js';
import { StoredCheckpoint } from './stored-checkpoint.js';

const nameOf = (step: number) => `step-${String(step).padStart(12, '0')}`;
const headerBytes = (header: Header) => Buffer.from(`${JSON.stringify(header, null, 1)}\n`);
const unlessMissing =
  <T>(instead: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT') return instead;
    throw error;
  };

const NAME = /^step-(\d{12})$/;
/** What a process writes until it is whole, with the process's id. */
const UNFINISHED = /^\.step-\d{12}-(\d+)$/;

/**
 * Checkpoints of one training, a folder each, named by their step: `checkpoint.json` (cursor, plan, fingerprint of the
 * input) and the state's parts, each as its members keep it (theta's range, then each of the optimizer's slots); what
 * shards keep for themselves, and what members' sums still owe the weights, where there is any.
 *
 * Failure model: a folder appears by rename when all of it is on disk; the newest `keep` stay. A folder whose files do not
 * have the checksums of its header is passed over when another is whole. What a driver that was killed had begun to write is
 * removed by the next.
 */
export class CheckpointFolder {
  constructor(
    readonly path: string,
    /** At least 1. */
    readonly keep = 3,
  ) {}

  /** Before a long training: makes sure that there can be checkpoints. @throws Error for a path that is no folder, or not one to write to */
  async prepare(): Promise<void> {
    try {
      await makeDirectories(this.path);
      await access(this.path, constants.W_OK);
      for (const name of await readdir(this.path))
        if (isLeftBehind(name)) await rm(join(this.path, name), { recursive: true, force: true });
    } catch (error) {
      throw new Error(
        `checkpoint: no checkpoints can be written to ${this.path}: ${(error as Error).message}; give a folder on a disk of the driver`,
        { cause: error },
      );
    }
  }

  /** One part at a time passes through this process. */
  async write(checkpoint: Checkpoint, committed: Committed, blocks: Blocks): Promise<void> {
    const name = nameOf(checkpoint.step);
    const temporary = join(this.path, `.${name}-${process.pid}`);
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary, { recursive: true });
    try {
      const copy = async (block: BlockRef, file: string) => {
        const bytes = await blocks.get(block);
        await writeDurably(join(temporary, file), bytes);
        return { file, sha256: sha256(bytes) };
      };
      const parts: Header['parts'][number][] = [];
      for (const { from, to, block } of committed.parts)
        parts.push({ from, to, ...(await copy(block, `state-${from}.bin`)) });
      const workers: NonNullable<Header['workers']>[number][] = [];
      for (const { shard, block } of committed.workers ?? [])
        workers.push({ shard, ...(await copy(block, `worker-${shard}.bin`)) });
      const residuals: NonNullable<Header['residuals']>[number][] = [];
      for (const [rank, block] of (committed.residuals ?? []).entries())
        residuals.push(await copy(block, `residual-${rank}.bin`));
      const own = { ...(workers.length > 0 && { workers }), ...(residuals.length > 0 && { residuals }) };
      const header: Header = { format: 'sheaf-checkpoint', version: 1, checkpoint, parts, ...own };
      await writeDurably(join(temporary, HEADER), headerBytes(header));
      await rm(join(this.path, name), { recursive: true, force: true });
      await rename(temporary, join(this.path, name));
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      throw error;
    }
    const old = (await this.#names()).slice(0, -this.keep);
    await Promise.all(old.map((each) => rm(join(this.path, each), { recursive: true, force: true })));
  }

  /**
   * Another cursor of a checkpoint that has been written, of the same state. Where that step has none, or one of a training
   * of another plan, other rows or another course, nothing is done.
   */
  async amend(checkpoint: Checkpoint): Promise<void> {
    const path = join(this.path, nameOf(checkpoint.step), HEADER);
    const text = await readFile(path, 'utf8').catch(unlessMissing(undefined));
    if (text === undefined) return;
    const header = parsedHeader(text, path);
    if (!isSameState(header.checkpoint, checkpoint)) return;
    const temporary = `${path}-${process.pid}`;
    await rm(temporary, { force: true });
    await writeDurably(temporary, headerBytes({ ...header, checkpoint }));
    await rename(temporary, path);
  }

  /**
   * The newest checkpoint that is whole; undefined where there is none at all.
   * @param passedOver told what is wrong with each newer one
   * @throws Error when none is whole, saying what is wrong with the newest
   */
  async latest(passedOver: (problem: Error) => void = () => {}): Promise<StoredCheckpoint | undefined> {
    const problems: Error[] = [];
    for (const name of (await this.#names()).reverse()) {
      try {
        const stored = await StoredCheckpoint.open(join(this.path, name));
        problems.forEach(passedOver);
        return stored;
      } catch (error) {
        problems.push(error as Error);
      }
    }
    const [newest] = problems;
    if (!newest) return undefined;
    const message = `${newest.message}; there is no older checkpoint that is whole: begin anew with resume: 'never'`;
    throw new Error(message, { cause: newest });
  }

  async #names(): Promise<string[]> {
    const names = await readdir(this.path).catch(unlessMissing<string[]>([]));
    return names.filter((name) => NAME.test(name)).sort();
  }
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Whether its process is not there any more. */
function isLeftBehind(name: string): boolean {
  const id = UNFINISHED.exec(name)?.[1];
  if (id === undefined) return false;
  try {
    process.kill(Number(id), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
