import { keyedRandom, type Random } from './random.js';

/** Each row with probability `fraction`, or, with replacement, a Poisson-distributed number of times with that mean. */
export function sampleRows<T>(rows: Iterable<T>, fraction: number, withReplacement: boolean, random: Random): T[] {
  const taken: T[] = [];
  for (const row of rows)
    for (let times = draws(fraction, withReplacement, random); times > 0; times--) taken.push(row);
  return taken;
}

/** How often a row of a sample is taken. */
export function draws(fraction: number, withReplacement: boolean, random: Random): number {
  return withReplacement ? poisson(fraction, random) : Number(random.uniform() < fraction);
}

/** The rows whose draw falls into [from, to): the parts of a split use one sequence of draws, so they share no row. */
export function splitRows<T>(rows: Iterable<T>, from: number, to: number, random: Random): T[] {
  const taken: T[] = [];
  for (const row of rows) {
    const draw = random.uniform();
    if (draw >= from && draw < to) taken.push(row);
  }
  return taken;
}

/** Knuth's product of uniforms; a large mean is a sum of smaller ones, which keeps exp(-mean) from underflowing. */
export function poisson(mean: number, random: Random): number {
  const most = 30;
  let count = 0;
  for (let left = mean; left > 0; left -= most) {
    const limit = Math.exp(-Math.min(left, most));
    for (let product = random.uniform(); product > limit; product *= random.uniform()) count++;
  }
  return count;
}

/**
 * Row numbers of a random sample, in random order.
 * @param total number of rows @returns `count` of them; without replacement at most `total`, each once
 */
export function drawIndices(total: number, count: number, withReplacement: boolean, seed: number): number[] {
  const random = keyedRandom(seed, 'takeSample');
  const below = (bound: number) => Math.floor(random.uniform() * bound);
  if (total === 0) return [];
  if (withReplacement) return Array.from({ length: count }, () => below(total));
  // Fisher and Yates, of which only what was moved is stored.
  const moved = new Map<number, number>();
  return Array.from({ length: Math.min(count, total) }, (_, i) => {
    const j = i + below(total - i);
    const drawn = moved.get(j) ?? j;
    moved.set(j, moved.get(i) ?? i);
    return drawn;
  });
}

/** For each partition the number of its first row in the whole data set, and which of its own rows are drawn, ascending, each once. */
export function perPartition(
  drawn: readonly number[],
  sizes: readonly number[],
): { readonly first: number; readonly rows: number[] }[] {
  const sorted = [...new Set(drawn)].sort((a, b) => a - b);
  let first = 0;
  let next = 0;
  return sizes.map((size) => {
    const part = { first, rows: [] as number[] };
    for (; next < sorted.length && sorted[next]! < first + size; next++) part.rows.push(sorted[next]! - first);
    first += size;
    return part;
  });
}
