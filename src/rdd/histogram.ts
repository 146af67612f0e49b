/** `count` buckets of equal width over [min, max]; one bucket when all values are equal. */
export function evenEdges(min: number, max: number, count: number): number[] {
  if (min === max) return [min, max];
  return [...Array.from({ length: count }, (_, i) => min + (i * (max - min)) / count), max];
}

/** Counts a value into its bucket: [a, b), the last one [a, b]. Values outside all buckets, and NaN, are in none. */
export function countInto(counts: number[], value: number, edges: readonly number[]): number[] {
  if (typeof value !== 'number') throw new TypeError(`histogram needs numbers, and a row is of type ${typeof value}`);
  const last = edges.length - 1;
  if (!(value >= edges[0]! && value <= edges[last]!)) return counts;
  let low = 0;
  let high = last - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (edges[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  counts[low]!++;
  return counts;
}
