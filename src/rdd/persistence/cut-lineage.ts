import type { Json } from '../../protocol/json.js';
import type { LineageNode } from '../../scheduler/lineage.js';
import { spreadBelow } from '../../scheduler/partitioning.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Makes a node a source of what it was, so that its parents can be forgotten. Its rows, their order, partitions and
 * partitioning stay.
 */
export function cutLineage(node: LineageNode, module: string, options: Json, splits: readonly Json[]): void {
  const { shuffle, shuffleFunctions } = spreadBelow(node);
  const cut: Partial<Mutable<LineageNode>> = {
    step: { kind: 'source', source: { module, options, batches: false } },
    parents: [],
    splits,
    planner: undefined,
    expectedMs: undefined,
    shuffle,
    shuffleFunctions,
  };
  Object.assign(node, cut);
}
