import type { SourceSplit, SourceUnit } from '../rdd/sources/source.js';
import { size, totalBytes } from './choose-partitions.js';

/** What a probe may take: of the stage it plans, or of anybody's patience. */
const SHARE = 0.05;
const PATIENCE_MS = 200;
/** However fast: more would be read twice than the plan can win. */
const MAX_SHARE = 0.25;
/** Below this the whole stage takes no longer than a probe. */
const WORTH_BYTES = 1e6;
/** With fewer pieces a slot, even one apiece is more than the share. */
const UNITS_A_SLOT = 20;

/** Why a source is not worth a probe; undefined when it is. Pure. */
export function notWorthProbing(units: readonly SourceUnit[], slots: number): string | undefined {
  const total = totalBytes(units);
  if (total < WORTH_BYTES) return `${size(total)} are too little to measure`;
  const few = units.length < UNITS_A_SLOT * slots;
  return few ? `${units.length} pieces on ${slots} slots are too few to measure` : undefined;
}

/** A round of a probe that was run: all slots worked at once, on runs of units of about this size. */
export interface ProbeRound {
  /** Of one slot. */
  readonly bytes: number;
  /** Of the slot that took longest. */
  readonly ms: number;
}

/** Tasks of each slot in the last stage of a probe, the one that counts: large ones have the size of the last round. */
export const COUNTED_TASKS = ['unit', 'large', 'unit', 'large', 'unit'] as const;

/**
 * Bytes a slot should read in the next round: twice the last, while time allows; undefined when it is enough. Doubling
 * finds a size that tells the cost of a byte without knowing the speed, and lets the compiler do its work before it
 * counts. Pure.
 */
export function nextRoundBytes(
  rounds: readonly ProbeRound[],
  units: readonly SourceUnit[],
  slots: number,
): number | undefined {
  const total = totalBytes(units);
  const last = rounds.at(-1);
  if (!last) return total / units.length;
  const bytes = 2 * last.bytes;
  const stageMs = (last.ms / last.bytes) * (total / slots);
  // After this round come two tasks of its size: three times it in all.
  const ms = rounds.reduce((sum, round) => sum + round.ms, 0) + 3 * 2 * last.ms;
  const read = rounds.reduce((sum, round) => sum + round.bytes, 0) + 3 * bytes;
  return ms > Math.max(PATIENCE_MS, SHARE * stageMs) || read * slots > MAX_SHARE * total ? undefined : bytes;
}

/**
 * The `place`-th of a sequence of runs of neighbouring units, as real partitions are, spread evenly over the list: steps
 * by the golden ratio. At least one unit, else about `bytes`.
 */
export function unitRun(units: readonly SourceUnit[], place: number, bytes: number): SourceSplit {
  const start = Math.floor(((place * 0.618033988749895) % 1) * units.length);
  const taken = [units[start]!];
  let sum = taken[0]!.bytes;
  for (let next = start + 1; next < units.length && sum + units[next]!.bytes / 2 <= bytes; next++) {
    taken.push(units[next]!);
    sum += units[next]!.bytes;
  }
  return { bytes: sum, units: taken };
}
