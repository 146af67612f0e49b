/**
 * Ranks pages by the links between them (Page and others 1999).
 *
 * Shows: a large RDD that is partitioned and kept once, and a small one that is made anew in each iteration: their join
 * moves no links, because both are spread alike.
 * Data: a generated web of --pages pages (default 1,000), each linking to 1 to 10 others, old pages more often than new ones.
 * Expected: after 10 iterations page 0 leads; the ranks of all pages sum up to their number.
 */
import { parseArgs } from 'node:util';
import type { SheafContext } from 'sheaf';
import { random } from './support/random.js';

export default async function main(sc: SheafContext, args: string[]) {
  const { values } = parseArgs({
    args,
    options: { pages: { type: 'string', default: '1000' }, iterations: { type: 'string', default: '10' } },
  });
  const pages = Number(values.pages);
  const links = sc
    .range(0, pages)
    .map((page) => [page, linksOf(page, pages)])
    .partitionBy(4)
    .cache();
  let ranks = links.mapValues(() => 1);
  for (let iteration = 0; iteration < Number(values.iterations); iteration++) {
    const contributions = links
      .join(ranks)
      .values()
      .flatMap(([targets, rank]) => targets.map((target): [number, number] => [target, rank / targets.length]));
    ranks = contributions.reduceByKey((a, b) => a + b).mapValues((sum) => 0.15 + 0.85 * sum);
  }
  return { top: await ranks.top(5, ([, a], [, b]) => a - b), sum: await ranks.values().sum() };
}

/** Different pages, never the page itself; the next one is among them, so that every page is linked to. */
export function linksOf(page: number, pages: number): number[] {
  const next = random(page);
  const wanted = 1 + Math.floor(10 * next());
  const targets = new Set([(page + 1) % pages]);
  while (targets.size < Math.min(wanted, pages - 1)) {
    const target = Math.floor(pages * next() ** 3);
    if (target !== page) targets.add(target);
  }
  return [...targets];
}
