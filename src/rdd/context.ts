import type { Schema } from 'apache-arrow';
import type { BlockFiles } from '../executor/block-files.js';
import { decodeValue } from '../executor/closure/index.js';
import { DRIVER_ONLY } from '../protocol/driver-only.js';
import type { Json } from '../protocol/json.js';
import type { Conf } from '../scheduler/conf.js';
import type { DagScheduler } from '../scheduler/dag-scheduler.js';
import type { EventBus } from '../scheduler/event-bus.js';
import type { JobRequest } from '../scheduler/job-request.js';
import type { LineageNode } from '../scheduler/lineage.js';
import { partitionCount } from '../scheduler/partition-input.js';
import type { TaskScheduler } from '../scheduler/task-scheduler.js';
import { type Application, type ContextOptions, openApplication } from './application.js';
import { requireNumber, requireWhole, shown } from './arguments.js';
import { ArrowRDD, type Row } from './arrow-rdd.js';
import { requireOptions } from './known-options.js';
import type { TupleHint } from './operators/base.js';
import { type Payload, unpackPayload } from './payload.js';
import { Persistence, type RDDStorageInfo } from './persistence/persistence.js';
import { RDD } from './rdd.js';
import { SharedVariables } from './shared-variables.js';
import { collectionSplits } from './sources/collection.js';
import { rangeSplits } from './sources/range.js';
import { schemaBelow } from './sources/schema.js';
import { namedIn, packUnits, type Source, type SourceUnit } from './sources/source.js';
import { storeSplits } from './sources/split-blocks.js';
import { type TableOptions, type TableValues, tableOfValues } from './tables/to-table.js';

export type { ContextOptions } from './application.js';

/** A source whose partitions are to be chosen. */
export interface PartitionQuestion {
  readonly node: LineageNode;
  /** Last node of the stage that reads it first. */
  readonly top: LineageNode;
  readonly units: readonly SourceUnit[];
  /** A number that was asked for, and by whom: it holds. */
  readonly pinned?: { readonly partitions: number; readonly by: string };
}

export interface PartitionChoice {
  /** Wanted number of partitions, >= 1; `packUnits` makes them. */
  readonly partitions: number;
  /** Milliseconds a task of the stage is expected to take. */
  readonly expectedMs?: number;
}

/** Chooses the number of a source's partitions; partition-opt provides it, so that the engine does not depend on it. */
export type PartitionChooser = (question: PartitionQuestion, context: SheafContext) => Promise<PartitionChoice>;

/**
 * The entry to the engine: connects to a master, makes RDDs, runs jobs.
 *
 * ```ts
 * const sc = await SheafContext.create({ master: 'local[2]' });
 * const total = await sc.parallelize([1, 2, 3]).map((x) => x * 2).reduce((a, b) => a + b);
 * await sc.stop();
 * ```
 */
export class SheafContext extends SharedVariables {
  readonly [DRIVER_ONLY] = 'the SheafContext';
  /** Two partitions a slot, until measurement says better. */
  static partitionChooser: PartitionChooser = async ({ pinned }, context) => ({
    partitions: pinned?.partitions ?? 2 * context.defaultParallelism,
  });

  #collections = 0;
  #stopped: Promise<void> | undefined;
  readonly #sources = new WeakMap<LineageNode, Source>();

  readonly app: string;
  readonly conf: Conf;
  readonly bus: EventBus;
  readonly tasks: TaskScheduler;
  readonly dag: DagScheduler;
  readonly blocks: BlockFiles;
  readonly persistence: Persistence;

  private constructor(readonly application: Application) {
    super();
    ({ app: this.app, conf: this.conf, bus: this.bus } = application);
    ({ tasks: this.tasks, dag: this.dag, blocks: this.blocks } = application);
    this.persistence = new Persistence(this.app, this.dag);
  }

  /**
   * Connects to the master (starting it, where it is `local…`) and waits for its slots.
   * @throws Error for a bad setting, a missing file of `sheaf.files`, a master that cannot be reached; nothing is left behind then
   */
  static async create(options: ContextOptions = {}): Promise<SheafContext> {
    return new SheafContext(await openApplication(options));
  }

  protected get stopped(): boolean {
    return this.#stopped !== undefined;
  }

  /** Slots of all executors now. */
  get defaultParallelism(): number {
    return Math.max(1, this.tasks.slots().length);
  }

  /**
   * Distributes an array, as it is now: runs of neighbours become partitions.
   * @param partitions default: one a slot; those beyond the number of rows are empty
   */
  parallelize<T>(rows: readonly (T | TupleHint)[], partitions = this.defaultParallelism): RDD<T> {
    if (!Array.isArray(rows))
      throw new TypeError(`parallelize needs an array, not ${shown(rows)} (Array.from makes one of any iterable)`);
    requireWhole('the number of partitions', partitions, 1);
    const kept = rows.slice();
    const id = `collection-${this.#collections++}`;
    const plan = () => collectionSplits(kept, partitions, id, `${this.app}/${id}`, this.blocks);
    return this.#made<T>('parallelize', 'rdd/sources/collection-reader', plan);
  }

  /**
   * A table of what the driver holds: rows as objects, or columns as arrays by name. Typed arrays keep their type; else numbers are
   * float64, bigints int64, Dates timestamps, and so on, as the first value of a column tells.
   * @param options `schema`: types by column, for those (of rows) that are wanted; `partitions`: default one a slot
   * @throws TypeError for a value of another type, naming row and column; for columns of different lengths
   * @example sc.table([{ id: 1, name: 'ann' }, { id: 2, name: null }])
   * @example sc.table({ x: new Float32Array(100), label: labels }, { schema: { label: 'int32' } })
   */
  table(values: readonly Row[] | TableValues, options: TableOptions = {}): ArrowRDD {
    requireOptions('table', options);
    const { schema, partitions = this.defaultParallelism } = options;
    requireWhole('the number of partitions', partitions, 1);
    return tableOfValues(this, values, schema, partitions);
  }

  /**
   * Numbers `from`, `from + step`, … before `to`, made where they are used.
   * @param step may be negative, not 0 @param partitions default: one a slot
   */
  range(from: number, to: number, step = 1, partitions = this.defaultParallelism): RDD<number> {
    requireNumber('the beginning of range', from);
    requireNumber('the end of range', to);
    requireNumber('the step of range', step);
    if (step === 0) throw new RangeError('the step of range must not be 0');
    requireWhole('the number of partitions', partitions, 1);
    return this.#made('range', 'rdd/sources/range-reader', async () => rangeSplits(from, to, step, partitions));
  }

  /** As `first.union(...others)`. */
  union<T, U = T>(first: RDD<T>, ...others: RDD<U>[]): RDD<T | U> {
    if (!(first instanceof RDD)) throw new TypeError(`union needs RDDs, not ${shown(first)}`);
    return first.union(...others);
  }

  /**
   * Where `checkpoint` saves: a directory (made if need be) that driver and executors see under the same path.
   * @throws TypeError for a URL, Error when it cannot be made
   */
  setCheckpointDir(path: string): void {
    this.persistence.setDirectory(path);
  }

  /** The RDDs that are persisted, by id. */
  getPersistentRDDs(): Map<number, RDD<unknown>> {
    return new Map(this.persistence.rdds().map((rdd) => [rdd.node.id, rdd as RDD<unknown>]));
  }

  /** What is kept of each persisted RDD, as far as the driver has been told. */
  getRDDStorageInfo(): RDDStorageInfo[] {
    return this.persistence.info();
  }

  /** Ends the application: executors, queue and files of its own are gone when it resolves. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async runJob<T>(request: JobRequest, read: (answer: Json) => Promise<T>): Promise<T[]> {
    this.#requireAlive();
    this.dropUnreachable();
    return this.persistence.around(request.top, () => this.dag.run(request, read));
  }

  /** Decodes the value that a task answered with. */
  async readValue<T>(answer: Json): Promise<T> {
    return decodeValue(await unpackPayload(answer as unknown as Payload, this.blocks)) as T;
  }

  async numPartitions(node: LineageNode): Promise<number> {
    this.#requireAlive();
    await this.dag.plan(node);
    return partitionCount(node);
  }

  /** Of the record batches that come out of a node, where the sources below know it. */
  tableSchema(node: LineageNode): Promise<Schema | undefined> {
    return schemaBelow(node, (leaf) => {
      const schema = this.#sources.get(leaf)?.schema?.(this.application.storage);
      return schema && namedIn(leaf.name, schema);
    });
  }

  /** The record batches of a node as a table. */
  tableOf(node: LineageNode): ArrowRDD {
    return new ArrowRDD(this, node);
  }

  protected sourceTable(operator: string, source: Source, partitions: number | undefined): ArrowRDD {
    return new ArrowRDD(this, this.#sourceNode(operator, source, partitions));
  }

  protected rows<T>(operator: string, source: Source, partitions: number | undefined): RDD<T> {
    return new RDD<T>(this, this.#sourceNode(operator, source, partitions));
  }

  /** Rows whose partitions the driver makes itself. */
  #made<T>(operator: string, module: string, plan: () => Promise<Json[]>): RDD<T> {
    const planner = { plan: async () => ({ splits: await plan() }) };
    return new RDD<T>(this, this.leaf(operator, { module, options: null, batches: false }, planner));
  }

  #sourceNode(operator: string, source: Source, pinned: number | undefined): LineageNode {
    if (pinned !== undefined) requireWhole('the number of partitions', pinned, 1);
    const plan = async (node: LineageNode, top: LineageNode) => {
      const units = await namedIn(node.name, source.units(this.application.storage));
      const question = { node, top, units, pinned: this.#pinned(pinned) };
      const { partitions, expectedMs } = await SheafContext.partitionChooser(question, this);
      const splits = packUnits(units, partitions) as unknown as Json[];
      return { splits: await storeSplits(splits, `${this.app}/splits-${node.id}`, this.blocks), expectedMs };
    };
    const node = this.leaf(operator, source, { plan });
    this.#sources.set(node, source);
    return node;
  }

  #pinned(partitions: number | undefined): PartitionQuestion['pinned'] {
    if (partitions !== undefined) return { partitions, by: 'the program' };
    const configured = this.conf.get('sheaf.partitions');
    return configured === 'auto' ? undefined : { partitions: Number(configured), by: 'sheaf.partitions' };
  }

  #requireAlive(): void {
    if (this.stopped) throw new Error('the SheafContext has been stopped');
  }

  async #stop(): Promise<void> {
    this.bus.emit({ event: 'app-end' });
    await this.application.closers.close();
  }
}
