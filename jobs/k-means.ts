/**
 * Finds the centres of clusters (Lloyd 1982).
 *
 * Shows: cached points, a sample as the first centres, centres captured anew in each iteration, sums and counts by key.
 * Data: --points points (default 2,000) around four centres, (±3, ±3), with a standard deviation of 1.
 * Expected: the four centres, to within 0.2.
 */
import { parseArgs } from 'node:util';
import type { SheafContext } from 'sheaf';
import { normal, random } from './support/random.js';

export type Point = [x: number, y: number];

export default async function main(sc: SheafContext, args: string[]) {
  const { values } = parseArgs({ args, options: { points: { type: 'string', default: '2000' } } });
  const points = sc.range(0, Number(values.points)).map(pointOf).cache();
  let centres = await points.takeSample(false, 4, 42);
  let iterations = 0;
  for (let moved = Number.POSITIVE_INFINITY; moved > 1e-6; iterations++) {
    const closest = points.map((point) => [nearest(point, centres), [point, 1]]);
    const sums = closest.reduceByKey(([p, m], [q, n]) => [[p[0] + q[0], p[1] + q[1]], m + n]);
    const found = await sums.mapValues(([[x, y], n]): Point => [x / n, y / n]).collectAsMap();
    const next = centres.map((centre, k) => found.get(k) ?? centre);
    moved = next.reduce((sum, centre, k) => sum + squaredDistance(centre, centres[k]!), 0);
    centres = next;
  }
  return { centres: centres.sort(([a, b], [c, d]) => a - c || b - d), iterations };
}

/** Points 0, 1, 2 and 3 lie around different centres, and so on. */
export function pointOf(i: number): Point {
  const next = random(i);
  return [(i & 1 ? 3 : -3) + normal(next), (i & 2 ? 3 : -3) + normal(next)];
}

export function squaredDistance([a, b]: Point, [c, d]: Point): number {
  return (a - c) ** 2 + (b - d) ** 2;
}

export function nearest(point: Point, centres: readonly Point[]): number {
  let best = 0;
  for (let k = 1; k < centres.length; k++)
    if (squaredDistance(point, centres[k]!) < squaredDistance(point, centres[best]!)) best = k;
  return best;
}
