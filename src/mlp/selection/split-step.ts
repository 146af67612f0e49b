import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../../rdd/assemble-step.js';
import type { Chunks } from '../../rdd/chunks.js';
import { batches } from '../../rdd/tables/batches.js';
import { indexOf } from '../../rdd/tables/schema-rules.js';
import { takeRows } from '../../rdd/take-rows.js';
import { isDrawn, ShuffledRanks } from './ranks.js';
import { type Place, type Strata, StratifiedRanks } from './strata.js';

/** Which side of a split: of one that holds out a share of each of the strata, or of one of several folds. */
export type Kept = { readonly part: 'train' | 'validation' } & (
  | { readonly shares: readonly number[] }
  | { readonly folds: number; readonly fold: number }
);

export interface SplitParameters {
  /** Number of each partition's first row in the table. */
  readonly firstRows: readonly number[];
  /** Of the table. */
  readonly rows: number;
  readonly seed: number;
  readonly kept: Kept;
  /** Classes that are dealt each by itself; absent: all rows alike. */
  readonly strata?: Strata;
}

/** Step that keeps one side of a split by rows. */
export async function* transform(
  chunks: Chunks,
  parameters: Json,
  _task: TaskContext,
  { name, partition }: StepContext,
): Chunks {
  const { firstRows, rows, seed, kept, strata } = parameters as unknown as SplitParameters;
  const ranks = new ShuffledRanks(rows, seed);
  const stratified = strata && new StratifiedRanks(strata, partition, seed);
  let next = firstRows[partition]!;
  for await (const batch of batches(chunks, name)) {
    const first = next;
    next += batch.numRows;
    const labels = strata && batch.getChildAt(indexOf(batch.schema, strata.column, name))!;
    const placeOf = (row: number) =>
      stratified ? stratified.next(String(labels!.get(row))) : placeAt(ranks.of(first + row));
    const taken = Array.from({ length: batch.numRows }, (_, row) => row).filter((row) => isKept(placeOf(row), kept));
    if (taken.length > 0) yield takeRows(batch, taken);
  }
}

/** Where all rows are one stratum. */
export function placeAt(rank: number): Place {
  return { at: rank, stratum: 0, rank };
}

export function isKept({ at, stratum, rank }: Place, kept: Kept): boolean {
  const validation = 'folds' in kept ? at % kept.folds === kept.fold : isDrawn(rank, kept.shares[stratum]!);
  return validation === (kept.part === 'validation');
}
