import type { Json } from '../protocol/json.js';
import type { ShuffleFunctions, ShuffleSpec } from './shuffle-spec.js';
import type { AnyFunction } from './step.js';

/** What a stage's tasks do with the rows of their partition; `collect`, `count`, … answer, `shuffle-write` leaves blocks. */
export type Terminal<F = AnyFunction> =
  | { readonly kind: 'collect'; readonly limit?: number }
  | { readonly kind: 'count' }
  | { readonly kind: 'reduce'; readonly fn: F }
  | { readonly kind: 'aggregate'; readonly zero: Uint8Array; readonly fn: F }
  | { readonly kind: 'foreach'; readonly fn: F }
  /** With `merge` the values of a key are combined first; `place` is the partitioner's function; `name` is for errors. */
  | ({ readonly kind: 'shuffle-write'; readonly shuffle: ShuffleSpec; readonly name: string } & ShuffleFunctions<F>)
  /** Answers with about `size` keys of the partition's pairs, each row as likely as another, and the number of rows. */
  | { readonly kind: 'sample-keys'; readonly size: number }
  /** An engine module whose `consume(chunks, parameters, context)` answers with JSON. */
  | { readonly kind: 'module'; readonly module: string; readonly parameters: Json };
