import { createHash } from 'node:crypto';
import { access, constants, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { BlockRef, Blocks } from '../../protocol/block.js';
import type { Consistency } from '../../ps/server/consistency.js';
import { makeDirectories } from '../../rdd/storage/local-output.js';
import type { Committed, CommittedPart, CommittedWorker } from '../committed.js';
import type { NumericalPlan } from '../numerical-plan.js';
import type { PaceState } from '../pace.js';

/** Where a training stands. With the plan, whose randomness is keyed, this and the state are all that it goes on from. */
export interface Cursor {
  /** Updates made; epoch and step of the epoch follow from the plan. */
  readonly step: number;
  /** Mean loss of each epoch that is over. */
  readonly losses: readonly number[];
  /** Sums over the steps of the epoch at hand. */
  readonly partial: { readonly rows: number; readonly weight: number; readonly lossSum: number };
  /** Where it is not the plan alone that says epoch, batch and rate: what else does. */
  readonly pace?: PaceState;
  /** Of each epoch that is over, where the noise of gradients is measured. */
  readonly measured?: readonly EpochMeasure[];
  /** That a callback has set, if one has. */
  readonly consistency?: Consistency;
}

/** JSON has no Infinity: null is one. */
export interface EpochMeasure {
  readonly batch: number;
  readonly noiseScale: number | null;
}

export interface Checkpoint extends Cursor {
  readonly plan: NumericalPlan;
  /** Of the training rows in the order of their shards: SHA-256 over each shard's checksum. */
  readonly input: string;
}

interface Header {
  readonly format: 'sheaf-checkpoint';
  readonly version: 1;
  readonly checkpoint: Checkpoint;
  readonly parts: readonly {
    readonly file: string;
    readonly from: number;
    readonly to: number;
    readonly sha256: string;
  }[];
  readonly workers?: readonly { readonly shard: number; readonly file: string; readonly sha256: string }[];
  /** By rank. */
  readonly residuals?: readonly { readonly file: string; readonly sha256: string }[];
}

const nameOf = (step: number) => `step-${String(step).padStart(12, '0')}`;
const headerBytes = (header: Header) => Buffer.from(`${JSON.stringify(header, null, 1)}\n`);
const unlessMissing =
  <T>(instead: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT') return instead;
    throw error;
  };

const HEADER = 'checkpoint.json';
const NAME = /^step-(\d{12})$/;

/**
 * Checkpoints of one training, a folder each, named by their step: `checkpoint.json` (cursor, plan, fingerprint of the
 * input) and the state's parts, each as its members keep it (theta's range, then each of the optimizer's slots); what
 * shards keep for themselves, and what members' sums still owe the weights, where there is any.
 *
 * Failure model: a folder appears by rename when all of it is on disk; the newest `keep` stay. A folder whose files do not
 * have the checksums of its header is passed over when another is whole.
 */
export class CheckpointFolder {
  constructor(
    readonly path: string,
    /** At least 1. */
    readonly keep = 3,
  ) {}

  /** Before a long training: whether there can be checkpoints. @throws Error for a path that is no folder, or not one to write to */
  async prepare(): Promise<void> {
    try {
      await makeDirectories(this.path);
      await readdir(this.path);
      await access(this.path, constants.W_OK);
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
   * Another cursor of a checkpoint that has been written, of the same state. Where that step has none, or one of a training of another
   * plan, other rows or another course, nothing is done.
   */
  async amend(checkpoint: Checkpoint): Promise<void> {
    const path = join(this.path, nameOf(checkpoint.step), HEADER);
    const text = await readFile(path, 'utf8').catch(unlessMissing(undefined));
    if (text === undefined) return;
    const header = parsed(text, path);
    if (!isSameState(header.checkpoint, checkpoint)) return;
    const temporary = `${path}-${process.pid}`;
    await rm(temporary, { force: true });
    await writeDurably(temporary, headerBytes({ ...header, checkpoint }));
    await rename(temporary, path);
  }

  /**
   * The newest checkpoint that is whole; undefined where there is none at all.
   * @throws Error when none is whole, saying what is wrong with the newest
   */
  async latest(): Promise<StoredCheckpoint | undefined> {
    let problem: Error | undefined;
    for (const name of (await this.#names()).reverse()) {
      try {
        return await StoredCheckpoint.open(join(this.path, name));
      } catch (error) {
        problem ??= error as Error;
      }
    }
    if (problem) throw problem;
    return undefined;
  }

  async #names(): Promise<string[]> {
    const names = await readdir(this.path).catch(unlessMissing<string[]>([]));
    return names.filter((name) => NAME.test(name)).sort();
  }
}

export class StoredCheckpoint {
  private constructor(
    readonly folder: string,
    readonly checkpoint: Checkpoint,
    readonly parts: Header['parts'],
    readonly workers: NonNullable<Header['workers']>,
    readonly residuals: NonNullable<Header['residuals']>,
  ) {}

  /** Reads the header and checks all files. @throws Error naming the file that is missing, cut off or changed */
  static async open(folder: string): Promise<StoredCheckpoint> {
    const path = join(folder, HEADER);
    const header = parsed(await readFile(path, 'utf8'), path);
    const { checkpoint, parts, workers = [], residuals = [] } = header;
    const stored = new StoredCheckpoint(folder, checkpoint, parts, workers, residuals);
    for (const file of [...parts, ...workers, ...residuals]) await stored.#read(file);
    return stored;
  }

  /** The state as blocks of this process, for the slots to read. */
  async restore(scope: string, blocks: Blocks): Promise<Committed> {
    const { step } = this.checkpoint;
    const parts: CommittedPart[] = [];
    for (const part of this.parts) {
      const block = await blocks.put(`state:${step}:${part.from}`, scope, await this.#read(part));
      parts.push({ from: part.from, to: part.to, block });
    }
    const workers: CommittedWorker[] = [];
    for (const each of this.workers) {
      const block = await blocks.put(`worker:${step}:${each.shard}`, scope, await this.#read(each));
      workers.push({ shard: each.shard, block });
    }
    const residuals: BlockRef[] = [];
    for (const [rank, each] of this.residuals.entries())
      residuals.push(await blocks.put(`residual:${step}:${rank}`, scope, await this.#read(each)));
    return { step, parts, ...(workers.length > 0 && { workers }), ...(residuals.length > 0 && { residuals }) };
  }

  async #read({ file, sha256: expected }: { readonly file: string; readonly sha256: string }): Promise<Buffer> {
    const path = join(this.folder, file);
    const bytes = await readFile(path);
    if (sha256(bytes) !== expected)
      throw new Error(`${path} is not what was written (${bytes.length} bytes): its checksum differs`);
    return bytes;
  }
}

/**
 * Why a training cannot go on from a checkpoint: undefined when it can.
 * @param input of the training at hand
 */
export function obstacle(checkpoint: Checkpoint, plan: NumericalPlan, input: string): string | undefined {
  if (checkpoint.plan.hash !== plan.hash) {
    const changed = Object.keys({ ...checkpoint.plan, ...plan }).filter(
      (key) => key !== 'hash' && key !== 'stepsPerEpoch' && differ(checkpoint.plan, plan, key as keyof NumericalPlan),
    );
    const list = changed.map((key) => `${key} ${shown(checkpoint.plan, key)} became ${shown(plan, key)}`);
    return `the numerical plan has changed: ${list.join(', ')}`;
  }
  if (checkpoint.input !== input) return 'the training rows are not those it was written for (values, labels or order)';
  return undefined;
}

/** Losses tell apart courses of one plan: updates that do not wait for each other make others each time. */
function isSameState(stored: Checkpoint, { plan, input, step, losses }: Checkpoint): boolean {
  const same = stored.step === step && isDeepStrictEqual(stored.losses, JSON.parse(JSON.stringify(losses)));
  return same && obstacle(stored, plan, input) === undefined;
}

const differ = (a: NumericalPlan, b: NumericalPlan, key: keyof NumericalPlan) =>
  JSON.stringify(a[key]) !== JSON.stringify(b[key]);

const shown = (plan: NumericalPlan, key: string) => JSON.stringify(plan[key as keyof NumericalPlan]) ?? 'absent';

function parsed(text: string, path: string): Header {
  let header: Header | undefined;
  try {
    header = JSON.parse(text) as Header;
  } catch {
    // Said below.
  }
  if (header?.format !== 'sheaf-checkpoint') throw new Error(`${path} is not the header of a checkpoint`);
  if (header.version !== 1) throw new Error(`${path} has version ${header.version}; this version of Sheaf reads 1`);
  return header;
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
