/**
 * Makes an index of texts: for each word the files that hold it, those that use it most first.
 *
 * Shows: whole files as rows, pairs as keys, groupByKey, a table kept for later questions.
 * Data: --input DIRECTORY or GLOB of text files; without it the guides of this project. --words WORDS to look up, with commas.
 * Expected on the guides: "shuffle" is found in several files, docs/rdd.md among them.
 */
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { SheafContext } from 'sheaf';

export default async function main(sc: SheafContext, args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      input: { type: 'string', default: fileURLToPath(new URL('../docs/*.md', import.meta.url)) },
      words: { type: 'string', default: 'shuffle,gradient,lineage' },
    },
  });
  const index = sc
    .wholeTextFiles(values.input)
    .flatMap(([path, text]) => wordsOf(text).map((word): [[string, string], number] => [[word, basename(path)], 1]))
    .reduceByKey((a, b) => a + b)
    .map(([[word, file], count]) => [word, { file, count }])
    .groupByKey()
    .mapValues((files) => files.sort((a, b) => b.count - a.count || (a.file < b.file ? -1 : 1)))
    .cache();
  const found: Record<string, { file: string; count: number }[]> = {};
  for (const word of values.words.split(',')) found[word] = (await index.lookup(word))[0] ?? [];
  return { words: await index.count(), found };
}

export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/\p{L}+/gu) ?? [];
}
