/** What a step takes, by Pollux' model (Qiao et al. 2021, section 3.2). */
export interface StepTime {
  /** Seconds a step computes however few rows it has. */
  readonly fixed: number;
  /** Seconds of computing a row of the global batch, all slots working. */
  readonly perRow: number;
  /** Seconds of exchanging gradients. */
  readonly exchange: number;
  /** 1: computing and exchanging follow each other; the larger, the more they overlap. Default 1. */
  readonly overlap?: number;
}

/** Seconds of a step over so many rows: `(compute^γ + exchange^γ)^(1/γ)`. */
export function stepSeconds({ fixed, perRow, exchange, overlap = 1 }: StepTime, batch: number): number {
  const compute = fixed + perRow * batch;
  const longest = Math.max(compute, exchange);
  if (longest === 0) return 0;
  return longest * ((compute / longest) ** overlap + (exchange / longest) ** overlap) ** (1 / overlap);
}

/**
 * What a row of a batch is worth, beside a row of the base batch (Pollux, equation 7; AdaScale's gain over the scale).
 *
 * @param noise the gradient noise scale, in rows
 */
export function statisticalEfficiency(noise: number, batch: number, baseBatch: number): number {
  return noise === Infinity ? 1 : (noise + baseBatch) / (noise + batch);
}

/** Rows a second that count: throughput times statistical efficiency. */
export function goodput(batch: number, seconds: number, noise: number, baseBatch: number): number {
  return (batch / seconds) * statisticalEfficiency(noise, batch, baseBatch);
}

/**
 * The batch of the highest goodput; of equals the smallest.
 *
 * @param candidates at least one
 * @example bestBatch([256, 512, 1024], { fixed: 0.001, perRow: 1e-6, exchange: 0.002 }, 800, 256)
 */
export function bestBatch(candidates: readonly number[], time: StepTime, noise: number, baseBatch: number) {
  const rated = candidates
    .toSorted((a, b) => a - b)
    .map((batch) => ({ batch, goodput: goodput(batch, stepSeconds(time, batch), noise, baseBatch) }));
  return rated.reduce((best, each) => (each.goodput > best.goodput ? each : best));
}

/** What the next batch is chosen from. */
export interface BatchChoice {
  readonly batch: number;
  readonly min: number;
  readonly max: number;
  /** Most that the batch is multiplied or divided by. */
  readonly growth: number;
  readonly baseBatch: number;
  /** The gradient noise scale, in rows; undefined: not known. */
  readonly noise: number | undefined;
  /** undefined: only one batch has been measured. */
  readonly time: StepTime | undefined;
}

/** Candidates lie apart by this factor: nearer ones differ by less than measurements do. */
const GRID = 2 ** 0.25;
/** A change for less is not worth the graphs that are compiled for other numbers of rows. */
const WORTH = 1.03;

/**
 * The batch of the next epoch, by goodput (Pollux, section 4.2). Pure. While only one batch was measured, another is tried if
 * the noise allows it: the larger one, as without a second one nothing can be known.
 *
 * @returns the same batch where no other is predicted to be better by 3 %
 */
export function nextBatch({ batch, min, max, growth, baseBatch, noise, time }: BatchChoice): number {
  if (noise === undefined) return batch;
  const within = (rows: number) => Math.min(Math.max(Math.round(rows), min), max);
  if (!time) return noise >= batch ? within(batch * growth) : batch;
  const steps = Math.floor(Math.log(growth) / Math.log(GRID) + 1e-9);
  const factors = Array.from({ length: 2 * steps + 1 }, (_, k) => GRID ** (k - steps));
  const candidates = [...factors, growth, 1 / growth].map((factor) => within(batch * factor));
  const best = bestBatch(candidates, time, noise, baseBatch);
  const now = goodput(batch, stepSeconds(time, batch), noise, baseBatch);
  return best.goodput > WORTH * now ? best.batch : batch;
}
