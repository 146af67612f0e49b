import { shown } from '../arguments.js';
import { operatorName } from '../call-site.js';
import { countInto, evenEdges } from '../histogram.js';
import type { RDD } from '../rdd.js';
import { addMoment, type Moments, mergeMoments, noMoments, StatCounter } from '../stat-counter.js';
import { CountingActions } from './counting.js';

/** Statistics of numbers: only for an `RDD<number>`. What is no number at run time is an error. */
export abstract class NumericActions<T> extends CountingActions<T> {
  /** 0 without rows. Added up in float64, partition by partition. */
  async sum(this: RDD<number>): Promise<number> {
    const add = (sum: number, value: number) => {
      if (typeof value !== 'number') throw new TypeError(`sum needs numbers, and a row is of type ${typeof value}`);
      return sum + value;
    };
    const sums = await this.foldPartitions(0, add, operatorName('sum'));
    return sums.reduce((a, b) => a + b, 0);
  }

  /** NaN without rows. */
  async mean(this: RDD<number>): Promise<number> {
    const { count, mean } = await this.statistics(operatorName('mean'));
    return count === 0 ? Number.NaN : mean;
  }

  /** Of the whole population: divided by the number of rows. NaN without rows. */
  async variance(this: RDD<number>): Promise<number> {
    return (await this.statistics(operatorName('variance'))).variance;
  }

  /** Of a sample: divided by the number of rows less one. NaN below two rows. */
  async sampleVariance(this: RDD<number>): Promise<number> {
    return (await this.statistics(operatorName('sampleVariance'))).sampleVariance;
  }

  /** Root of `variance`. */
  async stdev(this: RDD<number>): Promise<number> {
    return (await this.statistics(operatorName('stdev'))).stdev;
  }

  /** Root of `sampleVariance`. */
  async sampleStdev(this: RDD<number>): Promise<number> {
    return (await this.statistics(operatorName('sampleStdev'))).sampleStdev;
  }

  /** Count, mean, variances, minimum and maximum in one pass. @example const { mean, stdev } = await heights.stats(); */
  async stats(this: RDD<number>): Promise<StatCounter> {
    return this.statistics(operatorName('stats'));
  }

  /**
   * With a number: that many buckets of equal width between minimum and maximum (one when these are equal), and the rows in
   * each. With edges, ascending: only the counts. A bucket is [a, b), the last one [a, b]; values outside are not counted.
   * @throws RangeError when the number of buckets is given and the RDD is empty or holds NaN or an infinity
   * @example await sc.range(0, 51).histogram(2) // [[0, 25, 50], [25, 26]]
   */
  async histogram(this: RDD<number>, buckets: number): Promise<[edges: number[], counts: number[]]>;
  async histogram(this: RDD<number>, edges: readonly number[]): Promise<number[]>;
  async histogram(
    this: RDD<number>,
    buckets: number | readonly number[],
  ): Promise<number[] | [edges: number[], counts: number[]]> {
    const name = operatorName('histogram');
    if (typeof buckets !== 'number') return this.bucketCounts(requireEdges(buckets), name);
    if (!Number.isSafeInteger(buckets) || buckets < 1)
      throw new RangeError(`histogram needs at least 1 bucket, or their edges, not ${shown(buckets)}`);
    const { min, max } = await this.statistics(name);
    if (!Number.isFinite(min) || !Number.isFinite(max))
      throw new RangeError('histogram: the RDD is empty, or holds NaN or an infinity; give the edges of the buckets');
    const edges = evenEdges(min, max, buckets);
    return [edges, await this.bucketCounts(edges, name)];
  }

  protected async statistics(this: RDD<number>, name: string): Promise<StatCounter> {
    const parts = await this.foldPartitions<Moments>(noMoments(), addMoment, name);
    return new StatCounter(parts.reduce(mergeMoments, noMoments()));
  }

  protected async bucketCounts(this: RDD<number>, edges: readonly number[], name: string): Promise<number[]> {
    const zero = new Array<number>(edges.length - 1).fill(0);
    const parts = await this.foldPartitions(zero, (counts, value) => countInto(counts, value, edges), name);
    return zero.map((_, bucket) => parts.reduce((sum, counts) => sum + counts[bucket]!, 0));
  }
}

function requireEdges(edges: unknown): readonly number[] {
  const usable = Array.isArray(edges) && edges.length >= 2 && edges.every((edge) => typeof edge === 'number');
  if (!usable || edges.some((edge, i) => i > 0 && !(edges[i - 1]! < edge)))
    throw new RangeError(`histogram needs at least two edges in ascending order, not ${shown(edges)}`);
  return [...edges];
}
