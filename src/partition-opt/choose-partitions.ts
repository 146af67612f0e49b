import { packUnits, type SourceUnit } from '../rdd/sources/source.js';
import { type CostConstants, predictMs } from './cost-model.js';

export interface PartitionPlan {
  readonly partitions: number;
  /** Without what slots do once. */
  readonly predictedMs: number;
  /** Of one task, on the mean. */
  readonly expectedMs: number;
  /** One sentence for people. */
  readonly reason: string;
  readonly curve: readonly { readonly partitions: number; readonly predictedMs: number }[];
}

/** More tasks a slot than this even out nothing any more. */
const MAX_TASKS_A_SLOT = 32;
/** A task holds its partition in memory, parsed: no partition should have more input than this (Spark's bound too). */
export const MAX_PARTITION_BYTES = 128 * 2 ** 20;
/** Predictions closer than this are the same: then the fewest partitions, for the sake of the stages that follow. */
const INDIFFERENCE = 0.02;

/**
 * Chooses the number of a source's partitions. Pure.
 * @param units the source's indivisible pieces: never more partitions than these
 */
export function choosePartitions(units: readonly SourceUnit[], slots: number, constants: CostConstants): PartitionPlan {
  const curve = candidates(units, slots).map((partitions) => ({
    partitions,
    predictedMs: predictFor(units, partitions, slots, constants),
  }));
  const best = Math.min(...curve.map(({ predictedMs }) => predictedMs));
  const { partitions, predictedMs } = curve.find((each) => each.predictedMs <= best * (1 + INDIFFERENCE))!;
  const expectedMs = expectedTaskMs(units, partitions, constants);
  return { partitions, predictedMs, expectedMs, reason: reason(units, slots, constants, partitions, curve), curve };
}

/** Expected time of the stage with the units packed into so many partitions. */
export function predictFor(
  units: readonly SourceUnit[],
  partitions: number,
  slots: number,
  constants: CostConstants,
): number {
  const bytes = packUnits(units, partitions).map((split) => split.bytes);
  return predictMs(bytes, slots, constants);
}

export function expectedTaskMs(
  units: readonly SourceUnit[],
  partitions: number,
  { taskMs, byteMs }: CostConstants,
): number {
  return taskMs + (byteMs * totalBytes(units)) / Math.max(1, Math.min(partitions, units.length));
}

export function totalBytes(units: readonly SourceUnit[]): number {
  return units.reduce((sum, unit) => sum + unit.bytes, 0);
}

/** All counts up to the slots (powers of two when they are many), then multiples of them; as many as memory asks for. */
function candidates(units: readonly SourceUnit[], slots: number): number[] {
  const fewest = Math.ceil(totalBytes(units) / MAX_PARTITION_BYTES);
  const most = Math.min(units.length, Math.max(MAX_TASKS_A_SLOT * slots, fewest));
  const counts = new Set([fewest, most]);
  for (let count = 1; count < slots; count = slots <= 8 ? count + 1 : count * 2) counts.add(count);
  for (const waves of [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]) counts.add(waves * slots);
  const floor = Math.max(1, Math.min(fewest, units.length));
  return [...counts].filter((count) => count >= floor && count <= most).sort((a, b) => a - b);
}

function reason(
  units: readonly SourceUnit[],
  slots: number,
  { taskMs, byteMs }: CostConstants,
  partitions: number,
  curve: PartitionPlan['curve'],
): string {
  const total = totalBytes(units);
  const [fewest, most] = [curve[0]!, curve.at(-1)!];
  const others = [fewest, most]
    .filter((each, k) => each.partitions !== partitions && (k === 0 || most !== fewest))
    .map((each) => `${each.partitions} would take ${duration(each.predictedMs)}`);
  const chosen = curve.find((each) => each.partitions === partitions)!;
  const sizes = `${units.length} ${units.length === 1 ? 'piece' : 'pieces'} of ${size(total)} in all on ${slots} ${slots === 1 ? 'slot' : 'slots'}`;
  const cost = `a task costs ${taskMs.toFixed(1)} ms and ${(byteMs * 1e6).toFixed(1)} ms/MB`;
  return `${sizes}, ${cost}: ${[`predicted ${duration(chosen.predictedMs)}`, ...others].join(', ')}`;
}

export function duration(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

export function size(bytes: number): string {
  return bytes < 1e6
    ? `${(bytes / 1e3).toFixed(bytes < 1e4 ? 1 : 0)} kB`
    : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
