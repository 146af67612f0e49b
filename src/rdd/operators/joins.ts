import type { LineageNode } from '../../scheduler/lineage.js';
import type { Step } from '../../scheduler/step.js';
import { requireWhole } from '../arguments.js';
import { operatorName } from '../call-site.js';
import type { RDD } from '../rdd.js';
import { spreadAlike } from '../shuffle/spread.js';
import { ByKey } from './by-key.js';

type Groups<Vs extends readonly unknown[]> = { -readonly [I in keyof Vs]: Vs[I][] };
type Keyed<K, Vs extends readonly unknown[]> = { readonly [I in keyof Vs]: RDD<[K, Vs[I]]> };

/**
 * Operators that bring equal keys (or rows) of several RDDs together. `partitions`: of the result; default as many as the input with the
 * most. Inputs that are spread alike by `partitionBy` or an operator by key are not moved.
 */
export abstract class Joins<T> extends ByKey<T> {
  /** Each pair of values that have one key in both. @example users.join(orders) // [id, [user, order]] */
  join<K, V, W>(this: RDD<[K, V]>, other: RDD<[K, W]>, partitions?: number): RDD<[K, [V, W]]> {
    return this.together('join', { kind: 'join', keep: 'matched' }, [other], partitions);
  }

  /** As `join`; a row whose key the other lacks stays, with undefined. */
  leftOuterJoin<K, V, W>(this: RDD<[K, V]>, other: RDD<[K, W]>, partitions?: number): RDD<[K, [V, W | undefined]]> {
    return this.together('leftOuterJoin', { kind: 'join', keep: 'left' }, [other], partitions);
  }

  /** As `join`; a row of the other whose key this lacks stays, with undefined. */
  rightOuterJoin<K, V, W>(this: RDD<[K, V]>, other: RDD<[K, W]>, partitions?: number): RDD<[K, [V | undefined, W]]> {
    return this.together('rightOuterJoin', { kind: 'join', keep: 'right' }, [other], partitions);
  }

  /** As `join`; all rows of both stay. */
  fullOuterJoin<K, V, W>(
    this: RDD<[K, V]>,
    other: RDD<[K, W]>,
    partitions?: number,
  ): RDD<[K, [V | undefined, W | undefined]]> {
    return this.together('fullOuterJoin', { kind: 'join', keep: 'all' }, [other], partitions);
  }

  /**
   * The values of each key in this and in each of the others, as arrays. @example a.cogroup([b, c]) // [key, [of a, of b, of c]]
   * @param others one RDD or several
   */
  cogroup<K, V, W>(this: RDD<[K, V]>, others: RDD<[K, W]>, partitions?: number): RDD<[K, [V[], W[]]]>;
  cogroup<K, V, Ws extends readonly unknown[]>(
    this: RDD<[K, V]>,
    others: Keyed<K, Ws>,
    partitions?: number,
  ): RDD<[K, [V[], ...Groups<Ws>]]>;
  cogroup(this: RDD<[any, any]>, others: any, partitions?: number): RDD<any> {
    return this.together('cogroup', { kind: 'cogroup' }, Array.isArray(others) ? others : [others], partitions);
  }

  /** Rows whose key the other has not. */
  subtractByKey<K, V>(this: RDD<[K, V]>, other: RDD<[K, any]>, partitions?: number): RDD<[K, V]> {
    const groups = this.together<[K, [V[], unknown[]]]>('subtractByKey', { kind: 'cogroup' }, [other], partitions);
    const fn = ([mine, theirs]: [V[], unknown[]]) => (theirs.length > 0 ? [] : mine);
    return groups.derive({ kind: 'flatMapValues', fn }, 'subtractByKey');
  }

  /** Rows that the other has not; rows are compared as keys are, repeated ones stay so. */
  subtract(other: RDD<T>, partitions?: number): RDD<T> {
    const fn = ([row, [mine, theirs]]: [T, [number[], number[]]]) => (theirs.length > 0 ? [] : mine.map(() => row));
    return this.comparedWith('subtract', other, partitions).derive<T>({ kind: 'flatMap', fn }, 'subtract');
  }

  /** Each different row that both have, once. */
  intersection(other: RDD<T>, partitions?: number): RDD<T> {
    const fn = ([, [mine, theirs]]: [T, [number[], number[]]]) => mine.length > 0 && theirs.length > 0;
    const both = this.comparedWith('intersection', other, partitions).derive({ kind: 'filter', fn }, 'intersection');
    return both.derive<T>({ kind: 'keys' }, 'intersection');
  }

  protected comparedWith(operator: string, other: RDD<T>, partitions?: number): RDD<[T, [number[], number[]]]> {
    this.withOthers(operator, [other]);
    const keyed = (rdd: Joins<T>) => rdd.derive<[T, number]>({ kind: 'map', fn: (row: T) => [row, 0] }, operator);
    return keyed(this).together(operator, { kind: 'cogroup' }, [keyed(other)], partitions);
  }

  protected together<R>(
    this: RDD<any>,
    operator: string,
    step: Step,
    others: readonly RDD<any>[],
    partitions?: number,
  ): RDD<R> {
    if (partitions !== undefined) requireWhole(`the number of partitions of ${operator}`, partitions, 1);
    const inputs: LineageNode[] = this.withOthers(operator, others);
    const name = operatorName(operator);
    const spreads = spreadAlike(this.context, inputs, partitions);
    const moved = inputs.map((input, k) => this.context.shuffled(input, name, spreads[k]!));
    return this.make(this.context.newNode(name, step, moved));
  }
}
