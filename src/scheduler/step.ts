import type { Json } from '../protocol/json.js';

/** Operators are data: a kind and a function. The stage planner ships them, the slot's compiler turns chains into loops. */
export type Step<F = AnyFunction> =
  /** A leaf; a partition's split (JSON) says what to read. The module's `read(options, split, report)` reads it. */
  | { readonly kind: 'source'; readonly source: StepSource }
  | { readonly kind: 'map' | 'filter' | 'flatMap'; readonly fn: F }
  /** On rows `[key, value]`; `keyBy` makes them. */
  | { readonly kind: 'mapValues' | 'flatMapValues' | 'keyBy'; readonly fn: F }
  | { readonly kind: 'keys' | 'values' }
  | { readonly kind: 'mapPartitions'; readonly fn: F; readonly withIndex: boolean }
  | { readonly kind: 'mapBatches'; readonly fn: F }
  /** A partition becomes one row, its left fold from the encoded zero; without a zero an empty partition stays empty. */
  | { readonly kind: 'foldPartition'; readonly fn: F; readonly zero?: Uint8Array }
  /**
   * An engine module whose `transform(chunks, parameters, context)` rewrites a partition's chunks; of several parents it
   * gets an array of their chunks. `fn` is the user's function, where the module calls one.
   */
  | { readonly kind: 'module'; readonly module: string; readonly parameters: Json; readonly fn?: F }
  /** The partitions of all parents, side by side. */
  | { readonly kind: 'union' }
  /** Runs of neighbouring partitions of the parent, each as one. */
  | { readonly kind: 'coalesce'; readonly partitions: number }
  /** Partition p of every parent, given to the function as iterators of their rows. */
  | { readonly kind: 'zipPartitions'; readonly fn: F }
  /** Partition i * n + j pairs the rows of the first parent's i with those of the second's j, of n. */
  | { readonly kind: 'cartesian' }
  /** Values of a key become one; `mergeCombined` merges what was combined apart. With `early` what comes from a shuffle was. */
  | ({
      readonly kind: 'combine';
      readonly early: boolean;
      readonly merge: F;
      readonly mergeCombined: F;
    } & CombineStart<F>)
  /** A key with the array of its values in each parent. */
  | { readonly kind: 'cogroup' }
  /** A key with each pair of its values in the two parents; sides that may lack a key give undefined. */
  | { readonly kind: 'join'; readonly keep: 'matched' | 'left' | 'right' | 'all' }
  /** Rows `[key, value]` by key. */
  | { readonly kind: 'sort'; readonly descending: boolean }
  /** A leaf of its stage: partition p reads output p of every map task, in map order. */
  | { readonly kind: 'shuffle-read' };

/** Operators that see one row at a time: chains of them become one loop, over a partition or over parts of it. */
const ROW_STEPS = ['map', 'filter', 'flatMap', 'mapValues', 'flatMapValues', 'keyBy', 'keys', 'values'] as const;

export type RowStepKind = (typeof ROW_STEPS)[number];

export function isRowStep<F>(step: Step<F>): step is Extract<Step<F>, { kind: RowStepKind }> {
  return (ROW_STEPS as readonly string[]).includes(step.kind);
}

/** What a task needs of a source; `options` are complete once the source's partitions are planned. */
export interface StepSource {
  readonly module: string;
  readonly options: Json;
  readonly batches: boolean;
}

export type AnyFunction = (...args: any[]) => any;

/** A key's first combined value: of its first value by `create`, merged into a copy of the encoded `zero`, or the value itself. */
export interface CombineStart<F = AnyFunction> {
  readonly create?: F;
  readonly zero?: Uint8Array;
}
