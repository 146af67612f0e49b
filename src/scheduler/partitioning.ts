import type { LineageNode } from './lineage.js';
import type { ShuffleSpec } from './shuffle-spec.js';
import type { AnyFunction, Step } from './step.js';

/** How keys are spread over partitions: RDDs of equal `partitions` and `by` hold a key in partitions of one number. */
export interface Partitioning {
  readonly partitions: number;
  /** `hash`, the one shuffle by a range, or the user's function. */
  readonly by: 'hash' | ShuffleSpec | AnyFunction;
}

/** Of a planned node's pairs, where that is known: operators that leave the keys alone keep it. */
export function partitioningOf(node: LineageNode): Partitioning | undefined {
  const { shuffle, shuffleFunctions } = spreadBelow(node);
  if (!shuffle) return undefined;
  const { partitioner, partitions } = shuffle;
  if (partitioner.kind === 'hash') return { partitions, by: 'hash' };
  if (partitioner.kind === 'range') return { partitions, by: shuffle };
  return partitioner.kind === 'function' ? { partitions, by: shuffleFunctions!.place! } : undefined;
}

/** The first node on the way down that moved keys, or a leaf. */
export function spreadBelow(node: LineageNode): LineageNode {
  let current = node;
  while (KEEPS_KEYS.has(current.step.kind) || (current.step.kind === 'union' && current.parents.length === 1))
    current = current.parents[0]!;
  return current;
}

const KEEPS_KEYS: ReadonlySet<Step['kind']> = new Set([
  ...(['filter', 'mapValues', 'flatMapValues', 'combine', 'cogroup', 'join', 'sort'] as const),
]);
