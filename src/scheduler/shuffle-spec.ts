import type { Json } from '../protocol/json.js';
import type { AnyFunction, CombineStart } from './step.js';

/** How a map task spreads its rows over the reduce partitions. */
export type Partitioner =
  /** Map output m goes whole to partition floor(m * partitions / maps): merges neighbours, in order. */
  | { readonly kind: 'neighbours'; readonly maps: number }
  /** Row i of the whole data set goes to partition i mod partitions; `firstRows[m]` is the index of map m's first row. */
  | { readonly kind: 'deal'; readonly firstRows: readonly number[] }
  /** Rows are dealt out one by one; the map tasks begin at evenly spread partitions. */
  | { readonly kind: 'round-robin'; readonly maps: number }
  /** Rows `[key, value]` by a hash of the key. */
  | { readonly kind: 'hash' }
  /** Rows `[key, value]` by the key's place among `bounds`, ascending keys (encoded), partitions - 1 of them or fewer. */
  | { readonly kind: 'range'; readonly bounds: Uint8Array; readonly descending: boolean }
  /** Rows `[key, value]` by the user's function of the key. */
  | { readonly kind: 'function' }
  /** Rows of record batches by an engine module, whose `placer(parameters, partitions)` gives the places of a batch's rows. */
  | { readonly kind: 'module'; readonly module: string; readonly parameters: Json };

/** Whether it asks for the keys of rows that are pairs. */
export function placesByKey({ kind }: Partitioner): boolean {
  return kind === 'hash' || kind === 'range' || kind === 'function';
}

export interface ShuffleSpec {
  readonly id: number;
  readonly partitions: number;
  readonly partitioner: Partitioner;
  /** Owner of the map outputs, when they outlive the job that made them: later jobs find them and skip the map stage. */
  readonly scope?: string;
}

export interface ShuffleFunctions<F = AnyFunction> extends CombineStart<F> {
  readonly merge?: F;
  readonly place?: F;
}
