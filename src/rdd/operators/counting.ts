import { type Bounded, boundedCount } from '../approximate.js';
import { requireSyncFunction, shown } from '../arguments.js';
import { operatorName } from '../call-site.js';
import { estimate, mergeRegisters, noteValue, precisionFor } from '../hyper-log-log.js';
import { identityOf, isPrimitive } from '../keys.js';
import { isPromise, refuseRow } from '../operator-failure.js';
import type { RDD } from '../rdd.js';
import { type ByValue, countByValueInto, mapOf, mergeByValue, nothingByValue } from '../value-counts.js';
import { OrderedActions } from './ordered-actions.js';

/**
 * Actions that answer with a Map, or a number of rows. Values and keys are compared by value: arrays, plain objects and dates too,
 * of which the first that was met stands in the Map. The Map is made in the driver and must fit there.
 */
export abstract class CountingActions<T> extends OrderedActions<T> {
  /** How often each value occurs. @example await sc.parallelize(['a', 'b', 'a']).countByValue() // Map { a: 2, b: 1 } */
  async countByValue(): Promise<Map<T, number>> {
    const parts = await this.foldPartitions(nothingByValue<number>(), countByValueInto, operatorName('countByValue'));
    return mapOf(parts, (a, b) => a + b);
  }

  /** How many rows each key has. */
  async countByKey<K, V>(this: RDD<[K, V]>): Promise<Map<K, number>> {
    const name = operatorName('countByKey');
    const keys = this.named<K>({ kind: 'keys' }, name);
    const parts = await keys.foldPartitions(nothingByValue<number>(), countByValueInto, name);
    return mapOf(parts, (a, b) => a + b);
  }

  /** `reduceByKey` whose result is a Map in the driver. `fn` must be associative. */
  async reduceByKeyLocally<K, V>(this: RDD<[K, V]>, fn: (a: V, b: V) => V): Promise<Map<K, V>> {
    requireSyncFunction('reduceByKeyLocally', fn);
    const merge = (a: V, b: V) => {
      const merged = fn(a, b);
      if (isPromise(merged)) throw new TypeError('a promise was returned: the function must answer at once');
      return merged;
    };
    return this.#mergedLocally('reduceByKeyLocally', merge);
  }

  /** All pairs; of those with equal keys the last. */
  async collectAsMap<K, V>(this: RDD<[K, V]>): Promise<Map<K, V>> {
    return this.#mergedLocally('collectAsMap', (_: V, value: V) => value);
  }

  /** The values of a key, in the order of rows. */
  async lookup<K, V>(this: RDD<[K, V]>, key: K): Promise<V[]> {
    const name = operatorName('lookup');
    const wanted = isPrimitive(key) ? undefined : identityOf(key);
    const isWanted =
      wanted === undefined
        ? (other: K) => other === key || Object.is(other, key)
        : (other: K) => !isPrimitive(other) && identityOf(other) === wanted;
    const fn = (row: [K, V]) => isWanted(keyOf(row, name));
    const found = this.named<[K, V]>({ kind: 'filter', fn }, name);
    return found.named<V>({ kind: 'map', fn: (row: [K, V]) => row[1] }, name).rows({ kind: 'collect' }, name);
  }

  /**
   * The number of rows as far as it is known after some time: partitions are counted until then, and the rest is taken to be like
   * them. Exact, with confidence 1, when the time is enough for all.
   * @param timeoutMs milliseconds @param confidence of the interval, above 0 and below 1
   */
  async countApprox(timeoutMs: number, confidence = 0.95): Promise<Bounded> {
    if (!(timeoutMs >= 0))
      throw new RangeError(`the timeout of countApprox must be at least 0, not ${shown(timeoutMs)}`);
    if (!(confidence > 0 && confidence < 1))
      throw new RangeError(`the confidence of countApprox must lie between 0 and 1, not ${shown(confidence)}`);
    const name = operatorName('countApprox');
    const { clock } = this.context.bus;
    const end = clock.now() + timeoutMs;
    const total = await this.getNumPartitions();
    let counted = 0;
    let done = 0;
    for (let width = this.context.defaultParallelism; done < total && clock.now() < end; width *= 2) {
      const partitions = [...Array(Math.min(width, total - done)).keys()].map((k) => done + k);
      const wave = this.context.runJob(
        { top: this.node, terminal: { kind: 'count' }, name, partitions },
        async (answer) => answer as number,
      );
      const counts = await before(wave, clock, end);
      if (!counts) break;
      counted += counts.reduce((a, b) => a + b, 0);
      done += partitions.length;
    }
    return boundedCount(counted, total === 0 ? 1 : done / total, confidence);
  }

  /**
   * About how many different values there are (HyperLogLog). Each partition answers with about 1.1 / relativeSD² bytes.
   * @param relativeSD relative standard error; default 0.05, at least 0.0003
   */
  async countApproxDistinct(relativeSD = 0.05): Promise<number> {
    const precision = requirePrecision(relativeSD);
    const note = (registers: Uint8Array, row: T) => noteValue(registers, row, precision);
    const empty = new Uint8Array(2 ** precision);
    const parts = await this.foldPartitions(empty, note, operatorName('countApproxDistinct'));
    return estimate(parts.reduce(mergeRegisters, empty), precision);
  }

  /** `countApproxDistinct` of each key's values. */
  countApproxDistinctByKey<K, V>(this: RDD<[K, V]>, relativeSD = 0.05, partitions?: number): RDD<[K, number]> {
    const precision = requirePrecision(relativeSD);
    const note = (registers: Uint8Array, value: V) => noteValue(registers, value, precision);
    return this.aggregateByKey(new Uint8Array(2 ** precision), note, mergeRegisters, partitions).mapValues(
      (registers) => estimate(registers, precision),
    );
  }

  async #mergedLocally<K, V>(this: RDD<[K, V]>, operator: string, merge: (a: V, b: V) => V): Promise<Map<K, V>> {
    const name = operatorName(operator);
    const add = (all: ByValue<V>, row: [K, V]) => mergeByValue(all, keyOf(row, name), row[1], merge);
    return mapOf(await this.foldPartitions(nothingByValue<V>(), add, name), merge);
  }
}

function keyOf<K>(row: readonly [K, unknown], operator: string): K {
  if (!Array.isArray(row) || row.length !== 2) refuseRow(operator, row);
  return row[0];
}

function requirePrecision(relativeSD: number): number {
  if (relativeSD >= 0.0003 && relativeSD < 1) return precisionFor(relativeSD);
  throw new RangeError(`relativeSD must be at least 0.0003 and below 1, not ${shown(relativeSD)}`);
}

/** Undefined when the work is not done at `end`; it goes on, and nobody hears of it. */
async function before<R>(
  work: Promise<R>,
  clock: { now(): number; after(ms: number, run: () => void): () => void },
  end: number,
): Promise<R | undefined> {
  let forget = () => {};
  const late = new Promise<undefined>((resolve) => {
    forget = clock.after(Math.max(0, end - clock.now()), () => resolve(undefined));
  });
  try {
    work.catch(() => {});
    return await Promise.race([work, late]);
  } finally {
    forget();
  }
}
