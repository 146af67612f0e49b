import { randomInt } from 'node:crypto';
import { requireWhole, shown } from '../arguments.js';
import { operatorName } from '../call-site.js';
import { identityOf, isPrimitive } from '../keys.js';
import { keyedRandom } from '../random.js';
import type { RDD } from '../rdd.js';
import { drawIndices, draws, perPartition, sampleRows, splitRows } from '../sampler.js';
import { Actions } from './actions.js';

/**
 * Random parts of an RDD. What is drawn depends on the seed, the partition's number and the row's place in it alone: the
 * same for any number of executors, and when a partition is computed again.
 */
export abstract class Sampling<T> extends Actions<T> {
  /**
   * Takes each row with probability `fraction`; with replacement each `fraction` times on average.
   * @param fraction 0 to 1; with replacement at least 0 @param seed a whole number; default: another one each time
   * @example rows.sample(false, 0.1, 42) // about a tenth of them
   */
  sample(withReplacement: boolean, fraction: number, seed = newSeed()): RDD<T> {
    requireFraction('the fraction of sample', fraction, withReplacement);
    requireSeed(seed);
    const scan = (partition: number) => {
      const random = keyedRandom(seed, 'sample', partition);
      return (rows: readonly T[]) => sampleRows(rows, fraction, withReplacement, random);
    };
    return this.scanned(scan, operatorName('sample'));
  }

  /**
   * As `sample`, with a fraction for each key. A key that has none is an error when the job runs.
   * @param fractions by key; of texts also a plain object
   * @example people.sampleByKey(false, { woman: 0.5, man: 0.1 }, 42)
   */
  sampleByKey<K, V>(
    this: RDD<[K, V]>,
    withReplacement: boolean,
    fractions: ReadonlyMap<K, number> | (K extends string ? Readonly<Record<K, number>> : never),
    seed = newSeed(),
  ): RDD<[K, V]> {
    if (typeof fractions !== 'object' || fractions === null)
      throw new TypeError(`sampleByKey needs a Map or object of fractions, not ${shown(fractions)}`);
    requireSeed(seed);
    const entries = fractions instanceof Map ? [...fractions] : Object.entries<number>(fractions as any);
    const byKey = new Map<unknown, number>();
    for (const [key, fraction] of entries) {
      requireFraction(`the fraction of key ${shown(key)}`, fraction, withReplacement);
      byKey.set(isPrimitive(key) ? key : identityOf(key), fraction);
    }
    const scan = (partition: number) => {
      const random = keyedRandom(seed, 'sampleByKey', partition);
      return (rows: readonly [K, V][]) => {
        const taken: [K, V][] = [];
        for (const row of rows) {
          const fraction = byKey.get(isPrimitive(row[0]) ? row[0] : identityOf(row[0]));
          if (fraction === undefined) throw new TypeError(`there is no fraction for the key ${identityOf(row[0])}`);
          for (let times = draws(fraction, withReplacement, random); times > 0; times--) taken.push(row);
        }
        return taken;
      };
    };
    return this.scanned(scan, operatorName('sampleByKey'));
  }

  /**
   * Splits the rows at random: every row is in exactly one part. Each part is computed by itself; cache this RDD if that costs much.
   * @param weights of the parts; only their ratios count
   * @example const [train, test] = rows.randomSplit([0.8, 0.2], 42);
   */
  randomSplit(weights: readonly number[], seed = newSeed()): RDD<T>[] {
    const bounds = splitBounds(weights);
    requireSeed(seed);
    const name = operatorName('randomSplit');
    return bounds.map(([from, to]) => {
      const scan = (partition: number) => {
        const random = keyedRandom(seed, 'randomSplit', partition);
        return (rows: readonly T[]) => splitRows(rows, from, to, random);
      };
      return this.scanned(scan, name);
    });
  }

  /**
   * A random sample of exactly `count` rows (fewer only when there are fewer and each may be taken once), in random order.
   * Runs two jobs: one counts the rows, one fetches those drawn.
   * @example await rows.takeSample(false, 10, 42)
   */
  async takeSample(withReplacement: boolean, count: number, seed = newSeed()): Promise<T[]> {
    requireWhole('the number of rows to sample', count, 0);
    requireSeed(seed);
    if (count === 0) return [];
    const name = operatorName('takeSample');
    const sizes = await this.countPerPartition();
    const drawn = drawIndices(sumOf(sizes), count, withReplacement, seed);
    const wanted = perPartition(drawn, sizes);
    const scan = (partition: number) => {
      const places = wanted[partition]!.rows;
      let [next, passed] = [0, 0];
      return (rows: readonly T[]) => {
        const taken: T[] = [];
        for (; next < places.length && places[next]! < passed + rows.length; next++)
          taken.push(rows[places[next]! - passed]!);
        passed += rows.length;
        return taken;
      };
    };
    const picked = this.scanned(scan, name);
    const touched = [...wanted.keys()].filter((p) => wanted[p]!.rows.length > 0);
    const found = await picked.rows({ kind: 'collect' }, name, touched);
    const numbers = touched.flatMap((p) => wanted[p]!.rows.map((row) => wanted[p]!.first + row));
    const byNumber = new Map(numbers.map((number, at) => [number, found[at]!]));
    return drawn.map((number) => byNumber.get(number)!);
  }
}

const sumOf = (sizes: readonly number[]) => sizes.reduce((a, b) => a + b, 0);
export const newSeed = () => randomInt(2 ** 47);

/** Where the parts of a `randomSplit` lie between 0 and 1. @throws TypeError, RangeError for what are no weights */
export function splitBounds(weights: readonly number[]): [from: number, to: number][] {
  if (!Array.isArray(weights) || weights.length === 0 || weights.some((weight) => !(weight >= 0 && weight < Infinity)))
    throw new TypeError(`randomSplit needs an array of weights, none below 0, not ${shown(weights)}`);
  const total = weights.reduce((a, b) => a + b, 0);
  if (!(total > 0)) throw new RangeError('the weights of randomSplit must not all be 0');
  let sum = 0;
  return weights.map((weight, part) => {
    const from = sum / total;
    sum += weight;
    return [from, part === weights.length - 1 ? 1 : sum / total];
  });
}

export function requireSeed(seed: unknown): void {
  if (!Number.isSafeInteger(seed)) throw new RangeError(`a seed must be a whole number, not ${shown(seed)}`);
}

export function requireFraction(what: string, fraction: unknown, withReplacement: boolean): void {
  const most = withReplacement ? Number.MAX_VALUE : 1;
  if (typeof withReplacement !== 'boolean')
    throw new TypeError(`withReplacement must be true or false, not ${shown(withReplacement)}`);
  if (typeof fraction !== 'number' || !(fraction >= 0 && fraction <= most))
    throw new RangeError(`${what} must be ${withReplacement ? 'at least 0' : 'from 0 to 1'}, not ${shown(fraction)}`);
}
