/**
 * The 19 features of one channel over one window, in the order in which `ChannelFeatures.write` writes them. They
 * describe level (mean, quartiles), spread, speed of change and the rhythm of movement (`dft1` to `dft8`).
 */
export const CHANNEL_FEATURES = [
  'mean',
  'deviation',
  'min',
  'max',
  'median',
  'quartile1',
  'quartile3',
  'meanAbsoluteDifference',
  'differenceDeviation',
  'energy',
  'meanCrossings',
  'dft1',
  'dft2',
  'dft3',
  'dft4',
  'dft5',
  'dft6',
  'dft7',
  'dft8',
] as const;

export type NumericArray =
  | Float32Array
  | Float64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint32Array
  | Uint16Array
  | Uint8Array;

const BINS = 8;
export const SMALLEST_WINDOW = 2 * BINS;

/**
 * Computes features in float64, without an allocation a window. A result depends on the window's values alone.
 *
 * Deviations divide by the number of values; quartiles interpolate as numpy and R (type 7) do; energy is the mean
 * square; `meanCrossings` the share of neighbours on different sides of the mean; `dft<k>` the amplitude of the k-th
 * Fourier coefficient, |sum of x·exp(-2πik·t/size)| / size, at k·sampleRate/size Hz.
 */
export class ChannelFeatures {
  readonly #window: Float64Array;
  /** The bucket of each value of the window. */
  readonly #buckets: Int32Array;
  /** Where each bucket ends in `#dealt`. */
  readonly #ends: Int32Array;
  /** The window's values, bucket by bucket. */
  readonly #dealt: Float64Array;
  /** cos and sin of 2πk·t/size for t = 1 to below size/2: row t, then k, then (cos, sin). */
  readonly #waves: Float64Array;

  constructor(size: number) {
    this.#window = new Float64Array(size);
    this.#buckets = new Int32Array(size);
    this.#ends = new Int32Array(size >> 1);
    this.#dealt = new Float64Array(size);
    const half = (size - 1) >> 1;
    this.#waves = new Float64Array(half * 2 * BINS);
    for (let t = 1; t <= half; t++) {
      for (let k = 1; k <= BINS; k++) {
        const at = ((t - 1) * BINS + k - 1) * 2;
        this.#waves[at] = Math.cos((2 * Math.PI * ((k * t) % size)) / size);
        this.#waves[at + 1] = Math.sin((2 * Math.PI * ((k * t) % size)) / size);
      }
    }
  }

  /**
   * Writes the features of `values[start]` to `values[start + size - 1]` to `out[at]` and the 18 places behind.
   * @returns false, and writes nothing, when one of the values is not finite
   */
  write(values: NumericArray, start: number, out: Float32Array, at: number): boolean {
    const x = this.#window;
    const size = x.length;
    let sum = 0;
    let min = values[start]!;
    let max = min;
    let last = min;
    let steps = 0;
    let squaredSteps = 0;
    for (let t = 0; t < size; t++) {
      const value = values[start + t]!;
      x[t] = value;
      const step = value - last;
      last = value;
      sum += value;
      steps += Math.abs(step);
      squaredSteps += step * step;
      if (value < min) min = value;
      if (value > max) max = value;
    }
    if (!Number.isFinite(sum)) return false;
    const mean = sum / size;
    let squares = 0;
    let crossings = 0;
    let above = x[0]! > mean ? 1 : 0;
    for (let t = 0; t < size; t++) {
      const centred = x[t]! - mean;
      squares += centred * centred;
      // Without a branch, which noise would make a costly guess.
      const isAbove = centred > 0 ? 1 : 0;
      crossings += above ^ isAbove;
      above = isAbove;
    }
    const variance = squares / size;
    const drift = (last - x[0]!) / (size - 1);
    out[at] = mean;
    out[at + 1] = Math.sqrt(variance);
    out[at + 2] = min;
    out[at + 3] = max;
    this.#writeQuartiles(out, at + 4, min, max);
    out[at + 7] = steps / (size - 1);
    out[at + 8] = Math.sqrt(Math.max(0, squaredSteps / (size - 1) - drift * drift));
    out[at + 9] = variance + mean * mean;
    out[at + 10] = crossings / (size - 1);
    this.#writeAmplitudes(out, at + 11);
    return true;
  }

  /**
   * Median, then the lower and the upper quartile. Values are dealt to buckets between the smallest and the largest,
   * which leaves only the bucket that holds a rank to be searched: four times faster than selection in the whole window.
   */
  #writeQuartiles(out: Float32Array, at: number, min: number, max: number): void {
    const x = this.#window;
    const size = x.length;
    const buckets = this.#buckets;
    const ends = this.#ends.fill(0);
    const count = ends.length;
    const scale = count / (max - min);
    for (let t = 0; t < size; t++) {
      const bucket = bucketOf(x[t]!, min, scale, count);
      buckets[t] = bucket;
      ends[bucket]!++;
    }
    for (let bucket = 0, end = 0; bucket < count; bucket++) {
      const held = ends[bucket]!;
      ends[bucket] = end;
      end += held;
    }
    const dealt = this.#dealt;
    for (let t = 0; t < size; t++) dealt[ends[buckets[t]!]!++] = x[t]!;
    out[at] = this.#quantile((size - 1) / 2, min, scale);
    out[at + 1] = this.#quantile((size - 1) / 4, min, scale);
    out[at + 2] = this.#quantile(((size - 1) * 3) / 4, min, scale);
  }

  #quantile(rank: number, min: number, scale: number): number {
    const below = Math.floor(rank);
    const low = this.#ranked(below, min, scale);
    return below === rank ? low : low + (rank - below) * (this.#ranked(below + 1, min, scale) - low);
  }

  /** The value of a whole rank. */
  #ranked(rank: number, min: number, scale: number): number {
    const dealt = this.#dealt;
    const bucket = bucketOf(dealt[rank]!, min, scale, this.#ends.length);
    select(dealt, rank, bucket === 0 ? 0 : this.#ends[bucket - 1]!, this.#ends[bucket]! - 1);
    return dealt[rank]!;
  }

  /** A real signal: x(t) and x(size - t) meet the same cosine and opposite sines, which halves the work. */
  #writeAmplitudes(out: Float32Array, at: number): void {
    const x = this.#window;
    const size = x.length;
    const waves = this.#waves;
    const half = (size - 1) >> 1;
    const middle = size % 2 === 0 ? x[size / 2]! : 0;
    // Four coefficients at a time: their eight sums stay in registers.
    for (let first = 0; first < BINS; first += 4) {
      let re0 = 0;
      let im0 = 0;
      let re1 = 0;
      let im1 = 0;
      let re2 = 0;
      let im2 = 0;
      let re3 = 0;
      let im3 = 0;
      for (let t = 1, w = 2 * first; t <= half; t++, w += 2 * BINS) {
        const even = x[t]! + x[size - t]!;
        const odd = x[t]! - x[size - t]!;
        re0 += even * waves[w]!;
        im0 += odd * waves[w + 1]!;
        re1 += even * waves[w + 2]!;
        im1 += odd * waves[w + 3]!;
        re2 += even * waves[w + 4]!;
        im2 += odd * waves[w + 5]!;
        re3 += even * waves[w + 6]!;
        im3 += odd * waves[w + 7]!;
      }
      const odd = x[0]! - middle;
      const even = x[0]! + middle;
      out[at + first] = Math.sqrt((re0 + odd) ** 2 + im0 * im0) / size;
      out[at + first + 1] = Math.sqrt((re1 + even) ** 2 + im1 * im1) / size;
      out[at + first + 2] = Math.sqrt((re2 + odd) ** 2 + im2 * im2) / size;
      out[at + first + 3] = Math.sqrt((re3 + even) ** 2 + im3 * im3) / size;
    }
  }
}

/** Monotonous in the value. All values fall into the first bucket when they are equal, or too far apart for a scale. */
function bucketOf(value: number, min: number, scale: number, buckets: number): number {
  return Math.min(((value - min) * scale) | 0, buckets - 1);
}

/** Hoare's selection: puts the value of that rank in its place, smaller ones before it and greater ones behind it. */
function select(values: Float64Array, rank: number, from: number, to: number): void {
  let left = from;
  let right = to;
  while (left < right) {
    const pivot = values[rank]!;
    let i = left;
    let j = right;
    while (i <= j) {
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
      if (i > j) break;
      const swapped = values[i]!;
      values[i] = values[j]!;
      values[j] = swapped;
      i++;
      j--;
    }
    if (j < rank) left = i;
    if (rank < i) right = j;
  }
}
