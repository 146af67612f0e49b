import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../../rdd/assemble-step.js';
import type { Chunks } from '../../rdd/chunks.js';
import { batches } from '../../rdd/tables/batches.js';
import { indexOf } from '../../rdd/tables/schema-rules.js';
import { takeRows } from '../../rdd/take-rows.js';
import { isDrawn, ShuffledRanks } from './ranks.js';
import { type Strata, StratifiedRanks } from './strata.js';

/** Which side of a split: of one that holds out a share, or of one of several folds. */
export type Kept = { readonly part: 'train' | 'validation' } & (
  | { readonly fraction: number }
  | { readonly folds: number; readonly fold: number }
);

export interface SplitParameters {
  /** Number of each partition's first row in the table. */
  readonly firstRows: readonly number[];
  /** Of the table. */
  readonly rows: number;
  readonly seed: number;
  readonly kept: Kept;
  /** Classes that both sides have in the same shares. */
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
    const rankOf = (row: number) => (stratified ? stratified.next(String(labels!.get(row))) : ranks.of(first + row));
    const taken = Array.from({ length: batch.numRows }, (_, row) => row).filter((row) => isKept(rankOf(row), kept));
    if (taken.length > 0) yield takeRows(batch, taken);
  }
}

/** @param rank undefined: never held out */
export function isKept(rank: number | undefined, kept: Kept): boolean {
  if (rank === undefined) return kept.part === 'train';
  const validation = 'folds' in kept ? rank % kept.folds === kept.fold : isDrawn(rank, kept.fraction);
  return validation === (kept.part === 'validation');
}
