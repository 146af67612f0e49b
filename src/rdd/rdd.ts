import type { LineageNode } from '../scheduler/lineage.js';
import { Saves } from './operators/saves.js';

/**
 * A resilient distributed dataset: an immutable, lazily computed collection of rows in partitions. Transformations build
 * lineage and return at once; actions run a job and resolve with its result.
 *
 * Functions run on executors, with copies of the variables they capture. `map`, `filter`, `flatMap`, `mapPartitions` and
 * `foreach` take async functions too (declared `async`; 16 rows of a partition at a time, order kept). A function that throws fails the
 * job with a JobError: partition, operator and its place in the job, the user's own stack. A function that captures what
 * cannot travel is refused with a ClosureError before any task starts; an argument of the wrong type with a TypeError or
 * RangeError at once.
 *
 * ```ts
 * const words = sc.textFile('logs').flatMap((line) => line.split(' '));
 * console.log(await words.filter((word) => word === 'error').count());
 * ```
 */
export class RDD<T> extends Saves<T> {
  protected make<U>(node: LineageNode): RDD<U> {
    return new RDD<U>(this.context, node);
  }
}
