import { decodeValue, encodeValue } from '../executor/closure/index.js';
import { DRIVER_ONLY } from '../protocol/driver-only.js';
import type { Json } from '../protocol/json.js';
import type { LineageNode, Step, Terminal } from '../scheduler/lineage.js';
import { requireFunction, requireSyncFunction, requireWhole, shown } from './arguments.js';
import { operatorName } from './call-site.js';
import type { SheafContext } from './context.js';
import { isPromise, refusePromise } from './operator-failure.js';

type Awaitable<T> = T | Promise<T>;

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
export class RDD<T> {
  /** Closures that capture an RDD are refused before any task starts. */
  readonly [DRIVER_ONLY] = 'an RDD';

  constructor(
    readonly context: SheafContext,
    readonly node: LineageNode,
  ) {}

  /** One row for each row. @example sc.parallelize([1, 2]).map((x) => x * 2) // 2, 4 */
  map<U>(fn: (row: T) => Awaitable<U>): RDD<U> {
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
  flatMap<U>(fn: (row: T) => Awaitable<Iterable<U>> | AsyncIterable<U>): RDD<U> {
    requireFunction('flatMap', fn);
    return this.derive({ kind: 'flatMap', fn });
  }

  /**
   * The function gets all rows of a partition at once, and returns (or yields) the new ones: for what is opened once a partition.
   * @example rows.mapPartitions(function* (rows) { const db = open(); for (const row of rows) yield db.find(row); })
   */
  mapPartitions<U>(fn: (rows: IterableIterator<T>) => Awaitable<Iterable<U>> | AsyncIterable<U>): RDD<U> {
    requireFunction('mapPartitions', fn);
    return this.derive({ kind: 'mapPartitions', fn, withIndex: false });
  }

  /** As `mapPartitions`, with the number of the partition, from 0. */
  mapPartitionsWithIndex<U>(
    fn: (index: number, rows: IterableIterator<T>) => Awaitable<Iterable<U>> | AsyncIterable<U>,
  ): RDD<U> {
    requireFunction('mapPartitionsWithIndex', fn);
    return this.derive({ kind: 'mapPartitions', fn, withIndex: true }, 'mapPartitionsWithIndex');
  }

  /** One array a partition. @example sc.parallelize([1, 2, 3], 2).glom() // [1], [2, 3] */
  glom(): RDD<T[]> {
    return this.derive({ kind: 'mapPartitions', fn: (rows: Iterable<T>) => [[...rows]], withIndex: false }, 'glom');
  }

  /** The partitions of this and then of the others; nothing is moved, duplicates stay. @throws TypeError for what is no RDD of this context */
  union<U = T>(...others: RDD<U>[]): RDD<T | U> {
    return new RDD<T | U>(this.context, this.unionNode(others));
  }

  /**
   * Keeps computed partitions in the slots that computed them, from the first action on; lost ones are computed again. To
   * be called before the action that should fill the cache.
   */
  cache(): this {
    this.node.cached = true;
    return this;
  }

  /** Drops what `cache` kept. */
  unpersist(): this {
    this.node.cached = false;
    this.context.dropCache(this.node);
    return this;
  }

  /** Plans the source's partitions if that has not been done. */
  getNumPartitions(): Promise<number> {
    return this.context.numPartitions(this.node);
  }

  /** All rows, in the order of partitions. They must fit into the driver's memory. */
  collect(): Promise<T[]> {
    return this.#rows({ kind: 'collect' }, operatorName('collect'));
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
    const request = { top: this.node, terminal: { kind: 'reduce', fn }, name } as const;
    const parts = await this.context.runJob(request, async (answer) =>
      answer === null ? [] : [await this.context.readValue<T>(answer)],
    );
    const values = parts.flat(1) as T[];
    if (values.length === 0) throw new Error('reduce: the RDD is empty; aggregate has a value for that');
    return combine(values, fn, name);
  }

  /**
   * Folds each partition from a copy of `zero`, then combines the partitions' results in order, in the driver. `zero` must
   * be neutral for `combOp`: how often it takes part depends on the partitions.
   * @example await words.aggregate(0, (sum, word) => sum + word.length, (a, b) => a + b)
   */
  async aggregate<U>(zero: U, seqOp: (accumulated: U, row: T) => U, combOp: (a: U, b: U) => U): Promise<U> {
    requireSyncFunction('aggregate', seqOp, 'a function seqOp');
    requireSyncFunction('aggregate', combOp, 'a function combOp');
    const name = operatorName('aggregate');
    const encoded = encodeValue(zero);
    const terminal: Terminal = { kind: 'aggregate', zero: encoded, fn: seqOp };
    const parts = await this.context.runJob({ top: this.node, terminal, name }, (answer) =>
      this.context.readValue<U>(answer),
    );
    return parts.length === 0 ? (decodeValue(encoded) as U) : combine(parts, combOp, name);
  }

  /**
   * As `aggregate`, but executors combine the partitions' results, in a tree of `depth` levels (Spark's treeAggregate);
   * neighbours are combined, in order. The driver combines what is left at the top. For large results: the driver reads
   * about the `depth`-th root of their number.
   * @param depth at least 1; default 2. With few partitions (5 at depth 2) the driver alone combines.
   */
  async treeAggregate<U>(
    zero: U,
    seqOp: (accumulated: U, row: T) => U,
    combOp: (a: U, b: U) => U,
    depth = 2,
  ): Promise<U> {
    requireSyncFunction('treeAggregate', seqOp, 'a function seqOp');
    requireSyncFunction('treeAggregate', combOp, 'a function combOp');
    requireWhole('the depth of treeAggregate', depth, 1);
    const name = operatorName('treeAggregate');
    const encoded = encodeValue(zero);
    const partitions = await this.getNumPartitions();
    const scale = Math.max(2, Math.ceil(partitions ** (1 / depth)));
    let partial = this.#named<U>({ kind: 'foldPartition', fn: seqOp, zero: encoded }, name);
    for (let left = partitions; left > scale + Math.ceil(left / scale); ) {
      left = Math.floor(left / scale);
      partial = partial.#mergeNeighbours(left, name).#named({ kind: 'foldPartition', fn: combOp }, name);
    }
    const parts = await partial.#rows({ kind: 'collect' }, name);
    return parts.length === 0 ? (decodeValue(encoded) as U) : combine(parts, combOp, name);
  }

  /** Calls `fn` with every row, on the executors, for what it does there. */
  async foreach(fn: (row: T) => Awaitable<void>): Promise<void> {
    requireFunction('foreach', fn);
    const name = operatorName('foreach');
    await this.context.runJob({ top: this.node, terminal: { kind: 'foreach', fn }, name }, async () => undefined);
  }

  protected derive<U>(step: Step, operator: string = step.kind): RDD<U> {
    return this.#named(step, operatorName(operator));
  }

  protected unionNode(others: readonly RDD<any>[]): LineageNode {
    for (const other of others) {
      if (!(other instanceof RDD)) throw new TypeError(`union needs RDDs, not ${shown(other)}`);
      if (other.context !== this.context) throw new TypeError('union needs RDDs of one SheafContext');
    }
    const parents = [this, ...others].map(({ node }) => node);
    return this.context.newNode(operatorName('union'), { kind: 'union' }, parents);
  }

  #named<U>(step: Step, name: string): RDD<U> {
    return new RDD<U>(this.context, this.context.newNode(name, step, [this.node]));
  }

  /** Moves whole partitions: the result's partition p holds a run of neighbours, in order. */
  #mergeNeighbours(partitions: number, name: string): RDD<T> {
    const node = this.context.shuffleNode(this.node, partitions, (maps) => ({ kind: 'neighbours', maps }), name);
    return new RDD(this.context, node);
  }

  #counts(name: string): Promise<number[]> {
    return this.context.runJob(
      { top: this.node, terminal: { kind: 'count' }, name },
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
      const found = await this.#rows({ kind: 'collect', limit: count - rows.length }, name, partitions);
      for (const row of found.slice(0, count - rows.length)) rows.push(row);
    }
    return rows;
  }

  async #rows(terminal: Terminal, name: string, partitions?: number[]): Promise<T[]> {
    const parts = await this.context.runJob({ top: this.node, terminal, name, partitions }, (answer: Json) =>
      this.context.readValue<T[]>(answer),
    );
    return parts.flat(1) as T[];
  }
}

/** Combines partitions' results in order, in the driver. */
function combine<U>(values: readonly U[], fn: (a: U, b: U) => U, name: string): U {
  return values.reduce((a, b) => {
    const combined = fn(a, b);
    return isPromise(combined) ? refusePromise(name) : combined;
  });
}
