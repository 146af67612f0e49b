/** A median with the least and the most of its values: of 7 rounds that is the median's 98 % interval (order statistics). */
export interface Interval {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function interval(values: readonly number[]): Interval {
  if (values.length === 0) throw new RangeError('an interval needs a value');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, least: sorted[0]!, most: sorted.at(-1)! };
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** The mean over families of the mean within each. */
export function meanOverFamilies(ratios: readonly { readonly family: string; readonly ratio: number }[]): number {
  const families = new Map<string, number[]>();
  for (const { family, ratio } of ratios) families.set(family, [...(families.get(family) ?? []), ratio]);
  return geometricMean([...families.values()].map(geometricMean));
}
