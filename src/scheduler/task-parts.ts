import type { SkewSplit } from './skew.js';

/** What one task computes: a partition, or a part of one. */
export interface TaskPart {
  /** The partition's number; of later parts greater by multiples of the number of partitions. */
  readonly key: number;
  readonly partition: number;
  readonly split?: SkewSplit;
  readonly part?: number;
}

/**
 * The tasks of a stage: a partition each, but for those that are computed in parts. Pure.
 * @param total number of the stage's partitions, of which `partitions` are wanted
 */
export function taskParts(
  partitions: readonly number[],
  total: number,
  splits: ReadonlyMap<number, SkewSplit>,
): TaskPart[] {
  return partitions.flatMap((partition): TaskPart[] => {
    const split = splits.get(partition);
    if (!split) return [{ key: partition, partition }];
    return split.ranges.map((_, part) => ({ key: partition + part * total, partition, split, part }));
  });
}

/** Results of parts of partitions whose inputs were made again, and are cut otherwise now: together they would not be the partition. */
export function cutAnew(
  before: readonly TaskPart[],
  now: readonly TaskPart[],
  done: Iterable<number>,
  total: number,
): number[] {
  const ranges = (plan: readonly TaskPart[], partition: number) =>
    JSON.stringify(plan.find((part) => part.partition === partition)?.split?.ranges);
  return [...done].filter((key) => ranges(before, key % total) !== ranges(now, key % total));
}

/** What the tasks brought, by partition, parts in order. */
export function byPartition<T>(plan: readonly TaskPart[], result: (part: TaskPart) => T): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const part of plan) groups.set(part.partition, [...(groups.get(part.partition) ?? []), result(part)]);
  return groups;
}
