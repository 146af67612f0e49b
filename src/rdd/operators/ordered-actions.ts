import { requireSyncFunction, requireWhole } from '../arguments.js';
import { operatorName } from '../call-site.js';
import { compareKeys } from '../keys.js';
import type { RDD } from '../rdd.js';
import { checkedOrder, keepSmallest, type Order, type Smallest } from '../smallest.js';
import { PartitionOperators } from './partitions.js';

/**
 * Actions by order. The natural order: numbers by size (NaN last), texts by code unit, bigints, dates, false before true, arrays by
 * their first difference; null and undefined come first. Values of different kinds have none, and are an error.
 */
export abstract class OrderedActions<T> extends PartitionOperators<T> {
  /**
   * The first `count` rows by `order`, sorted; of equal rows those that come first. No partition answers with more than about twice as many.
   * @example await sc.parallelize([5, 1, 4]).takeOrdered(2) // [1, 4]
   */
  async takeOrdered(count: number, order?: Order<T>): Promise<T[]> {
    return this.#smallest(count, requireOrder('takeOrdered', order), operatorName('takeOrdered'));
  }

  /** The last `count` rows by `order`, the greatest first. @example await sc.parallelize([5, 1, 4]).top(2) // [5, 4] */
  async top(count: number, order?: Order<T>): Promise<T[]> {
    const ascending = requireOrder('top', order);
    return this.#smallest(count, (a, b) => ascending(b, a), operatorName('top'));
  }

  /** The smallest row. @throws Error when there is no row */
  async min(order?: Order<T>): Promise<T> {
    const compare = requireOrder('min', order);
    return this.#extreme((a, b) => (compare(b, a) < 0 ? b : a), 'min');
  }

  /** The greatest row. @throws Error when there is no row */
  async max(order?: Order<T>): Promise<T> {
    const compare = requireOrder('max', order);
    return this.#extreme((a, b) => (compare(b, a) > 0 ? b : a), 'max');
  }

  /** The rows whose key lies in [lower, upper] by the natural order. @example byDay.filterByRange('2024-01-01', '2024-01-31') */
  filterByRange<K, V>(this: RDD<[K, V]>, lower: K, upper: K): RDD<[K, V]> {
    const fn = ([key]: [K, V]) => compareKeys(key, lower) >= 0 && compareKeys(key, upper) <= 0;
    return this.derive({ kind: 'filter', fn }, 'filterByRange');
  }

  async #smallest(count: number, order: Order<T>, name: string): Promise<T[]> {
    requireWhole('the number of rows to take', count, 0);
    if (count === 0) return [];
    const zero: Smallest<T> = { rows: [], full: false };
    const fn = (kept: Smallest<T>, row: T) => keepSmallest(kept, row, count, order);
    const parts = await this.foldPartitions(zero, fn, name);
    return parts
      .flatMap(({ rows }) => rows)
      .sort(order)
      .slice(0, count);
  }

  async #extreme(fn: (a: T, b: T) => T, operator: string): Promise<T> {
    const rows = await this.reducePartitions(fn, operatorName(operator));
    if (rows.length === 0) throw new Error(`${operator}: the RDD is empty`);
    return rows.reduce(fn);
  }
}

function requireOrder<T>(operator: string, order: Order<T> | undefined): Order<T> {
  if (order !== undefined) requireSyncFunction(operator, order, 'an order, a function of two rows,');
  return checkedOrder(order, operator);
}
