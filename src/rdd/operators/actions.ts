import { decodeValue, encodeValue } from '../../executor/closure/index.js';
import { type LineageNode, narrowParents, reachable } from '../../scheduler/lineage.js';
import { requireFunction, requireSyncFunction, requireWhole } from '../arguments.js';
import { operatorName } from '../call-site.js';
import type { RDD } from '../rdd.js';
import { type Awaitable, combine, type TupleHint } from './base.js';
import { Ordering } from './ordering.js';

/** Runs of unequal length still keep all slots busy. */
const RUNS_PER_SLOT = 2;

const total = (counts: number[]) => counts.reduce((a, b) => a + b, 0);

/** Whether slots keep partitions that a task of this node would read. */
function isCached(node: LineageNode): boolean {
  return reachable(node, narrowParents).some(({ persisted }) => persisted !== undefined);
}

/** Actions: each runs a job and resolves with its result. */
export abstract class Actions<T> extends Ordering<T> {
  /** Plans the source's partitions if that has not been done. */
  getNumPartitions(): Promise<number> {
    return this.context.numPartitions(this.node);
  }

  /** All rows, in the order of partitions. They must fit into the driver's memory. */
  collect(): Promise<T[]> {
    return this.rows({ kind: 'collect' }, operatorName('collect'));
  }

  /** Number of rows. */
  async count(): Promise<number> {
    return (await this.#counts(operatorName('count'))).reduce((a, b) => a + b, 0);
  }

  /** Number of rows of each partition. */
  countPerPartition(): Promise<number[]> {
    return this.#counts(operatorName('countPerPartition'));
  }

  /** The first `count` rows; reads no more partitions than it needs. @throws RangeError when `count` is no whole number of at least 0 */
  take(count: number): Promise<T[]> {
    return this.#take(count, operatorName('take'));
  }

  /** Whether there is no row; reads no more partitions than it needs. */
  async isEmpty(): Promise<boolean> {
    return (await this.#take(1, operatorName('isEmpty'))).length === 0;
  }

  /** @throws Error when there is no row */
  async first(): Promise<T> {
    const rows = await this.#take(1, operatorName('first'));
    if (rows.length === 0) throw new Error('first: the RDD is empty');
    return rows[0]!;
  }

  /**
   * `fn` must be associative; partitions are combined in order, so it need not be commutative.
   * @throws Error when there is no row
   * @example await sc.range(0, 100).reduce((a, b) => a + b)
   */
  async reduce(fn: (a: T, b: T) => T): Promise<T> {
    requireSyncFunction('reduce', fn);
    const name = operatorName('reduce');
    const values = await this.reducePartitions(fn, name);
    if (values.length === 0) throw new Error('reduce: the RDD is empty; aggregate has a value for that');
    return combine(values, fn, name);
  }

  /**
   * Folds each partition from a copy of `zero`, then combines the partitions' results in order, in the driver. `zero` must
   * be neutral for `combOp`: how often it takes part depends on the partitions.
   * @example await words.aggregate(0, (sum, word) => sum + word.length, (a, b) => a + b)
   */
  async aggregate<U>(
    zero: U,
    seqOp: (accumulated: U, row: T) => U | TupleHint,
    combOp: (a: U, b: U) => U | TupleHint,
  ): Promise<U> {
    requireSyncFunction('aggregate', seqOp, 'a function seqOp');
    requireSyncFunction('aggregate', combOp, 'a function combOp');
    return this.#aggregate(zero, seqOp, combOp, operatorName('aggregate'));
  }

  /**
   * As `aggregate`, but executors combine the partitions' results, in a tree of `depth` levels (Spark's treeAggregate);
   * neighbours are combined, in order. The driver combines what is left at the top. For large results: the driver reads
   * about the `depth`-th root of their number.
   * @param depth at least 1; default 2. With few partitions (5 at depth 2) the driver alone combines.
   */
  async treeAggregate<U>(
    zero: U,
    seqOp: (accumulated: U, row: T) => U | TupleHint,
    combOp: (a: U, b: U) => U | TupleHint,
    depth = 2,
  ): Promise<U> {
    requireSyncFunction('treeAggregate', seqOp, 'a function seqOp');
    requireSyncFunction('treeAggregate', combOp, 'a function combOp');
    requireWhole('the depth of treeAggregate', depth, 1);
    const name = operatorName('treeAggregate');
    const encoded = encodeValue(zero);
    const partial = this.named<U>({ kind: 'foldPartition', fn: seqOp, zero: encoded }, name);
    const parts = await partial.#combineInTree(combOp, depth, name);
    return parts.length === 0 ? (decodeValue(encoded) as U) : combine(parts, combOp, name);
  }

  /**
   * As `reduce`, but executors combine the partitions' results in a tree, as `treeAggregate` does.
   * @throws Error when there is no row
   */
  async treeReduce(fn: (a: T, b: T) => T, depth = 2): Promise<T> {
    requireSyncFunction('treeReduce', fn);
    requireWhole('the depth of treeReduce', depth, 1);
    const name = operatorName('treeReduce');
    const partial = this.named<T>({ kind: 'foldPartition', fn }, name);
    const parts = await partial.#combineInTree(fn, depth, name);
    if (parts.length === 0) throw new Error('treeReduce: the RDD is empty; treeAggregate has a value for that');
    return combine(parts, fn, name);
  }

  /** `aggregate` with one function for rows and for partitions' results. @example await numbers.fold(0, (a, b) => a + b) */
  async fold(zero: T, fn: (a: T, b: T) => T): Promise<T> {
    requireSyncFunction('fold', fn);
    return this.#aggregate(zero, fn, fn, operatorName('fold'));
  }

  /** Calls `fn` with every row, on the executors, for what it does there. */
  async foreach(fn: (row: T) => Awaitable<void>): Promise<void> {
    requireFunction('foreach', fn);
    const name = operatorName('foreach');
    await this.context.runJob(
      { top: this.node, terminal: { kind: 'foreach', fn }, name, merge: () => undefined },
      async () => undefined,
    );
  }

  async #aggregate<U>(
    zero: U,
    seqOp: (accumulated: U, row: T) => U | TupleHint,
    combOp: (a: U, b: U) => U | TupleHint,
    name: string,
  ) {
    const parts = await this.foldPartitions(zero, seqOp, name);
    return parts.length === 0 ? (decodeValue(encodeValue(zero)) as U) : combine(parts, combOp, name);
  }

  /** Each partition's left fold from a copy of `zero`, in order. */
  protected foldPartitions<U>(zero: U, fn: (accumulated: U, row: T) => U | TupleHint, name: string): Promise<U[]> {
    return this.answers<U>({ kind: 'aggregate', zero: encodeValue(zero), fn }, name);
  }

  /** Each partition's rows reduced, in order; empty partitions have no value. */
  protected async reducePartitions(fn: (a: T, b: T) => T, name: string): Promise<T[]> {
    const request = {
      top: this.node,
      terminal: { kind: 'reduce', fn },
      name,
      merge: (parts: T[][]) => parts.flat(1),
    } as const;
    const parts = await this.context.runJob(request, async (answer) =>
      answer === null ? [] : [await this.context.readValue<T>(answer)],
    );
    return parts.flat(1) as T[];
  }

  /** Combines partitions of at most one row on executors, level by level; what is left is for the driver. */
  async #combineInTree(fn: (a: T, b: T) => T | TupleHint, depth: number, name: string): Promise<T[]> {
    const partitions = await this.getNumPartitions();
    const scale = Math.max(2, Math.ceil(partitions ** (1 / depth)));
    let partial: Actions<T> = this;
    for (let left = partitions; left > scale + Math.ceil(left / scale); ) {
      left = Math.floor(left / scale);
      partial = partial.#mergeNeighbours(left, name).named<T>({ kind: 'foldPartition', fn }, name);
    }
    return partial.rows({ kind: 'collect' }, name);
  }

  /**
   * The result's partition p holds a run of neighbours, in order. Where there are enough runs for all slots one task computes a run, and
   * nothing moves; else, or where slots keep the partitions in their caches, these are computed one by one and sent.
   */
  #mergeNeighbours(partitions: number, name: string): RDD<T> {
    const inPlace = partitions >= RUNS_PER_SLOT * this.context.defaultParallelism && !isCached(this.node);
    if (inPlace) return this.named({ kind: 'coalesce', partitions }, name);
    return this.make(this.context.shuffleNode(this.node, partitions, (maps) => ({ kind: 'neighbours', maps }), name));
  }

  #counts(name: string): Promise<number[]> {
    return this.context.runJob(
      { top: this.node, terminal: { kind: 'count' }, name, merge: total },
      async (answer) => answer as number,
    );
  }

  async #take(count: number, name: string): Promise<T[]> {
    requireWhole('the number of rows to take', count, 0);
    if (count === 0) return [];
    const total = await this.getNumPartitions();
    const rows: T[] = [];
    // As Spark: first one partition, then ever more at a time.
    for (let next = 0, width = 1; next < total && rows.length < count; next += width, width *= 4) {
      const partitions = [...Array(Math.min(width, total - next)).keys()].map((k) => next + k);
      const found = await this.rows({ kind: 'collect', limit: count - rows.length }, name, partitions);
      for (const row of found.slice(0, count - rows.length)) rows.push(row);
    }
    return rows;
  }
}
