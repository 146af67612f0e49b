import { ASSUMED, type CostConstants } from './cost-model.js';
import { mean, median } from './statistics.js';

/** One task, or the median of several alike. */
export interface Measurement {
  readonly bytes: number;
  readonly ms: number;
}

/**
 * How far equal tasks of one run differ in time, and how far equal runs do, as logarithms of ratios: on a machine with other work
 * a run is often half as fast again as the one before, and all of its tasks are.
 */
const TASK_NOISE = 0.2;
const RUN_NOISE = 0.4;
/** How far what is assumed may be from the truth, as factors: of a task's cost (a query, a message), of a byte's (a sum, a network). */
const TASK_DOUBT = 5;
const BYTE_DOUBT = 10;

/** Sought are lines where the start takes at least so much of the smallest task's time, and bytes at least so much of the largest's. */
const LEAST_SHARE = 1e-3;

/** A task that took no time that a clock can tell. */
const SHORTEST_MS = 1e-3;

/**
 * Time of a task as `taskMs + byteMs * bytes`, both above zero: the most probable line (maximum a posteriori), when the tasks of a
 * run share its luck and have each their own, both of heavy tails (Laplace, of the logarithm), and costs are about what is
 * assumed. So where measurements cannot tell a task's cost from that of its bytes, because all had about the same size, the
 * assumption divides what they took; where they can, they overrule it. A line that noise has made flat, which would foretell
 * that a hundred times the input takes no longer, is as improbable as bytes that cost nothing. A task that was interrupted
 * counts no more than one a little too slow. The line is written as Hockney and Jesshope do (Parallel Computers, 1981): `byteMs * (halfBytes + bytes)`,
 * where tasks of `halfBytes` spend half of their time on starting: one unknown to search for, the level follows.
 * @param runs of the stage; what a run measured before with small tasks belongs to it
 * @example fitConstants([[{ bytes: 1e6, ms: 25 }, { bytes: 2e6, ms: 45 }]]) // taskMs 5, byteMs 20e-6
 * @throws RangeError without measurements
 */
export function fitConstants(runs: readonly (readonly Measurement[])[]): CostConstants {
  const points = runs.flat();
  if (points.length === 0) throw new RangeError('no measurement to fit the cost model to');
  const sizes = points.map(({ bytes }) => bytes).filter((bytes) => bytes > 0);
  if (sizes.length === 0) return { ...ASSUMED, taskMs: median(points.map(({ ms }) => ms)) };
  const [least, most] = [Math.min(...sizes) * LEAST_SHARE, Math.max(...sizes) / LEAST_SHARE];
  const halfBytes = leastOf((half) => lineThrough(runs, half).cost, least, most);
  const { byteMs } = lineThrough(runs, halfBytes);
  return { ...ASSUMED, taskMs: halfBytes * byteMs, byteMs };
}

/** What a slot's first tasks took longer than the others foretell; the median of them, never negative, 0 of none. */
export function firstExtraMs(first: readonly Measurement[], { taskMs, byteMs }: CostConstants): number {
  return Math.max(0, median(first.map(({ bytes, ms }) => ms - taskMs - byteMs * bytes)));
}

/** The best level for a given `halfBytes`, and minus the logarithm of how probable that is, but for a constant. */
function lineThrough(runs: readonly (readonly Measurement[])[], halfBytes: number): { byteMs: number; cost: number } {
  const measured = runs.filter((run) => run.length > 0);
  const logs = measured.map((run) =>
    run.map(({ bytes, ms }) => Math.log(Math.max(ms, SHORTEST_MS) / (halfBytes + bytes))),
  );
  const levels = logs.map(median);
  const level = median(levels);
  const byteMs = Math.exp(level);
  const ofTasks = sum(logs.flatMap((run, k) => run.map((log) => Math.abs(log - levels[k]!))));
  const ofRuns = sum(levels.map((each) => Math.abs(each - level)));
  const assumed = doubt(halfBytes * byteMs, ASSUMED.taskMs, TASK_DOUBT) + doubt(byteMs, ASSUMED.byteMs, BYTE_DOUBT);
  return { byteMs, cost: ofTasks / TASK_NOISE + ofRuns / RUN_NOISE + assumed };
}

/** Of a log-normal distribution about what is assumed. */
function doubt(value: number, assumed: number, factor: number): number {
  return (Math.log(value / assumed) / Math.log(factor)) ** 2 / 2;
}

const GRID = 96;
const GOLDEN = (Math.sqrt(5) - 1) / 2;
const PRECISION = 1e-6;

/** Where a function of a positive number is least: the best of a grid of equal ratios, then golden section about it. */
function leastOf(cost: (value: number) => number, from: number, to: number): number {
  const step = Math.log(to / from) / GRID;
  const at = (place: number) => from * Math.exp(place * step);
  const costs = Array.from({ length: GRID + 1 }, (_, place) => cost(at(place)));
  const best = costs.indexOf(Math.min(...costs));
  let [low, high] = [Math.max(0, best - 1), Math.min(GRID, best + 1)];
  while (high - low > PRECISION) {
    const [left, right] = [high - GOLDEN * (high - low), low + GOLDEN * (high - low)];
    if (cost(at(left)) <= cost(at(right))) high = right;
    else low = left;
  }
  return at((low + high) / 2);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Tasks of about the same size as one point, so that a run of many tasks is remembered in a few numbers. */
export function grouped(tasks: readonly Measurement[], points = 4): Measurement[] {
  const sorted = [...tasks].sort((a, b) => a.bytes - b.bytes);
  const count = Math.min(points, sorted.length);
  return Array.from({ length: count }, (_, k) => {
    const group = sorted.slice(Math.floor((k * sorted.length) / count), Math.floor(((k + 1) * sorted.length) / count));
    return { bytes: Math.round(mean(group.map(({ bytes }) => bytes))), ms: median(group.map(({ ms }) => ms)) };
  });
}
