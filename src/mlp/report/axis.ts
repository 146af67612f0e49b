/** A scale of a chart. */
export interface Axis {
  readonly logarithmic: boolean;
  readonly ticks: readonly number[];
  /** Of the ticks, no two alike. */
  readonly labels: readonly string[];
  /** Where a value lies: 0 at the axis' beginning, 1 at its end. */
  place(value: number): number;
}

export interface AxisOptions {
  /** Never logarithmic. */
  readonly linear?: boolean;
  /** Ticks at whole numbers only. */
  readonly whole?: boolean;
  /** Ends where the values end, instead of at ticks. */
  readonly tight?: boolean;
}

/** Linear scales compress everything below a thirtieth of their height into their lowest line. */
const LOG_FROM = 30;
const TICKS = 5;
/** Beyond the usual ones, in labels of ticks. */
const MOST_DIGITS = 9;

/** An axis on which all values lie. @example axisOf([0.1, 0.4]).ticks // [0.1, 0.2, 0.3, 0.4] */
export function axisOf(values: readonly number[], { linear, whole, tight }: AxisOptions = {}): Axis {
  const low = values.reduce((a, b) => Math.min(a, b), values[0] ?? 0);
  const high = values.reduce((a, b) => Math.max(a, b), values[0] ?? 1);
  if (!linear && low > 0 && high / low > LOG_FROM) return logAxis(low, high);
  const size = Math.max(Math.abs(low), Math.abs(high));
  // Values that differ by less, or not at all, still need an axis.
  const spread = high > low ? Math.max(high - low, size * 1e-6) : size || 1;
  const step = niceStep(Math.max(spread / TICKS, 1e-300), whole ? 1 : 0);
  const first = tight ? Math.ceil(low / step) : Math.floor(low / step);
  const last = tight ? Math.floor(high / step) : Math.max(Math.ceil(high / step), first + 1);
  const ticks = range(first, last).map((k) => Number((k * step).toPrecision(12)));
  const [from, to] = tight ? [low, high] : [first * step, last * step];
  return {
    logarithmic: false,
    ticks,
    labels: labelsOf(ticks),
    place: (value) => (to === from ? 0.5 : (value - from) / (to - from)),
  };
}

function logAxis(low: number, high: number): Axis {
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const every = Math.ceil((last - first) / (2 * TICKS));
  const ticks = range(first, last)
    .filter((k) => (k - first) % every === 0)
    .map((k) => Number(`1e${k}`));
  return {
    logarithmic: true,
    ticks,
    labels: labelsOf(ticks),
    place: (value) => (Math.log10(value) - first) / (last - first),
  };
}

/** With as few digits as tell them apart. */
function labelsOf(ticks: readonly number[]): string[] {
  for (let digits = 0; ; digits++) {
    const labels = ticks.map((tick) => shortNumber(tick, digits));
    if (digits === MOST_DIGITS || new Set(labels).size === ticks.length) return labels;
  }
}

/** 1, 2 or 5 times a power of ten, at least as large as given. */
function niceStep(least: number, minimum: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= least * (1 - 1e-9))!;
  return Math.max(step, minimum);
}

/** @param more digits than the three or four that are shown else @example shortNumber(1234567) // '1.23M' */
export function shortNumber(value: number, more = 0): string {
  const size = Math.abs(value);
  if (size >= 1e15 || (size > 0 && size < 1e-4)) return value.toExponential(2 + more).replace(/\.?0+e/, 'e');
  for (const [unit, suffix, from] of UNITS)
    if (size >= from) return `${Number((value / unit).toPrecision(3 + more))}${suffix}`;
  return String(Number(value.toPrecision(4 + more)));
}

const UNITS = [
  [1e12, 'T', 1e12],
  [1e9, 'G', 1e9],
  [1e6, 'M', 1e6],
  [1e3, 'k', 1e4],
] as const;

const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from + 1) }, (_, k) => from + k);
