import type { SheafContext } from '../../rdd/context.js';
import type { Committed } from '../committed.js';
import type { NumericalPlan } from '../numerical-plan.js';
import { CheckpointFolder } from './checkpoint-folder.js';
import { type Checkpoint, type Cursor, type Origin, obstacle } from './checkpoint-header.js';
import type { StoredCheckpoint } from './stored-checkpoint.js';

export interface CheckpointOptions {
  /** Folder of the training's checkpoints, on a disk of the driver. */
  readonly path: string;
  /** Updates between two checkpoints. Default: an epoch's. */
  readonly everySteps?: number;
  /** The newest that stay. Default 3. */
  readonly keep?: number;
  /**
   * Whether to go on from the newest checkpoint: `auto` (default) where there is one, `always` (its absence is an error) or
   * `never` (those of an earlier training are left to be replaced).
   */
  readonly resume?: 'auto' | 'always' | 'never';
}

export function isCheckpoint(value: unknown): value is CheckpointOptions {
  if (typeof value !== 'object' || value === null) return false;
  const { path, everySteps, keep, resume, ...others } = value as Record<string, unknown>;
  const isCount = (count: unknown) => count === undefined || (Number.isSafeInteger(count) && (count as number) >= 1);
  const resumes = resume === undefined || ['auto', 'always', 'never'].includes(resume as string);
  const named = typeof path === 'string' && path !== '' && Object.keys(others).length === 0;
  return named && isCount(everySteps) && isCount(keep) && resumes;
}

/** Where a training goes on. */
export interface Resumed {
  readonly cursor: Cursor;
  readonly committed: Committed;
  /** What computed it; empty where that is not known. */
  readonly by: Omit<Origin, 'input'>;
}

/** The checkpoints of one training, as its loop sees them. */
export class Checkpoints {
  readonly #folder: CheckpointFolder;
  #resumed: StoredCheckpoint | undefined;

  constructor(
    readonly options: CheckpointOptions,
    readonly plan: NumericalPlan,
    readonly context: SheafContext,
  ) {
    this.#folder = new CheckpointFolder(options.path, options.keep);
  }

  /** Updates from one checkpoint to the next, besides those at the ends of epochs. */
  get every(): number {
    return this.options.everySteps ?? Number.POSITIVE_INFINITY;
  }

  /** Whether there is to be one after so many updates. */
  isDue(step: number, epochEnded: boolean): boolean {
    return epochEnded || step % this.every === 0;
  }

  /**
   * Where to go on, if anywhere.
   * @throws Error when there is a checkpoint of another plan, or none though one must be, or none can be written
   */
  async resume(scope: string): Promise<Resumed | undefined> {
    const { resume = 'auto', path } = this.options;
    await this.#folder.prepare();
    if (resume === 'never') return undefined;
    const problems: string[] = [];
    const stored = await this.#folder.latest(({ message }) => problems.push(message));
    if (!stored && resume === 'always') throw new Error(`there is no checkpoint to go on from in ${path}`);
    if (!stored) return undefined;
    this.#refuse(stored, obstacle(stored.checkpoint, this.plan, stored.checkpoint.input));
    for (const problem of problems)
      this.context.bus.emit({ event: 'warning', message: `${problem}; training goes on from ${stored.folder}` });
    this.#resumed = stored;
    const { builds = [], backend = '', ...cursor } = stored.checkpoint;
    return { cursor, by: { builds, backend }, committed: await stored.restore(scope, this.context.blocks) };
  }

  /** Once the rows are known. @throws Error when they are not those of the checkpoint that is gone on from */
  checkInput(input: string): void {
    const stored = this.#resumed;
    if (stored) this.#refuse(stored, obstacle(stored.checkpoint, this.plan, input));
  }

  async write(cursor: Cursor, committed: Committed, origin: Origin): Promise<void> {
    await this.#folder.write(this.#checkpoint(cursor, origin), committed, this.context.blocks);
  }

  /** The cursor of what was written last has changed since. */
  async amend(cursor: Cursor, origin: Origin): Promise<void> {
    await this.#folder.amend(this.#checkpoint(cursor, origin));
  }

  #checkpoint(cursor: Cursor, { input, builds, backend }: Origin): Checkpoint {
    return { ...cursor, plan: this.plan, input, builds, backend };
  }

  #refuse({ folder }: StoredCheckpoint, reason: string | undefined): void {
    if (reason === undefined) return;
    throw new Error(`the training cannot go on from ${folder}: ${reason}`);
  }
}
