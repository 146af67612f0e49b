import type { LineageNode } from '../scheduler/lineage.js';
import type { ArrowRDD } from './arrow-rdd.js';
import { Saves } from './operators/saves.js';
import { tableOfRows } from './tables/to-table.js';
import type { TableType } from './tables/types.js';

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
  /**
   * Rows that are objects as a table; each property that is wanted becomes a column, null where a row lacks it.
   * @param schema types by column. Default: those of the first thousand rows, which the first job over the table fetches before: numbers are
   *   float64, bigints int64, Dates timestamps, arrays lists, objects structs
   * @throws JobError for a value of another type, a row that is no object, or a property that the first rows did not have, naming
   *   row and column
   * @example lines.map((line) => JSON.parse(line)).toTable({ id: 'int32', tags: ['utf8'] })
   */
  toTable(schema?: Readonly<Record<string, TableType>>): ArrowRDD {
    return tableOfRows(this, schema);
  }

  protected make<U>(node: LineageNode): RDD<U> {
    return new RDD<U>(this.context, node);
  }
}
