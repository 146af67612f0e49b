import { requireSyncFunction, requireWhole, shown } from '../arguments.js';
import { operatorName } from '../call-site.js';
import type { RDD } from '../rdd.js';
import { spreadByKey, spreadByRange, spreadEvenly } from '../shuffle/spread.js';
import type { NotAsync } from './base.js';
import { Joins } from './joins.js';

/**
 * Operators that order rows, and those that change the number of partitions. The natural order: null and undefined, numbers (NaN last),
 * texts by code unit, dates, false before true, arrays by their first difference; keys of different kinds have none.
 */
export abstract class Ordering<T> extends Joins<T> {
  /**
   * All rows in the order of `fn(row)`: partition after partition. Rows that compare equal keep their order.
   * Bounds between partitions come from a sample, which a job of its own takes.
   * @param partitions default: as many as this RDD has @example people.sortBy((person) => [person.city, person.age])
   */
  sortBy<K>(fn: (row: T) => K, ascending = true, partitions?: number, ..._: NotAsync<K>): RDD<T> {
    requireSyncFunction('sortBy', fn);
    if (fn.length > 1)
      throw new TypeError('sortBy needs a function of one row that gives its key, not one that compares two rows');
    return this.derive<[K, T]>({ kind: 'keyBy', fn }, 'sortBy')
      .sorted('sortBy', ascending, partitions)
      .derive<T>({ kind: 'values' }, 'sortBy');
  }

  /** All rows in the order of their keys; see `sortBy`. */
  sortByKey<K, V>(this: RDD<[K, V]>, ascending = true, partitions?: number): RDD<[K, V]> {
    return this.sorted('sortByKey', ascending, partitions);
  }

  /**
   * Moves rows as `partitionBy` does, and orders each partition by key: one pass where a sort after a partitioning would take two.
   * @param place the partition of a key. Default: by a hash of it
   */
  repartitionAndSortWithinPartitions<K, V>(
    this: RDD<[K, V]>,
    partitions: number,
    place?: (key: K) => number,
  ): RDD<[K, V]> {
    const operator = 'repartitionAndSortWithinPartitions';
    requireWhole(`the number of partitions of ${operator}`, partitions, 1);
    if (place) requireSyncFunction(operator, place, 'a function place');
    const name = operatorName(operator);
    const custom = { partitions, partitioner: { kind: 'function' }, functions: { place } } as const;
    const spread = place ? async () => custom : spreadByKey(this.context, this.node, {}, partitions);
    return this.make<[K, V]>(this.context.shuffled(this.node, name, spread as never)).named(
      { kind: 'sort', descending: false },
      name,
    );
  }

  /** Deals the rows out to so many partitions, evenly; their order is not kept. */
  repartition(partitions: number): RDD<T> {
    requireWhole('the number of partitions of repartition', partitions, 1);
    const spread = spreadEvenly(this.context, this.node, partitions);
    return this.make(this.context.shuffled(this.node, operatorName('repartition'), spread));
  }

  /**
   * Makes one partition of several neighbours, in order, without moving rows between slots before they are computed.
   * @param partitions at most so many @param shuffle deal rows out instead (`repartition`). Default false
   */
  coalesce(partitions: number, shuffle = false): RDD<T> {
    requireWhole('the number of partitions of coalesce', partitions, 1);
    return shuffle ? this.repartition(partitions) : this.derive({ kind: 'coalesce', partitions });
  }

  /** Each row of this with each of the other, which has to fit into memory partition by partition. */
  cartesian<U>(other: RDD<U>): RDD<[T, U]> {
    return this.make(
      this.context.newNode(operatorName('cartesian'), { kind: 'cartesian' }, this.withOthers('cartesian', [other])),
    );
  }

  /**
   * The function gets an iterator over the rows of one partition of this and of each other, and returns (or yields) rows.
   * @throws Error by the action when the numbers of partitions differ
   * @example a.zipPartitions([b], (as, bs) => [[...as].length + [...bs].length])
   */
  zipPartitions<Us extends readonly unknown[], R>(
    others: { readonly [I in keyof Us]: RDD<Us[I]> },
    fn: (rows: IterableIterator<T>, ...others: { [I in keyof Us]: IterableIterator<Us[I]> }) => Iterable<R>,
  ): RDD<R> {
    if (!Array.isArray(others)) throw new TypeError(`zipPartitions needs an array of RDDs, not ${shown(others)}`);
    requireSyncFunction('zipPartitions', fn);
    const parents = this.withOthers('zipPartitions', others as readonly RDD<any>[]);
    return this.make(this.context.newNode(operatorName('zipPartitions'), { kind: 'zipPartitions', fn }, parents));
  }

  /**
   * Row k of each partition of this with row k of the same partition of the other.
   * @throws JobError by the action when a partition of one has more rows, Error when the numbers of partitions differ
   */
  zip<U>(other: RDD<U>): RDD<[T, U]> {
    const parents = this.withOthers('zip', [other]);
    const fn = function* (mine: Iterator<unknown>, theirs: Iterator<unknown>) {
      for (;;) {
        const a = mine.next();
        const b = theirs.next();
        if (a.done !== b.done) throw new Error('zip needs partitions with equally many rows');
        if (a.done) return;
        yield [a.value, b.value];
      }
    };
    return this.make(this.context.newNode(operatorName('zip'), { kind: 'zipPartitions', fn }, parents));
  }

  protected sorted<K, V>(this: RDD<[K, V]>, operator: string, ascending: boolean, partitions?: number): RDD<[K, V]> {
    if (typeof ascending !== 'boolean')
      throw new TypeError(`ascending of ${operator} must be true or false, not ${shown(ascending)}`);
    if (partitions !== undefined) requireWhole(`the number of partitions of ${operator}`, partitions, 1);
    const name = operatorName(operator);
    const spread = spreadByRange(this.context, this.node, !ascending, name, partitions);
    return this.make<[K, V]>(this.context.shuffled(this.node, name, spread)).named(
      { kind: 'sort', descending: !ascending },
      name,
    );
  }
}
