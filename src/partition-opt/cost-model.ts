import { keyedRandom } from '../rdd/random.js';

/** What running a stage costs, in milliseconds; measured (see fit.ts) or assumed. */
export interface CostConstants {
  /** Of a slot, for a task, whatever its input. */
  readonly taskMs: number;
  /** Of a slot, for a byte of input. */
  readonly byteMs: number;
  /** Of the driver, for a task. */
  readonly schedMs: number;
  /** Of the driver, to merge one partition's result. */
  readonly mergeMs: number;
  /** To encode, move and decode a byte that goes on to the next stage. */
  readonly moveMs: number;
  /** How far tasks of equal size differ in time: standard deviation over mean. */
  readonly spread: number;
}

/**
 * Before anything is known: parsing CSV and computing features takes about 20 ms a megabyte on one core; a task costs a
 * few ms (a query, a message); shared machines vary by a tenth.
 */
export const ASSUMED: CostConstants = {
  taskMs: 5,
  byteMs: 20 / 1e6,
  schedMs: 0.3,
  mergeMs: 0,
  moveMs: 0,
  spread: 0.1,
};

/** When the last task ends, if each in turn goes to the slot that is free first. */
export function makespan(durations: readonly number[], slots: number): number {
  const free = new Float64Array(Math.max(1, Math.min(slots, durations.length)));
  for (const duration of durations) {
    let first = 0;
    for (let slot = 1; slot < free.length; slot++) if (free[slot]! < free[first]!) first = slot;
    free[first]! += duration;
  }
  return free.reduce((latest, end) => Math.max(latest, end), 0);
}

/** Random drawings of task times to average over: many where few tasks make each one count. */
const DRAWN_TASKS = 2_048;
const MAX_DRAWS = 32;

/**
 * Expected time of a stage: `makespan(bytes, slots; taskMs, byteMs, spread) + moveMs * moved + mergeMs * P + schedMs * P`.
 * What slots do once (starting, loading code) is not in it.
 * @param bytes of each partition
 * @param moved bytes that go on to the next stage
 */
export function predictMs(bytes: readonly number[], slots: number, constants: CostConstants, moved = 0): number {
  const { taskMs, byteMs, schedMs, mergeMs, moveMs, spread } = constants;
  const durations = bytes.map((each) => taskMs + byteMs * each);
  const serial = (schedMs + mergeMs) * bytes.length + moveMs * moved;
  return expectedMakespan(durations, slots, spread) + serial;
}

/** The same drawings for every number of partitions, so that these are compared under equal luck. */
function expectedMakespan(durations: readonly number[], slots: number, spread: number): number {
  if (spread === 0 || durations.length === 0) return makespan(durations, slots);
  const draws = Math.min(MAX_DRAWS, Math.max(2, Math.ceil(DRAWN_TASKS / durations.length)));
  let total = 0;
  for (let draw = 0; draw < draws; draw += 2) {
    const random = keyedRandom(0, 'task times', draw);
    const luck = durations.map(() => normal(random));
    // Each drawing and its mirror image: the mean is exact.
    for (const sign of [1, -1])
      total += makespan(
        durations.map((ms, task) => ms * Math.max(0.1, 1 + sign * spread * luck[task]!)),
        slots,
      );
  }
  return total / (2 * Math.ceil(draws / 2));
}

/** Standard normal (Box and Muller). */
function normal(random: { uniform(): number }): number {
  return Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
}
