import { ArrowRDD } from '../rdd/arrow-rdd.js';
import type { CheckpointOptions } from './checkpoint/checkpoints.js';
import { WatchLog } from './checkpoint/watch-log.js';
import { type Committed, readParts } from './committed.js';
import { EarlyStopping } from './early-stopping.js';
import type { EarlyStoppingOptions } from './early-stopping-options.js';
import type { FitRequest, Lesson } from './fit-network.js';
import { layoutOf } from './layout.js';
import type { FittedNetwork } from './model.js';
import type { NumericalPlan } from './numerical-plan.js';
import { directionOf } from './selection/metric.js';
import { holdOut } from './selection/splits.js';
import { rowsOf, summaries } from './summaries.js';
import { type Validation, validate } from './validation.js';

/** What is to be watched, and by which rows. */
export interface Watch extends Required<Omit<EarlyStoppingOptions, 'group' | 'validation'>> {
  readonly table: ArrowRDD;
}

/** What decides which of a table's rows are held out; equal answers, equal rows. Absent: none are. Pure. */
export function heldOutBy({
  options: { earlyStopping = false, seed = 0 },
}: FitRequest): { readonly share: number; readonly group?: string; readonly seed: number } | undefined {
  if (earlyStopping === false) return undefined;
  const { validation = 0.1, group } = earlyStopping === true ? {} : earlyStopping;
  return validation instanceof ArrowRDD
    ? undefined
    : { share: validation, seed, ...(group !== undefined && { group }) };
}

/**
 * The rows to train on, and those that each training is watched by.
 * @param requests that hold out the same rows
 */
export async function watched(
  all: ArrowRDD,
  requests: readonly FitRequest[],
  name: string,
): Promise<{ table: ArrowRDD; watches: readonly (Watch | undefined)[] }> {
  const held = heldOutBy(requests[0]!);
  const split = held && (await holdOut(all, held.share, { ...held, name }));
  const watches = requests.map(({ options: { earlyStopping = false }, monitor }): Watch | undefined => {
    if (earlyStopping === false) return undefined;
    const { validation, group: _, ...given } = earlyStopping === true ? ({} as EarlyStoppingOptions) : earlyStopping;
    const table = validation instanceof ArrowRDD ? validation : split!.validation;
    return { monitor, patience: 10, minDelta: 1e-4, restoreBest: true, ...given, table };
  });
  return { table: split?.train ?? all, watches };
}

/** Before a long training: whether what watches it can be measured. */
export async function checkWatches(
  watches: readonly (Watch | undefined)[],
  { owner, columns }: FitRequest,
  { target }: Lesson,
  inputs: number,
  name: string,
): Promise<void> {
  const given = watches.filter((watch) => watch !== undefined);
  if (given.some(({ monitor }) => monitor === 'hammingLoss') && target.kind !== 'labels')
    throw new TypeError(`${owner}: earlyStopping by "hammingLoss" needs rows of many labels, a column of lists`);
  for (const table of new Set(given.map((watch) => watch.table))) {
    const parts = await summaries(table, { ...columns, weight: undefined }, name);
    if (rowsOf(parts) === 0)
      throw new Error(`${owner}: earlyStopping has no rows to judge by; give a larger share, or a table with rows`);
    const odd = parts.find(({ rows, width }) => rows > 0 && width !== inputs);
    if (odd)
      throw new Error(
        `${owner}: the validation rows of earlyStopping have ${odd.width} features, the training rows ${inputs}`,
      );
  }
}

/** @param checkpoint of the training, beside which what was seen is kept */
export function watchingOf(
  watch: Watch,
  { plan, target, features }: Pick<Validation, 'target' | 'features'> & { readonly plan: NumericalPlan },
  checkpoint: CheckpointOptions | undefined,
): Watching {
  const log = checkpoint && new WatchLog(checkpoint.path, { plan: plan.hash, monitor: watch.monitor });
  return new Watching(watch, { network: plan.network, target, features }, log);
}

/** Judges every epoch's weights, where they lie, and keeps those of the best. */
export class Watching {
  readonly #stopping: EarlyStopping;
  #best: { readonly epoch: number; readonly theta: Float32Array } | undefined;

  constructor(
    readonly watch: Watch,
    readonly what: Pick<Validation, 'network' | 'target' | 'features'>,
    readonly log?: WatchLog,
  ) {
    this.#stopping = new EarlyStopping(directionOf(watch.monitor), watch.patience, watch.minDelta);
  }

  /** Goes on with what was seen in the epochs that are over. @returns whether the training should end */
  async resume(epochs: number, state: Committed | undefined): Promise<boolean> {
    const seen = await this.log?.read();
    for (const value of seen?.values.slice(0, epochs) ?? []) this.#stopping.observe(value);
    this.#best = seen?.best;
    const { length } = this.#stopping.values;
    // The epoch's checkpoint was written, and what was then seen of it was not.
    if (state && length < epochs) return (await this.observe(epochs, state)).stop;
    this.#stopping.passOver(epochs);
    return this.#stopping.stop;
  }

  /** @returns the value, and whether the training should end */
  async observe(epoch: number, state: Committed): Promise<{ value: number; stop: boolean }> {
    const { table, monitor, restoreBest } = this.watch;
    // A training that lost all copies of its state begins again.
    this.#stopping.forgetFrom(epoch - 1);
    this.#stopping.passOver(epoch - 1);
    const value = await validate(table, { ...this.what, theta: state.parts, monitor });
    const { best, stop } = this.#stopping.observe(value);
    if (best && restoreBest) {
      const theta = new Float32Array(layoutOf(this.what.network).length);
      await readParts(state.parts, table.context.blocks, theta);
      this.#best = { epoch, theta };
    }
    await this.log?.write({ values: this.#stopping.values, best: this.#best });
    return { value, stop };
  }

  outcome(): Pick<FittedNetwork, 'validation'> & Partial<Pick<FittedNetwork, 'theta' | 'epoch'>> {
    const { values: validation, bestIndex } = this.#stopping;
    return { validation, ...(this.#best?.epoch === bestIndex + 1 && this.#best) };
  }
}
