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
