import { compareKeys } from '../keys.js';

/** A uniform sample of a partition's keys, and how many rows it stands for. */
export interface SampledKeys {
  readonly keys: readonly unknown[];
  readonly rows: number;
}

/**
 * Keys that cut the whole into `partitions` runs of about equally many rows, ascending; fewer where keys repeat. Pure. A key
 * belongs to the run whose number is that of the bounds below it.
 */
export function rangeBounds(
  samples: readonly SampledKeys[],
  partitions: number,
  compare: (a: any, b: any) => number = compareKeys,
): unknown[] {
  const weighted = samples.flatMap(({ keys, rows }) => keys.map((key) => ({ key, weight: rows / keys.length })));
  weighted.sort((a, b) => compare(a.key, b.key));
  const total = weighted.reduce((sum, { weight }) => sum + weight, 0);
  const bounds: unknown[] = [];
  let reached = 0;
  for (const { key, weight } of weighted) {
    reached += weight;
    if (bounds.length === partitions - 1) break;
    const isNew = bounds.length === 0 || compare(bounds.at(-1), key) < 0;
    if (isNew && reached >= (total * (bounds.length + 1)) / partitions) bounds.push(key);
  }
  return bounds;
}
