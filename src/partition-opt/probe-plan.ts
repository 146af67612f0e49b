import type { SourceSplit, SourceUnit } from '../rdd/sources/source.js';
import { duration, size, totalBytes } from './cost-model.js';

/** A short experiment on whole units of a source, or why there is none. */
export type ProbePlan =
  | { readonly kind: 'none'; readonly reason: string }
  | {
      readonly kind: 'probe';
      /** One a slot: loads code and lets it be compiled; only what it takes longer than later ones is of interest. */
      readonly warmUp: readonly SourceSplit[];
      /** Tasks of each slot used, of growing size. */
      readonly tasks: readonly (readonly SourceSplit[])[];
    };

/** Below this the whole job takes no longer than a probe. */
const WORTH_BYTES = 1e6;
const WORTH_UNITS = 8;
/** Of the stage's time; where that is next to nothing, as much input as all slots together read in some 20 ms. */
const SHARE = 0.05;
const ALWAYS_BYTES = 1e6;
/** Sizes of a slot's tasks, relative: far enough apart to tell the cost of a task from that of a byte. */
const STEPS = [1, 2, 4, 1];
/** Of the warm-up, likewise: the compiler needs to see a megabyte or two before tasks take what they will take. */
const WARM_UP = 4;

/**
 * Chooses the pieces to try, on all slots at once, because slots at work slow each other down: runs of neighbouring
 * units, as real partitions are, from evenly spread places of the list. Where three tasks a slot would cost too much one
 * unit a slot still tells the cost of a byte. Pure.
 */
export function planProbe(units: readonly SourceUnit[], slots: number): ProbePlan {
  const total = totalBytes(units);
  const none = (why: string): ProbePlan => ({ kind: 'none', reason: `${why} to measure` });
  if (total < WORTH_BYTES) return none(`${size(total)} are too little`);
  if (units.length < WORTH_UNITS) return none(`${units.length} pieces are too few`);
  const budget = Math.min(total / 4, Math.max(SHARE * total, ALWAYS_BYTES)) / slots;
  const mean = total / units.length;
  if (2 * mean > budget) return none(`${units.length} pieces are too few for ${slots} slots`);
  const steps = mean * 6 <= budget ? [WARM_UP, ...STEPS] : [1, 1];
  const share = budget / steps.reduce((sum, step) => sum + step, 0);
  const tasks = Array.from({ length: slots }, (_, slot) =>
    steps.map((step, k) => {
      const start = Math.floor(((slot * steps.length + k) * units.length) / (slots * steps.length));
      return run(units, start, share * step);
    }),
  );
  return { kind: 'probe', warmUp: tasks.map(([first]) => first!), tasks: tasks.map(([, ...others]) => others) };
}

/** Units from `start` on until there are about `bytes`; at least one. */
function run(units: readonly SourceUnit[], start: number, bytes: number): SourceSplit {
  const taken = [units[start]!];
  let sum = taken[0]!.bytes;
  for (let next = start + 1; next < units.length && sum + units[next]!.bytes / 2 <= bytes; next++) {
    taken.push(units[next]!);
    sum += units[next]!.bytes;
  }
  return split(taken);
}

function split(units: readonly SourceUnit[]): SourceSplit {
  return { bytes: totalBytes(units), units };
}

/** For people: what a probe tried. */
export function describeProbe(tasks: readonly (readonly SourceSplit[])[], ms: number): string {
  const splits = tasks.flat();
  const pieces = splits.reduce((sum, { units }) => sum + units.length, 0);
  return `measured on ${pieces} of them in ${duration(ms)}`;
}
