import type { BlockRef } from '../protocol/block.js';
import { STORAGE_LEVELS, storedId } from '../protocol/storage.js';
import type { Seat } from './executor-roster.js';
import { type LineageNode, narrowParents, reachable } from './lineage.js';
import { parentPartitions, partitionCount, unionChoice } from './partition-input.js';
import { holdersOf, type StorageRegistry, type StoredPartition } from './storage-registry.js';
import type { SlotKey } from './task-set.js';

/**
 * The kept partitions that a task over a partition of `top` will meet first, on each way down to its leaves. Pure; in
 * a loop, for a lineage may be long.
 */
export function storedBelow(top: LineageNode, partition: number, storage: StorageRegistry): StoredPartition[] {
  if (storage.isEmpty) return [];
  const found: StoredPartition[] = [];
  const stack: { node: LineageNode; partition: number }[] = [{ node: top, partition }];
  for (let at = stack.pop(); at; at = stack.pop()) {
    const { node } = at;
    const kept = node.persisted && storage.get(node.persisted.scope, at.partition);
    if (kept) found.push(kept);
    else stack.push(...parentsOf(node, at.partition).reverse());
  }
  return found;
}

function parentsOf(node: LineageNode, partition: number): { node: LineageNode; partition: number }[] {
  if (node.step.kind === 'source' || node.step.kind === 'shuffle-read') return [];
  const several = parentPartitions(node, partition);
  if (several) return several.map((each) => ({ node: each.parent, partition: each.partition }));
  if (node.step.kind !== 'union') return [{ node: node.parents[0]!, partition }];
  const { choice, index } = unionChoice(node, partition);
  return [{ node: narrowParents(node)[choice]!, partition: index }];
}

/**
 * The shuffles that tasks over `top` may have to read: those below an RDD whose partitions are all kept are not. What is
 * known of the kept may be too good, and then a task asks for its shuffle as for a lost block.
 */
export function shufflesNeeded(top: LineageNode, storage: StorageRegistry): ReadonlySet<number> {
  const isKept = ({ persisted }: LineageNode, partitions: () => number) =>
    persisted !== undefined && !storage.isEmpty && storage.partitions(persisted.scope).length === partitions();
  const kept = new Set(reachable(top, narrowParents).filter((node) => isKept(node, () => partitionCount(node))));
  const met = reachable(top, (node) => (kept.has(node) ? [] : narrowParents(node))).filter((node) => !kept.has(node));
  return new Set(met.flatMap(({ step, shuffle }) => (step.kind === 'shuffle-read' ? [shuffle!.id] : [])));
}

/**
 * Blocks for a task's inputs, by `storedId`; undefined when there are none. An empty list is for what is in memory alone
 * though a copy is wanted: there was one, which is lost.
 */
export function storedBlocks(kept: readonly StoredPartition[]): Record<string, readonly BlockRef[]> | undefined {
  const known = kept.flatMap(({ scope, partition, level, blocks }) =>
    blocks || STORAGE_LEVELS[level].replicas > 1 ? [[storedId(scope, partition), blocks ?? []] as const] : [],
  );
  return known.length > 0 ? Object.fromEntries(known) : undefined;
}

/** Where the first of them is in memory, else a slot of an executor that holds its blocks. */
export function nearestSlot(kept: readonly StoredPartition[], slots: readonly Seat[]): SlotKey | undefined {
  for (const each of kept) {
    const inMemory = [...each.memory.keys()].reverse().find((slot) => slots.some(({ key }) => key === slot));
    if (inMemory) return inMemory;
    const holders = holdersOf(each);
    const near = slots.filter(({ executor }) => holders.has(executor.id));
    if (near.length > 0) return near[each.partition % near.length]!.key;
  }
  return undefined;
}
