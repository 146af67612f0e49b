import { requireFunction } from '../arguments.js';
import { operatorName } from '../call-site.js';
import type { RDD } from '../rdd.js';
import type { Awaitable, TupleHint } from './base.js';
import { Persistable } from './persistence.js';

/** What a function may return that makes any number of rows. */
type Rows<U> = Awaitable<Iterable<U>> | AsyncIterable<U>;

/** Transformations within a partition, and those that put partitions side by side: nothing is moved. */
export abstract class RowOperators<T> extends Persistable<T> {
  /** One row for each row. @example sc.parallelize([1, 2]).map((x) => x * 2) // 2, 4 */
  map<U>(fn: (row: T) => Awaitable<U | TupleHint>): RDD<U> {
    requireFunction('map', fn);
    return this.derive({ kind: 'map', fn });
  }

  /** The rows for which `fn` is true; a type guard narrows the row's type. @example lines.filter((line) => line !== '') */
  filter<S extends T>(fn: (row: T) => row is S): RDD<S>;
  filter(fn: (row: T) => Awaitable<boolean>): RDD<T>;
  filter(fn: (row: T) => Awaitable<boolean>): RDD<T> {
    requireFunction('filter', fn);
    return this.derive({ kind: 'filter', fn });
  }

  /**
   * Any number of rows for each row: what the array, Set, generator, … that `fn` returns gives. A string gives its characters.
   * @example lines.flatMap((line) => line.split(' '))
   */
  flatMap<U>(fn: (row: T) => Rows<U | TupleHint>): RDD<U> {
    requireFunction('flatMap', fn);
    return this.derive({ kind: 'flatMap', fn });
  }

  /**
   * The function gets all rows of a partition at once, and returns (or yields) the new ones: for what is opened once a partition.
   * @example rows.mapPartitions(function* (rows) { const db = open(); for (const row of rows) yield db.find(row); })
   */
  mapPartitions<U>(fn: (rows: IterableIterator<T>) => Rows<U | TupleHint>): RDD<U> {
    requireFunction('mapPartitions', fn);
    return this.derive({ kind: 'mapPartitions', fn, withIndex: false });
  }

  /** As `mapPartitions`, with the number of the partition, from 0. */
  mapPartitionsWithIndex<U>(fn: (index: number, rows: IterableIterator<T>) => Rows<U | TupleHint>): RDD<U> {
    requireFunction('mapPartitionsWithIndex', fn);
    return this.derive({ kind: 'mapPartitions', fn, withIndex: true }, 'mapPartitionsWithIndex');
  }

  /** One array a partition. @example sc.parallelize([1, 2, 3], 2).glom() // [1], [2, 3] */
  glom(): RDD<T[]> {
    return this.derive({ kind: 'mapPartitions', fn: (rows: Iterable<T>) => [[...rows]], withIndex: false }, 'glom');
  }

  /** The partitions of this and then of the others; nothing is moved, duplicates stay. @throws TypeError for what is no RDD of this context */
  union<U = T>(...others: RDD<U>[]): RDD<T | U> {
    return this.make<T | U>(
      this.context.newNode(operatorName('union'), { kind: 'union' }, this.withOthers('union', others)),
    );
  }
}
