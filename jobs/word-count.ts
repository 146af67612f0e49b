/**
 * Counts words: the first program of every dataflow engine.
 *
 * Shows: textFile, flatMap, map to pairs, reduceByKey, top with an order of one's own.
 * Data: --input FILE, DIRECTORY or GLOB of text; without it the licence of this project. --top N words, default 10.
 * Expected on the licence: 1,589 words, 441 different ones; the most frequent is "the", 100 times.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { SheafContext } from 'sheaf';

export default async function main(sc: SheafContext, args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      input: { type: 'string', default: fileURLToPath(new URL('../LICENSE', import.meta.url)) },
      top: { type: 'string', default: '10' },
    },
  });
  const counts = sc
    .textFile(values.input)
    .flatMap((line) => line.toLowerCase().match(/\p{L}+/gu) ?? [])
    .map((word) => [word, 1])
    .reduceByKey((a, b) => a + b)
    .cache();
  const top = await counts.takeOrdered(Number(values.top), ([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return { words: await counts.values().sum(), different: await counts.count(), top };
}
