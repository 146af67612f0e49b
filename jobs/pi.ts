/**
 * Estimates pi: the share of random points of a square that lie in its circle.
 *
 * Shows: a range whose numbers are made where they are used, a generator opened once a partition, a sum.
 * Data: --samples points (default 1,000,000), from a seed for each partition.
 * Expected: 3.14, within 0.01.
 */
import { parseArgs } from 'node:util';
import type { SheafContext } from 'sheaf';
import { random } from './support/random.js';

export default async function main(sc: SheafContext, args: string[]) {
  const { values } = parseArgs({ args, options: { samples: { type: 'string', default: '1000000' } } });
  const samples = Number(values.samples);
  const inside = await sc.range(0, samples, 1, 8).mapPartitionsWithIndex(inCircle).sum();
  return { pi: (4 * inside) / samples, samples };
}

export function* inCircle(seed: number, points: Iterable<number>): Iterable<number> {
  const next = random(seed);
  for (const _ of points) yield (2 * next() - 1) ** 2 + (2 * next() - 1) ** 2 < 1 ? 1 : 0;
}
