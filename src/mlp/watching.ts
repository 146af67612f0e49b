import { join } from 'node:path';
import { ArrowRDD } from '../rdd/arrow-rdd.js';
import type { CheckpointOptions } from './checkpoint/checkpoints.js';
import { WatchLog } from './checkpoint/watch-log.js';
import type { Committed } from './committed.js';
import { EarlyStopping } from './early-stopping.js';
import type { EarlyStoppingOptions } from './early-stopping-options.js';
import type { FitRequest, Lesson } from './fit-network.js';
import { layoutOf } from './layout.js';
import type { FittedNetwork } from './model.js';
import type { NumericalPlan } from './numerical-plan.js';
import { directionOf } from './selection/metric.js';
import { holdOut, type SplitOptions } from './selection/splits.js';
import { rowsOf, summaries } from './summaries.js';
import type { PartitionSummary } from './summarise.js';
import { type Labels, type TargetSpec, unseenText } from './targets.js';
import { type Validation, validate } from './validation.js';

/** What is to be watched, and by which rows. */
export interface Watch extends Required<Omit<EarlyStoppingOptions, 'group' | 'stratify' | 'validation'>> {
  readonly table: ArrowRDD;
  /** Of the rows that were given to train on. */
  readonly heldOut: boolean;
  /** Column of the rows' weights: of rows held out, that of the training's. */
  readonly weight?: string;
}

/** What decides which of a table's rows are held out; equal answers, equal rows. Absent: none are. Pure. */
export function heldOutBy({
  options: { earlyStopping = false, seed = 0 },
  columns: { label },
}: FitRequest): (Omit<SplitOptions, 'name'> & { readonly share: number }) | undefined {
  if (earlyStopping === false) return undefined;
  const { validation = 0.1, group, stratify = true } = earlyStopping === true ? {} : earlyStopping;
  if (validation instanceof ArrowRDD) return undefined;
  if (group !== undefined) return { share: validation, seed, group };
  return { share: validation, seed, ...(stratify && label !== undefined && { strata: label }) };
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
  const insists = requests.some(({ options: { earlyStopping } }) => stratifies(earlyStopping));
  const split = held && (await holdOut(all, held.share, { ...held, insists, name }));
  const watches = requests.map(({ options: { earlyStopping = false }, monitor, columns }): Watch | undefined => {
    if (earlyStopping === false) return undefined;
    const {
      validation,
      group: _,
      stratify: __,
      ...given
    } = earlyStopping === true ? ({} as EarlyStoppingOptions) : earlyStopping;
    const rows =
      validation instanceof ArrowRDD ? { table: validation, heldOut: false } : weighted(split!.validation, columns);
    return { monitor, patience: 10, minDelta: 1e-4, restoreBest: true, ...given, ...rows };
  });
  return { table: split?.train ?? all, watches };
}

const stratifies = (given: boolean | EarlyStoppingOptions | undefined) => typeof given === 'object' && given.stratify;

const weighted = (table: ArrowRDD, { weight }: FitRequest['columns']) => ({
  table,
  heldOut: true,
  ...(weight !== undefined && { weight }),
});

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
    const weight = given.find((watch) => watch.table === table)?.weight;
    const parts = await summaries(table, { ...columns, weight }, name);
    if (rowsOf(parts) === 0)
      throw new Error(`${owner}: earlyStopping has no rows to judge by; give a larger share, or a table with rows`);
    if (parts.every(({ weighty }) => weighty === 0))
      throw new Error(
        `${owner}: the rows that earlyStopping judges by all have weight 0 in column "${weight}"; give a larger share, or a table`,
      );
    const odd = parts.find(({ rows, width }) => rows > 0 && width !== inputs);
    if (odd)
      throw new Error(
        `${owner}: the validation rows of earlyStopping have ${odd.width} features, the training rows ${inputs}`,
      );
    const unseen = unseenLabels(parts, target);
    if (unseen.length > 0) refuseUnseen(watches.find((watch) => watch?.table === table)!, unseen, owner, target);
  }
}

function unseenLabels(parts: readonly PartitionSummary[], target: TargetSpec): string[] {
  if (target.kind === 'values') return [];
  const seen = new Set(target.classes);
  const held = parts.flatMap(({ labels }) => Object.keys(labels).filter((name) => labels[name]! > 0));
  return [...new Set(held)].filter((name) => !seen.has(name)).sort();
}

/** As `evaluate` does. Which rows are held out is nobody's mistake: of those it is said only. @throws Error for rows that were given */
function refuseUnseen({ table, heldOut }: Watch, unseen: readonly string[], owner: string, target: TargetSpec): void {
  const rows = heldOut ? 'rows held out for earlyStopping' : 'the validation rows of earlyStopping';
  const what = `${owner}: ${rows} hold ${unseenText(target as Labels, unseen)}`;
  if (!heldOut) throw new Error(`${what}. Leave such rows out with where()`);
  table.context.bus.emit({ event: 'warning', message: `${what}. They count as wrong` });
}

/**
 * @param checkpoint of the training, beside which what was seen is kept; else it is below the driver's scratch space
 * @param scope there; whoever gives it releases it
 */
export function watchingOf(
  watch: Watch,
  { plan, target, features }: Pick<Validation, 'target' | 'features'> & { readonly plan: NumericalPlan },
  checkpoint: CheckpointOptions | undefined,
  scope: string,
): Watching {
  const { diskDirectory } = watch.table.context.blocks.home;
  const path = checkpoint?.path ?? join(diskDirectory, scope, 'watched');
  const log = new WatchLog(path, { plan: plan.hash, monitor: watch.monitor });
  return new Watching(watch, { network: plan.network, target, features }, log);
}

/** Judges every epoch's weights, where they lie, and keeps those of the best. */
export class Watching {
  readonly #stopping: EarlyStopping;

  constructor(
    readonly watch: Watch,
    readonly what: Pick<Validation, 'network' | 'target' | 'features'>,
    readonly log: WatchLog,
  ) {
    this.#stopping = new EarlyStopping(directionOf(watch.monitor), watch.patience, watch.minDelta);
  }

  /** Goes on with what was seen in the epochs that are over. @returns whether the training should end */
  async resume(epochs: number, state: Committed | undefined): Promise<boolean> {
    const seen = await this.log.read();
    for (const value of seen?.values.slice(0, epochs) ?? []) this.#stopping.observe(value);
    const { length } = this.#stopping.values;
    // The epoch's checkpoint was written, and what was then seen of it was not.
    if (state && length < epochs) return (await this.observe(epochs, state)).stop;
    this.#stopping.passOver(epochs);
    return this.#stopping.stop;
  }

  /** @returns the value, and whether the training should end */
  async observe(epoch: number, state: Committed): Promise<{ value: number; stop: boolean }> {
    const { table, monitor, restoreBest, weight } = this.watch;
    // A training that lost all copies of its state begins again.
    this.#stopping.forgetFrom(epoch - 1);
    this.#stopping.passOver(epoch - 1);
    const value = await validate(table, { ...this.what, theta: state.parts, monitor, weight });
    const { best, stop } = this.#stopping.observe(value);
    if (best && restoreBest) await this.log.keep(epoch, state.parts, table.context.blocks);
    await this.log.write(this.#stopping.values);
    return { value, stop };
  }

  /** Once the training is over: what was seen, and the best weights where they are wanted. */
  async outcome(): Promise<Pick<FittedNetwork, 'validation'> & Partial<Pick<FittedNetwork, 'theta' | 'epoch'>>> {
    const { values: validation, bestIndex } = this.#stopping;
    const epoch = bestIndex + 1;
    if (this.log.bestEpoch !== epoch) return { validation };
    return { validation, epoch, theta: await this.log.best(layoutOf(this.what.network).length) };
  }
}
