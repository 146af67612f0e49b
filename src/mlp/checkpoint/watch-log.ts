import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlockFiles } from '../../executor/block-files.js';
import { bytesOf } from '../../ps/float-bytes.js';
import type { CommittedPart } from '../committed.js';

/** What validation rows gave after each epoch, and which of them was the best. */
export interface Watched {
  readonly values: readonly number[];
  /** From 1. */
  readonly bestEpoch?: number;
}

const LOG = 'watched.json';
const WEIGHTS = /^best-\d+\.bin$/;
const PIECE_BYTES = 4 * 2 ** 20;

const nameOf = (epoch: number) => `best-${epoch}.bin`;

/**
 * Keeps what early stopping has seen, and the weights of the best epoch, in a folder of the driver: beside a training's checkpoints,
 * where it has some, as without it a training that goes on would forget its best weights and how long it has waited. The weights
 * come there piece by piece from where they were committed: the driver's memory never holds them, and they outlive executors.
 *
 * Failure model: the log names its weights and their SHA-256 and is replaced by rename; one of another plan or measure, or
 * without its weights, is none.
 */
export class WatchLog {
  #best: { readonly epoch: number; readonly sha256: string } | undefined;

  constructor(
    readonly path: string,
    /** Hash of the plan, and the measure. */
    readonly of: { readonly plan: string; readonly monitor: string },
  ) {}

  get bestEpoch(): number | undefined {
    return this.#best?.epoch;
  }

  /** Keeps these weights as the best. */
  async keep(epoch: number, parts: readonly CommittedPart[], blocks: BlockFiles): Promise<void> {
    await mkdir(this.path, { recursive: true });
    const path = join(this.path, nameOf(epoch));
    const sha256 = createHash('sha256');
    await replace(path, async (file) => {
      for (const part of parts)
        for await (const piece of thetaOf(part, blocks)) {
          sha256.update(piece);
          await file.writeFile(piece);
        }
    });
    this.#best = { epoch, sha256: sha256.digest('hex') };
  }

  async write(values: readonly number[]): Promise<void> {
    await mkdir(this.path, { recursive: true });
    const best = this.#best;
    const log = JSON.stringify({ ...this.of, values, best }); // NaN becomes null
    await replace(join(this.path, LOG), (file) => file.writeFile(`${log}\n`));
    const old = (await readdir(this.path)).filter(
      (each) => WEIGHTS.test(each) && each !== (best && nameOf(best.epoch)),
    );
    await Promise.all(old.map((each) => rm(join(this.path, each), { force: true })));
  }

  /** @returns undefined where there is nothing to go on from */
  async read(): Promise<Watched | undefined> {
    this.#best = undefined;
    try {
      const { plan, monitor, values, best } = JSON.parse(await readFile(join(this.path, LOG), 'utf8'));
      if (plan !== this.of.plan || monitor !== this.of.monitor) return undefined;
      const seen = (values as (number | null)[]).map((value) => value ?? Number.NaN);
      if (!best) return { values: seen };
      if ((await sha256Of(join(this.path, nameOf(best.epoch)))) !== best.sha256) return undefined;
      this.#best = best;
      return { values: seen, bestEpoch: best.epoch };
    } catch {
      return undefined;
    }
  }

  /** The weights that are kept. @param length of theta @throws Error where the file is gone or cut off */
  async best(length: number): Promise<Float32Array> {
    const theta = new Float32Array(length);
    const bytes = bytesOf(theta);
    const path = join(this.path, nameOf(this.#best!.epoch));
    const file = await open(path);
    try {
      for (let at = 0; at < bytes.length; ) {
        const { bytesRead } = await file.read(bytes, at, Math.min(PIECE_BYTES, bytes.length - at), at);
        if (bytesRead === 0) throw new Error(`${path}, the weights of the best epoch, is cut off`);
        at += bytesRead;
      }
      return theta;
    } finally {
      await file.close();
    }
  }
}

/** The part's theta, which its block begins with. */
async function* thetaOf({ from, to, block }: CommittedPart, blocks: BlockFiles): AsyncGenerator<Uint8Array> {
  const copy = await blocks.copy(block, 'host');
  const [{ holder, path }] = copy.at as [CommittedPart['block']['at'][number]];
  const end = 4 * (to - from);
  if (end > 0) yield* createReadStream(path, { end: end - 1, highWaterMark: PIECE_BYTES }) as AsyncIterable<Buffer>;
  if (!block.at.some((each) => each.holder === holder)) blocks.drop(copy); // made for this
}

async function replace(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = `${path}.${process.pid}`;
  const file = await open(temporary, 'w');
  try {
    await write(file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

async function sha256Of(path: string): Promise<string> {
  const sha256 = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: PIECE_BYTES })) sha256.update(piece);
  return sha256.digest('hex');
}
