import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlockRef, Blocks } from '../../protocol/block.js';
import type { Committed, CommittedPart, CommittedWorker } from '../committed.js';
import { type Checkpoint, HEADER, type Header, parsedHeader, sha256 } from './checkpoint-header.js';

/** A checkpoint on disk whose files are all what was written. */
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
    const header = parsedHeader((await whole(path)).toString(), path);
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
    const bytes = await whole(path);
    if (sha256(bytes) !== expected)
      throw new Error(`${path} is not what was written (${bytes.length} bytes): its checksum differs`);
    return bytes;
  }
}

async function whole(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new Error(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
