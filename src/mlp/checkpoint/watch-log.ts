import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesOf, floats } from '../../ps/float-bytes.js';

/** What validation rows gave after each epoch, and the weights of the best one. */
export interface Watched {
  readonly values: readonly number[];
  /** Its epoch, from 1. */
  readonly best?: { readonly epoch: number; readonly theta: Float32Array };
}

const LOG = 'watched.json';
const WEIGHTS = /^best-\d+\.bin$/;

/**
 * Keeps beside a training's checkpoints what early stopping has seen: without it a training that goes on would forget its best
 * weights and how long it has waited, and end elsewhere than one that was not broken off.
 *
 * Failure model: the log names its weights and their SHA-256 and is replaced by rename; one of another plan or measure, or
 * without its weights, is none.
 */
export class WatchLog {
  constructor(
    readonly path: string,
    /** Hash of the plan, and the measure. */
    readonly of: { readonly plan: string; readonly monitor: string },
  ) {}

  async write({ values, best }: Watched): Promise<void> {
    await mkdir(this.path, { recursive: true });
    const name = best && `best-${best.epoch}.bin`;
    const bytes = best && bytesOf(best.theta);
    if (name && bytes) await replace(join(this.path, name), bytes);
    const log = { ...this.of, values, best: best && { epoch: best.epoch, sha256: sha256(bytes!) } };
    await replace(join(this.path, LOG), Buffer.from(`${JSON.stringify(log)}\n`)); // NaN becomes null
    const old = (await readdir(this.path)).filter((each) => WEIGHTS.test(each) && each !== name);
    await Promise.all(old.map((each) => rm(join(this.path, each), { force: true })));
  }

  /** @returns undefined where there is nothing to go on from */
  async read(): Promise<Watched | undefined> {
    try {
      const { plan, monitor, values, best } = JSON.parse(await readFile(join(this.path, LOG), 'utf8'));
      if (plan !== this.of.plan || monitor !== this.of.monitor) return undefined;
      const seen = (values as (number | null)[]).map((value) => value ?? Number.NaN);
      if (!best) return { values: seen };
      const bytes = await readFile(join(this.path, `best-${best.epoch}.bin`));
      if (sha256(bytes) !== best.sha256) return undefined;
      return { values: seen, best: { epoch: best.epoch, theta: Float32Array.from(floats(bytes)) } };
    } catch {
      return undefined;
    }
  }
}

async function replace(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, bytes);
  await rename(temporary, path);
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
