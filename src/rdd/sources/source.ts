import type { Schema } from 'apache-arrow';
import type { Blocks } from '../../protocol/block.js';
import type { Json } from '../../protocol/json.js';
import { withoutSecrets } from '../storage/names.js';
import type { Storage } from '../storage/storage.js';

/**
 * Driver side of a source. A plan is data: splits are JSON and travel in tasks; the `read` of the named module runs in
 * slots. Sources are lazy: nothing is touched before `units()`.
 */
export interface Source {
  /** The module that reads a split (see `SourceReader`), below the engine's root: `rdd/sources/csv-reader`. */
  readonly module: string;
  /** For the reader. Complete once `units()` has resolved (a schema may have to be detected first). */
  readonly options: Json;
  /** For people: `csv data/*.csv`. */
  readonly name: string;
  /** Arrow record batches (true) or arrays of rows (false). */
  readonly batches: boolean;
  /**
   * The indivisible pieces, in canonical order: the same files give the same list on every machine.
   * @param storage by which files are listed and read. Default: with nothing but the environment's settings
   * @throws SourceError naming the path, when a file or directory is missing or a pattern matches nothing
   */
  units(storage?: Storage): Promise<SourceUnit[]>;
  /** Of the record batches, where it is known or can be found out without a job. @throws SourceError as `units` */
  schema?(storage?: Storage): Promise<Schema>;
}

export type SourceUnit = { readonly bytes: number } & { readonly [key: string]: Json };

/** A run of consecutive units: the input of one task. */
export interface SourceSplit {
  readonly bytes: number;
  readonly units: readonly SourceUnit[];
}

/**
 * What a source's module exports as `read`: the chunks of one split, in the order of its units.
 * @typeParam T record batches, or arrays of rows
 */
export type SourceReader<T, Split = any, Options = any> = (
  options: Options,
  split: Split,
  context: ReadContext,
) => AsyncGenerator<T>;

export interface ReadContext {
  /** Adds to a counter that the driver shows and returns with the job, such as `badRows`. */
  report(counter: string, amount: number): void;
  readonly blocks: Blocks;
  /** By which files are read, wherever they lie. */
  readonly storage: Storage;
  /** For scratch files; removed with the slot. */
  readonly directory: string;
}

/** What is wrong with the user's input: the message says where and what to do, so there is no stack. It shows no secret of a URL. */
export class SourceError extends Error {
  override readonly name = 'SourceError';

  constructor(message: string, options?: ErrorOptions) {
    super(withoutSecrets(message), options);
    this.stack = `${this.name}: ${this.message}`;
  }
}

/** What is wrong with a source's input also says where the program reads it: `csv at job.ts:12`. */
export function namedIn<T>(name: string, reading: Promise<T>): Promise<T> {
  return reading.catch((error) => {
    if (!(error instanceof SourceError)) throw error;
    throw new SourceError(`${error.message} (in ${name})`, { cause: error.cause });
  });
}

/**
 * Packs units, in order, into contiguous splits balanced by bytes: the cut between two splits lies at the unit boundary
 * nearest to the ideal one, so a split holds at most `total / partitions` plus one unit. Pure.
 * @param partitions wanted number of splits, >= 1; fewer come back when there are fewer units. No split is empty.
 */
export function packUnits(units: readonly SourceUnit[], partitions: number): SourceSplit[] {
  if (!Number.isInteger(partitions) || partitions < 1)
    throw new RangeError(`partitions must be a whole number of at least 1, not ${partitions}`);
  // An empty file counts as a byte, so that many of them spread too.
  const ends: number[] = [];
  let total = 0;
  for (const unit of units) {
    total += Math.max(unit.bytes, 1);
    ends.push(total);
  }
  const count = Math.min(partitions, units.length);
  const splits: SourceSplit[] = [];
  let from = 0;
  for (let k = 1; k <= count; k++) {
    const ideal = (total * k) / count;
    const last = units.length - (count - k);
    let to = from + 1;
    while (to < last && Math.abs(ends[to]! - ideal) <= Math.abs(ends[to - 1]! - ideal)) to++;
    if (k === count) to = units.length;
    const part = units.slice(from, to);
    splits.push({ bytes: part.reduce((sum, unit) => sum + unit.bytes, 0), units: part });
    from = to;
  }
  return splits;
}

/** Options that several sources share. @throws SourceError for what is none of their values */
export function requireBadRows(value: 'error' | 'drop' = 'error'): 'error' | 'drop' {
  if (value === 'error' || value === 'drop') return value;
  throw new SourceError(`badRows must be 'error' or 'drop', not ${JSON.stringify(value)}`);
}

export function requireInfer(value: 'sample' | 'all' = 'sample'): 'sample' | 'all' {
  if (value === 'sample' || value === 'all') return value;
  throw new SourceError(`infer must be 'sample' or 'all', not ${JSON.stringify(value)}`);
}

export function checkedUnitBytes(value: number | undefined, standard: number): number {
  if (value === undefined) return standard;
  if (Number.isInteger(value) && value > 0) return value;
  throw new SourceError(`unitBytes must be a whole number of bytes, not ${value}`);
}
