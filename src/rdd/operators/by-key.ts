import { encodeValue } from '../../executor/closure/index.js';
import type { AnyFunction, CombineStart } from '../../scheduler/step.js';
import { requireSyncFunction, requireWhole } from '../arguments.js';
import { operatorName } from '../call-site.js';
import type { RDD } from '../rdd.js';
import { spreadByKey } from '../shuffle/spread.js';
import type { NotAsync, TupleHint } from './base.js';
import { RowOperators } from './rows.js';

interface Combination extends CombineStart {
  readonly merge: AnyFunction;
  readonly mergeCombined: AnyFunction;
  /** Whether map tasks combine before they send. */
  readonly early: boolean;
}

/**
 * Operators on rows `[key, value]`, by key. A key is a number, text, boolean, bigint, date, null, undefined, or an array or plain
 * object of these, compared by value. `partitions`: of the result; default as many as this RDD has. Rows that are spread by key
 * already are not moved again.
 */
export abstract class ByKey<T> extends RowOperators<T> {
  /**
   * The values of each key as one, merged by an associative and commutative function, first where they are, then together.
   * @example words.map((word) => [word, 1]).reduceByKey((a, b) => a + b)
   */
  reduceByKey<K, V>(this: RDD<[K, V]>, fn: (a: V, b: V) => V | TupleHint, partitions?: number): RDD<[K, V]> {
    requireSyncFunction('reduceByKey', fn);
    return this.combined<K, V, V>('reduceByKey', { merge: fn, mergeCombined: fn, early: true }, partitions);
  }

  /** As `reduceByKey`, each key starting from a copy of `zero`, which must be neutral for `fn`. */
  foldByKey<K, V>(this: RDD<[K, V]>, zero: V, fn: (a: V, b: V) => V | TupleHint, partitions?: number): RDD<[K, V]> {
    requireSyncFunction('foldByKey', fn);
    const how = { zero: encodeValue(zero), merge: fn, mergeCombined: fn, early: true };
    return this.combined<K, V, V>('foldByKey', how, partitions);
  }

  /**
   * Folds the values of each key from a copy of `zero`; `combOp` merges what was folded apart.
   * @example scores.aggregateByKey({ sum: 0, n: 0 }, (a, x) => ({ sum: a.sum + x, n: a.n + 1 }), (a, b) => ({ sum: a.sum + b.sum, n: a.n + b.n }))
   */
  aggregateByKey<K, V, U>(
    this: RDD<[K, V]>,
    zero: U,
    seqOp: (accumulated: U, value: V) => U | TupleHint,
    combOp: (a: U, b: U) => U | TupleHint,
    partitions?: number,
  ): RDD<[K, U]> {
    requireSyncFunction('aggregateByKey', seqOp, 'a function seqOp');
    requireSyncFunction('aggregateByKey', combOp, 'a function combOp');
    const how = { zero: encodeValue(zero), merge: seqOp, mergeCombined: combOp, early: true };
    return this.combined<K, V, U>('aggregateByKey', how, partitions);
  }

  /**
   * The most general of its family: `create` makes a combined value of a key's first value, `mergeValue` adds another,
   * `mergeCombiners` merges what was combined apart.
   * @param mapSideCombine whether rows are combined before they move. Default true
   */
  combineByKey<K, V, C>(
    this: RDD<[K, V]>,
    create: (value: V) => C,
    mergeValue: (combined: C, value: V) => C | TupleHint,
    mergeCombiners: (a: C, b: C) => C | TupleHint,
    partitions?: number,
    mapSideCombine = true,
  ): RDD<[K, C]> {
    requireSyncFunction('combineByKey', create, 'a function create');
    requireSyncFunction('combineByKey', mergeValue, 'a function mergeValue');
    requireSyncFunction('combineByKey', mergeCombiners, 'a function mergeCombiners');
    const how = { create, merge: mergeValue, mergeCombined: mergeCombiners, early: mapSideCombine };
    return this.combined<K, V, C>('combineByKey', how, partitions);
  }

  /** The array of each key's values, which must fit into memory; to fold them, `reduceByKey` and its like move far less. */
  groupByKey<K, V>(this: RDD<[K, V]>, partitions?: number): RDD<[K, V[]]> {
    return this.combined<K, V, V[]>('groupByKey', GROUPING, partitions);
  }

  /** Rows with equal `fn(row)` as one array. @example words.groupBy((word) => word[0]) */
  groupBy<K>(fn: (row: T) => K | TupleHint, partitions?: number, ..._: NotAsync<K>): RDD<[K, T[]]> {
    requireSyncFunction('groupBy', fn);
    const keyed = this.derive<[K, T]>({ kind: 'keyBy', fn }, 'groupBy');
    return keyed.combined<K, T, T[]>('groupBy', GROUPING, partitions);
  }

  /** Each different row once; rows are compared as keys are. */
  distinct(partitions?: number): RDD<T> {
    const how = { merge: (first: unknown) => first, mergeCombined: (first: unknown) => first, early: true };
    const keyed = this.derive<[T, number]>({ kind: 'map', fn: (row: T) => [row, 0] }, 'distinct');
    return keyed.combined<T, number, number>('distinct', how, partitions).derive<T>({ kind: 'keys' }, 'distinct');
  }

  /** Applies `fn` to the values; keys and their places stay. @example pairs.mapValues((x) => x * 2) */
  mapValues<K, V, U>(this: RDD<[K, V]>, fn: (value: V) => U | TupleHint, ..._: NotAsync<U>): RDD<[K, U]> {
    requireSyncFunction('mapValues', fn);
    return this.derive({ kind: 'mapValues', fn });
  }

  /** Any number of values for each value; keys and their places stay. */
  flatMapValues<K, V, U>(this: RDD<[K, V]>, fn: (value: V) => Iterable<U | TupleHint>): RDD<[K, U]> {
    requireSyncFunction('flatMapValues', fn);
    return this.derive({ kind: 'flatMapValues', fn });
  }

  /** Rows `[fn(row), row]`. @example users.keyBy((user) => user.id) */
  keyBy<K>(fn: (row: T) => K | TupleHint, ..._: NotAsync<K>): RDD<[K, T]> {
    requireSyncFunction('keyBy', fn);
    return this.derive({ kind: 'keyBy', fn });
  }

  /** The first of each row's two. */
  keys<K, V>(this: RDD<[K, V]>): RDD<K> {
    return this.derive({ kind: 'keys' });
  }

  /** The second of each row's two. */
  values<K, V>(this: RDD<[K, V]>): RDD<V> {
    return this.derive({ kind: 'values' });
  }

  /**
   * Moves rows so that equal keys are in one partition.
   * @param place the partition of a key, 0 to partitions - 1. Default: by a hash of it
   * @example visits.partitionBy(24, (hour) => hour)
   */
  partitionBy<K, V>(this: RDD<[K, V]>, partitions: number, place?: (key: K) => number): RDD<[K, V]> {
    requireWhole('the number of partitions of partitionBy', partitions, 1);
    const name = operatorName('partitionBy');
    if (!place)
      return this.make(this.context.shuffled(this.node, name, spreadByKey(this.context, this.node, {}, partitions)));
    requireSyncFunction('partitionBy', place, 'a function place');
    const spread = { partitions, partitioner: { kind: 'function' }, functions: { place } } as const;
    return this.make(this.context.shuffled(this.node, name, async () => spread));
  }

  protected combined<K, V, C>(this: RDD<[K, V]>, operator: string, how: Combination, partitions?: number): RDD<[K, C]> {
    if (partitions !== undefined) requireWhole(`the number of partitions of ${operator}`, partitions, 1);
    const name = operatorName(operator);
    const { early, create, zero, merge, mergeCombined } = how;
    const { context } = this;
    const start = { ...(create ? { create } : {}), ...(zero ? { zero } : {}) };
    const spread = spreadByKey(context, this.node, early ? { ...start, merge } : {}, partitions);
    const moved = context.shuffled(this.node, name, spread);
    return this.make(context.newNode(name, { kind: 'combine', early, merge, mergeCombined, ...start }, [moved]));
  }
}

const GROUPING: Combination = {
  create: (value: unknown) => [value],
  merge: (group: unknown[], value: unknown) => {
    group.push(value);
    return group;
  },
  mergeCombined: (group: unknown[], more: unknown[]) => {
    for (const value of more) group.push(value);
    return group;
  },
  early: false,
};
