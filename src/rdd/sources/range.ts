import type { Json } from '../../protocol/json.js';

/** What `range-reader` reads: numbers `from + i * step` for `count` values of i from `first` on. */
export interface RangeSplit {
  readonly from: number;
  readonly step: number;
  readonly first: number;
  readonly count: number;
}

/** `from`, `from + step`, … before `to`, cut into runs whose lengths differ by one at most. */
export function rangeSplits(from: number, to: number, step: number, partitions: number): Json[] {
  const total = Math.max(0, Math.ceil((to - from) / step));
  const cut = (p: number) => Math.floor((p * total) / partitions);
  return Array.from({ length: partitions }, (_, p) => {
    const split: RangeSplit = { from, step, first: cut(p), count: cut(p + 1) - cut(p) };
    return { ...split };
  });
}
