import type { LineageNode } from './lineage.js';
import type { MapOutput } from './map-outputs.js';
import type { PartitionInput } from './partition-input.js';
import { placesByKey } from './shuffle-spec.js';
import type { Stage } from './stages.js';
import { isRowStep } from './step.js';

/** A part of the segments that a reduce partition reads of a shuffle: the run from number `from` to before `to`, in map order. */
export type SegmentRange = readonly [from: number, to: number];

/** A join's partition as several tasks: each reads one range of the large side's segments and the other side whole. */
export interface SkewSplit {
  /** Number of the side that is cut. */
  readonly side: number;
  readonly ranges: readonly SegmentRange[];
  /** For people: what was found. */
  readonly bytes: number;
  readonly median: number;
}

/** As Spark's spark.sql.adaptive.skewJoin.skewedPartitionFactor. */
const FACTOR = 5;

/** Which sides of a join may be cut: a row that has to stay without a match must meet the whole of the other side. */
const MAY_CUT = { matched: [0, 1], left: [0], right: [1], all: [] } as const;

/** The join that a stage's tasks begin with, when its partitions can be computed in parts. */
function splittableJoin({ top, terminal }: Stage): LineageNode | undefined {
  if (terminal.kind === 'shuffle-write' && (terminal.merge || !placesByKey(terminal.shuffle.partitioner)))
    return undefined;
  let node = top;
  // Their results over parts of a partition are parts of its result.
  for (; isRowStep(node.step); node = node.parents[0]!) if (node.persisted) return undefined;
  if (node.step.kind !== 'join' || node.persisted) return undefined;
  return node.parents.every(({ step }) => step.kind === 'shuffle-read') ? node : undefined;
}

/**
 * Which partitions of a stage are so much larger than the others that one task each would keep all others waiting, and how to
 * cut them. Pure.
 * @param outputs of the shuffle with this number, all there
 * @param leastBytes smaller partitions are left alone; parts are about as large
 */
export function skewedPartitions(
  stage: Stage,
  outputs: (shuffle: number) => readonly MapOutput[],
  leastBytes: number,
): Map<number, SkewSplit> {
  const splits = new Map<number, SkewSplit>();
  const join = splittableJoin(stage);
  if (join?.step.kind !== 'join') return splits;
  const { keep } = join.step;
  const sides = join.parents.map(({ shuffle }) => segmentSizes(outputs(shuffle!.id), shuffle!.partitions));
  const totals = sides[0]!.map((_, p) => sides.reduce((sum, side) => sum + total(side[p]!), 0));
  const median = [...totals].sort((a, b) => a - b)[Math.floor(totals.length / 2)]!;
  const target = Math.max(median, leastBytes);
  for (const [p, bytes] of totals.entries()) {
    if (bytes <= Math.max(FACTOR * median, leastBytes)) continue;
    const side = [...MAY_CUT[keep]].sort((a, b) => total(sides[b]![p]!) - total(sides[a]![p]!))[0];
    if (side === undefined) continue;
    const ranges = rangesOf(sides[side]![p]!, target);
    if (ranges.length > 1) splits.set(p, { side, ranges, bytes, median });
  }
  return splits;
}

/** The input of one part of a partition: the same but for the range that the cut side reads. */
export function partInput(input: PartitionInput, { side, ranges }: SkewSplit, part: number): PartitionInput {
  const parts = input.parts!.map((each, k) => (k === side ? { ...each, segments: ranges[part]! } : each));
  return { ...input, parts };
}

/** Bytes of each segment that each reduce partition reads, in map order. */
function segmentSizes(outputs: readonly MapOutput[], partitions: number): number[][] {
  return Array.from({ length: partitions }, (_, p) =>
    outputs.flatMap(({ segments }) => segments[p]!.map(({ bytes }) => bytes)),
  );
}

function rangesOf(sizes: readonly number[], target: number): SegmentRange[] {
  const ranges: SegmentRange[] = [];
  let from = 0;
  let bytes = 0;
  for (const [k, size] of sizes.entries()) {
    bytes += size;
    if (bytes < target && k + 1 < sizes.length) continue;
    ranges.push([from, k + 1]);
    from = k + 1;
    bytes = 0;
  }
  return ranges;
}

const total = (sizes: readonly number[]) => sizes.reduce((sum, size) => sum + size, 0);
