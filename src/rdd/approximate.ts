/** An estimate with the interval in which the true value lies with probability `confidence` (Spark's BoundedDouble). */
export interface Bounded {
  readonly mean: number;
  /** 0 to 1; 1 when the value is exact. */
  readonly confidence: number;
  readonly low: number;
  readonly high: number;
}

/**
 * The number of all rows when a share of the partitions held `counted`: as if each row had been seen with probability `share`,
 * so that what is missing is negative binomial, here by its normal approximation.
 */
export function boundedCount(counted: number, share: number, confidence: number): Bounded {
  if (share === 1) return { mean: counted, confidence: 1, low: counted, high: counted };
  if (counted === 0) return { mean: 0, confidence: 0, low: 0, high: Number.POSITIVE_INFINITY };
  const mean = counted / share;
  const spread = normalQuantile((1 + confidence) / 2) * Math.sqrt((counted * (1 - share)) / share ** 2);
  return { mean, confidence, low: Math.max(counted, mean - spread), high: mean + spread };
}

/** Inverse of the standard normal distribution: Acklam's rational approximation, relative error below 1.2e-9. */
export function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p);
  if (p <= 0) return Number.NEGATIVE_INFINITY;
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    return polynomial(TAIL_ABOVE, q) / (polynomial(TAIL_BELOW, q) * q + 1);
  }
  const q = p - 0.5;
  const r = q * q;
  return (polynomial(CENTRE_ABOVE, r) * q) / (polynomial(CENTRE_BELOW, r) * r + 1);
}

const polynomial = (coefficients: readonly number[], x: number) => coefficients.reduce((sum, c) => sum * x + c, 0);

const CENTRE_ABOVE = [
  ...[-3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2],
  ...[1.38357751867269e2, -3.066479806614716e1, 2.506628277459239],
];
const CENTRE_BELOW = [
  ...[-5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2],
  ...[6.680131188771972e1, -1.328068155288572e1],
];
const TAIL_ABOVE = [
  ...[-7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838],
  ...[-2.549732539343734, 4.374664141464968, 2.938163982698783],
];
const TAIL_BELOW = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416];
