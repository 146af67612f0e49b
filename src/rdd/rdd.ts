import { decodeValue, encodeValue } from '../executor/closure/index.js';
import { DRIVER_ONLY } from '../protocol/driver-only.js';
import type { Json } from '../protocol/json.js';
import type { LineageNode, Step, Terminal } from '../scheduler/lineage.js';
import { callSite } from './call-site.js';
import type { SheafContext } from './context.js';

type Awaitable<T> = T | Promise<T>;

/**
 * A resilient distributed dataset: an immutable, lazily computed collection in partitions. Transformations build lineage
 * and return at once; actions run a job. Functions run on executors, with the variables they capture; map, filter,
 * flatMap, mapPartitions and foreach take async functions too.
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

  map<U>(fn: (row: T) => Awaitable<U>): RDD<U> {
    return this.derive({ kind: 'map', fn });
  }

  filter(fn: (row: T) => Awaitable<boolean>): RDD<T> {
    return this.derive({ kind: 'filter', fn });
  }

  flatMap<U>(fn: (row: T) => Awaitable<Iterable<U>>): RDD<U> {
    return this.derive({ kind: 'flatMap', fn });
  }

  /** The function gets all rows of a partition at once. */
  mapPartitions<U>(fn: (rows: IterableIterator<T>) => Awaitable<Iterable<U> | AsyncIterable<U>>): RDD<U> {
    return this.derive({ kind: 'mapPartitions', fn, withIndex: false });
  }

  mapPartitionsWithIndex<U>(
    fn: (index: number, rows: IterableIterator<T>) => Awaitable<Iterable<U> | AsyncIterable<U>>,
  ): RDD<U> {
    return this.derive({ kind: 'mapPartitions', fn, withIndex: true });
  }

  /** One array a partition. */
  glom(): RDD<T[]> {
    return this.mapPartitions((rows) => [[...rows]]);
  }

  /** The partitions of this and then of the others; nothing is moved, duplicates stay. */
  union(...others: RDD<T>[]): RDD<T> {
    return new RDD(
      this.context,
      this.context.newNode(
        operatorName('union'),
        { kind: 'union' },
        [this, ...others].map(({ node }) => node),
      ),
    );
  }

  /** Keeps computed partitions in the slots that computed them; lost ones are computed again. */
  cache(): this {
    this.node.cached = true;
    return this;
  }

  unpersist(): this {
    this.node.cached = false;
    this.context.dropCache(this.node);
    return this;
  }

  /** Plans the source's partitions if that has not been done. */
  getNumPartitions(): Promise<number> {
    return this.context.numPartitions(this.node);
  }

  collect(): Promise<T[]> {
    return this.#rows({ kind: 'collect' });
  }

  async count(): Promise<number> {
    return (await this.countPerPartition()).reduce((a, b) => a + b, 0);
  }

  /** Number of rows of each partition. */
  async countPerPartition(): Promise<number[]> {
    const name = operatorName('count');
    return this.context.runJob(
      { top: this.node, terminal: { kind: 'count' }, name },
      async (answer) => answer as number,
    );
  }

  /** The first `count` rows; reads no more partitions than it needs. */
  async take(count: number): Promise<T[]> {
    const total = await this.getNumPartitions();
    const rows: T[] = [];
    // As Spark: first one partition, then ever more at a time.
    for (let next = 0, width = 1; next < total && rows.length < count; next += width, width *= 4) {
      const partitions = [...Array(Math.min(width, total - next)).keys()].map((k) => next + k);
      for (const row of await this.#rows({ kind: 'collect', limit: count - rows.length }, partitions)) rows.push(row);
    }
    return rows.slice(0, count);
  }

  /** @throws Error when there is no row */
  async first(): Promise<T> {
    const [row] = await this.take(1);
    if (row === undefined) throw new Error('first: the RDD is empty');
    return row;
  }

  /** `fn` must be associative; partitions are combined in order, so it need not be commutative. @throws Error when there is no row */
  async reduce(fn: (a: T, b: T) => T): Promise<T> {
    const name = operatorName('reduce');
    const request = { top: this.node, terminal: { kind: 'reduce', fn }, name } as const;
    const parts = await this.context.runJob<T | typeof NOTHING>(request, async (answer) =>
      answer === null ? NOTHING : this.context.readValue<T>(answer),
    );
    const values = parts.filter((part): part is T => part !== NOTHING);
    if (values.length === 0) throw new Error('reduce: the RDD is empty');
    return values.reduce((a, b) => fn(a, b));
  }

  /** Folds each partition from a copy of `zero`, then combines the partitions' results in order, in the driver. */
  async aggregate<U>(zero: U, seqOp: (accumulated: U, row: T) => U, combOp: (a: U, b: U) => U): Promise<U> {
    const terminal: Terminal = { kind: 'aggregate', zero: encodeValue(zero), fn: seqOp };
    const name = operatorName('aggregate');
    const parts = await this.context.runJob({ top: this.node, terminal, name }, (answer) =>
      this.context.readValue<U>(answer),
    );
    return parts.reduce(combOp);
  }

  /**
   * As `aggregate`, but executors combine the partitions' results, in a tree of `depth` levels (Spark's treeAggregate);
   * neighbours are combined, in order. The driver combines what is left at the top.
   * @param depth default 2
   */
  async treeAggregate<U>(
    zero: U,
    seqOp: (accumulated: U, row: T) => U,
    combOp: (a: U, b: U) => U,
    depth = 2,
  ): Promise<U> {
    const partitions = await this.getNumPartitions();
    const scale = Math.max(2, Math.ceil(partitions ** (1 / depth)));
    const encoded = encodeValue(zero);
    let partial = this.derive<U>({ kind: 'foldPartition', fn: seqOp, zero: encoded });
    for (let left = partitions; left > scale + Math.ceil(left / scale); ) {
      left = Math.floor(left / scale);
      partial = partial.mergeNeighbours(left).derive({ kind: 'foldPartition', fn: combOp });
    }
    const parts = await partial.collect();
    return parts.reduce(combOp, decodeValue(encoded) as U);
  }

  async foreach(fn: (row: T) => Awaitable<void>): Promise<void> {
    const name = operatorName('foreach');
    await this.context.runJob({ top: this.node, terminal: { kind: 'foreach', fn }, name }, async () => undefined);
  }

  /** Moves whole partitions: the result's partition p holds a run of neighbours, in order. */
  protected mergeNeighbours(partitions: number): RDD<T> {
    return new RDD(
      this.context,
      this.context.shuffleNode(this.node, partitions, (maps) => ({ kind: 'neighbours', maps })),
    );
  }

  protected derive<U>(step: Step): RDD<U> {
    return new RDD<U>(this.context, this.context.newNode(operatorName(step.kind), step, [this.node]));
  }

  async #rows(terminal: Terminal, partitions?: number[]): Promise<T[]> {
    const name = operatorName(terminal.kind);
    const parts = await this.context.runJob({ top: this.node, terminal, name, partitions }, (answer: Json) =>
      this.context.readValue<T[]>(answer),
    );
    return parts.flat(1) as T[];
  }
}

const NOTHING = Symbol('nothing');

export function operatorName(operator: string): string {
  return `${operator} at ${callSite()}`;
}
