import { keyedRandom } from '../rdd/random.js';
import { packUnits, type SourceUnit } from '../rdd/sources/source.js';
import { mean, median } from './statistics.js';

/** What running a stage costs, in milliseconds; measured (see `fitConstants`) or assumed. */
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

/** One task, or the mean of several alike. */
export interface Measurement {
  readonly bytes: number;
  readonly ms: number;
}

/**
 * Time of a task as `taskMs + byteMs * bytes`, neither negative. Minimises the sum of relative errors, not of their
 * squares: a task that a neighbour on the machine interrupted, five times slower than its like, must not tilt the line.
 * With one size only, `taskMs` is what was assumed.
 * @throws RangeError without measurements
 */
export function fitConstants(measured: readonly Measurement[], assumed: CostConstants = ASSUMED): CostConstants {
  if (measured.length === 0) throw new RangeError('no measurement to fit the cost model to');
  const sizes = new Set(measured.map(({ bytes }) => bytes)).size;
  return { ...assumed, ...(sizes > 1 ? line(measured) : slope(measured, assumed)) };
}

/** Of the time of the largest tasks, at least so much is taken to come from their bytes. */
const LEAST_SHARE = 0.5;

/**
 * `fitConstants` for measurements on far smaller inputs than the tasks to come. A line that noise has made flat would
 * foretell that a hundred times the input takes no longer, and one partition would be enough: a costly mistake, where the
 * opposite one costs a few ms and is put right by what the stage itself takes.
 */
export function fitSmall(measured: readonly Measurement[]): CostConstants {
  const fitted = fitConstants(measured);
  const sizes = measured.map(({ bytes }) => bytes);
  const large = measured.filter(({ bytes }) => bytes >= Math.max(...sizes) / 2);
  const atLeast = LEAST_SHARE * median(large.map(({ bytes, ms }) => ms / Math.max(bytes, 1)));
  if (fitted.byteMs >= atLeast) return fitted;
  const rest = measured.map(({ bytes, ms }) => ms - atLeast * bytes);
  return { ...fitted, byteMs: atLeast, taskMs: Math.max(0, median(rest)) };
}

/** Reweighted least squares comes to the least sum of absolute errors; this many rounds are plenty for a few points. */
const ROUNDS = 30;
const SMALLEST_ERROR = 1e-3;

function line(points: readonly Measurement[]): { taskMs: number; byteMs: number } {
  const unit = mean(points.map(({ bytes }) => bytes)); // so that both columns are of about the same size
  const rows = points.map(({ bytes, ms }) => {
    const scale = 1 / Math.max(ms, SMALLEST_ERROR);
    return { u: scale, v: (scale * bytes) / unit };
  });
  let weights = rows.map(() => 1);
  let best = { a: 0, b: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    best = nonNegativeLeastSquares(rows, weights);
    weights = rows.map(({ u, v }) => 1 / Math.max(Math.abs(best.a * u + best.b * v - 1), SMALLEST_ERROR));
  }
  return { taskMs: best.a, byteMs: best.b / unit };
}

/** Minimises the weighted sum of (a u + b v - 1)² over a, b >= 0: the free minimum, or the better of the two edges. */
function nonNegativeLeastSquares(rows: readonly { u: number; v: number }[], weights: readonly number[]) {
  const sum = (of: (row: { u: number; v: number }) => number) =>
    rows.reduce((total, row, k) => total + weights[k]! * of(row), 0);
  const [uu, uv, vv] = [sum((r) => r.u * r.u), sum((r) => r.u * r.v), sum((r) => r.v * r.v)];
  const [u, v] = [sum((r) => r.u), sum((r) => r.v)];
  const determinant = uu * vv - uv * uv;
  const free = { a: (u * vv - v * uv) / determinant, b: (v * uu - u * uv) / determinant };
  if (free.a >= 0 && free.b >= 0 && Number.isFinite(free.a + free.b)) return free;
  const error = ({ a, b }: { a: number; b: number }) => sum((r) => (a * r.u + b * r.v - 1) ** 2);
  const edges = [
    { a: u / uu, b: 0 },
    { a: 0, b: v / vv },
  ];
  return error(edges[0]!) < error(edges[1]!) ? edges[0]! : edges[1]!;
}

function slope(points: readonly Measurement[], { taskMs }: CostConstants) {
  const ms = median(points.map((point) => point.ms));
  const { bytes } = points[0]!;
  return { taskMs: Math.min(taskMs, ms), byteMs: bytes > 0 ? Math.max(0, ms - taskMs) / bytes : 0 };
}

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
