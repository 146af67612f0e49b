/** Running moments of one partition's numbers, as plain numbers: count, mean, sum of squared deviations, minimum, maximum. */
export type Moments = [count: number, mean: number, m2: number, min: number, max: number];

export const noMoments = (): Moments => [0, 0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

/** One number more (Welford 1962); changes `moments`. @throws TypeError for what is no number */
export function addMoment(moments: Moments, value: number): Moments {
  if (typeof value !== 'number') throw new TypeError(`statistics need numbers, and a row is of type ${typeof value}`);
  const count = moments[0] + 1;
  const difference = value - moments[1];
  moments[0] = count;
  moments[1] += difference / count;
  moments[2] += difference * (value - moments[1]);
  moments[3] = Math.min(moments[3], value);
  moments[4] = Math.max(moments[4], value);
  return moments;
}

/** Of both together (Chan, Golub, LeVeque 1979). */
export function mergeMoments(a: Moments, b: Moments): Moments {
  if (a[0] === 0) return b;
  if (b[0] === 0) return a;
  const count = a[0] + b[0];
  const difference = b[1] - a[1];
  // The larger side's mean is corrected by the smaller's share; with equals that would cancel, so they are averaged.
  const alike = a[0] < 10 * b[0] && b[0] < 10 * a[0];
  const mean = alike
    ? (a[1] * a[0] + b[1] * b[0]) / count
    : a[0] > b[0]
      ? a[1] + (difference * b[0]) / count
      : b[1] - (difference * a[0]) / count;
  const m2 = a[2] + b[2] + (difference * difference * a[0] * b[0]) / count;
  return [count, mean, m2, Math.min(a[3], b[3]), Math.max(a[4], b[4])];
}

/**
 * Statistics of numbers, made in one pass (Spark's StatCounter). Without rows `mean` is 0, as are `count` and `sum`, `min` is
 * Infinity, `max` -Infinity, and what divides by the number of rows is NaN.
 */
export class StatCounter {
  readonly count: number;
  readonly mean: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  /** Of the whole population: divided by `count`. */
  readonly variance: number;
  /** Of a sample: divided by `count - 1`. */
  readonly sampleVariance: number;
  /** Root of `variance`. */
  readonly stdev: number;
  /** Root of `sampleVariance`. */
  readonly sampleStdev: number;

  constructor([count, mean, m2, min, max]: Moments) {
    this.count = count;
    this.mean = mean;
    this.sum = count * mean;
    this.min = min;
    this.max = max;
    this.variance = count === 0 ? Number.NaN : m2 / count;
    this.sampleVariance = count <= 1 ? Number.NaN : m2 / (count - 1);
    this.stdev = Math.sqrt(this.variance);
    this.sampleStdev = Math.sqrt(this.sampleVariance);
  }

  /** Of both together, as if made of all their numbers. */
  merge(other: StatCounter): StatCounter {
    return new StatCounter(mergeMoments(momentsOf(this), momentsOf(other)));
  }
}

function momentsOf({ count, mean, variance, min, max }: StatCounter): Moments {
  return [count, mean, count === 0 ? 0 : variance * count, min, max];
}
