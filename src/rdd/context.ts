import { randomBytes } from 'node:crypto';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { BlockFiles } from '../executor/block-files.js';
import { BlockService } from '../executor/block-service.js';
import { decodeValue } from '../executor/closure/index.js';
import { blockToken } from '../executor/executor.js';
import { hostIdentity, scratchDirectories } from '../executor/host.js';
import type { BlockRef } from '../protocol/block.js';
import { DRIVER_ONLY } from '../protocol/driver-only.js';
import type { Json } from '../protocol/json.js';
import { type Cluster, startCluster } from '../scheduler/cluster.js';
import { Conf, type Settings, settingsFromEnvironment } from '../scheduler/conf.js';
import { DagScheduler, type JobRequest } from '../scheduler/dag-scheduler.js';
import { EventBus, writeEventLog } from '../scheduler/event-bus.js';
import {
  type LineageNode,
  type Partitioner,
  type PartitionPlanner,
  partitionCount,
  type Step,
} from '../scheduler/lineage.js';
import { TaskScheduler } from '../scheduler/task-scheduler.js';
import { ArrowRDD } from './arrow-rdd.js';
import { type Payload, unpackPayload } from './payload.js';
import { operatorName, RDD } from './rdd.js';
import { shipStage } from './ship-stage.js';
import { collectionSplits } from './sources/collection.js';
import { type CsvOptions, csvSource } from './sources/csv.js';
import { packUnits, type Source, type SourceUnit } from './sources/source.js';
import { textSource } from './sources/text.js';

export interface ContextOptions {
  /** `local[N]`, `local[*]` (default), `local-cluster[E,S]`, `redis://…`. */
  readonly master?: string;
  readonly appName?: string;
  /** Settings by name; these are the strongest. */
  readonly conf?: Settings;
  /** Weaker layers, strongest first (flags, properties file). Default: none. The environment is always the weakest. */
  readonly layers?: readonly Settings[];
  /** Events are told here too. */
  readonly bus?: EventBus;
  /** The job's file, when it was submitted as a bundle: its functions resolve in the executors' copy. */
  readonly bundle?: { readonly code: string; readonly file: string };
}

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
export class SheafContext {
  readonly [DRIVER_ONLY] = 'the SheafContext';
  /** Two slots' worth of partitions a slot, until measurement says better. */
  static partitionChooser: PartitionChooser = async ({ pinned }, context) => ({
    partitions: pinned?.partitions ?? 2 * context.defaultParallelism,
  });

  #nodes = 0;
  #shuffles = 0;
  #stopped: Promise<void> | undefined;

  private constructor(
    readonly app: string,
    readonly conf: Conf,
    readonly bus: EventBus,
    readonly cluster: Cluster,
    readonly tasks: TaskScheduler,
    readonly dag: DagScheduler,
    readonly blocks: BlockFiles,
    readonly closers: readonly (() => void | Promise<void>)[],
  ) {}

  static async create(options: ContextOptions = {}): Promise<SheafContext> {
    const { master, appName, layers = [], bus = new EventBus() } = options;
    const code = {
      ...options.conf,
      ...(master ? { 'sheaf.master': master } : {}),
      ...(appName ? { 'sheaf.app.name': appName } : {}),
    };
    const conf = new Conf(code, ...layers, settingsFromEnvironment(process.env));
    const app = `app-${Date.now().toString(36)}-${randomBytes(3).toString('hex')}`;
    const cluster = await startCluster(conf, app);
    const closers: (() => void | Promise<void>)[] = [() => cluster.stop()];
    const log = eventLogPath(conf, app);
    if (log) closers.push(() => writer.close());
    const writer = log ? writeEventLog(bus, log) : { close() {} };
    const scratch = scratchDirectories(app);
    const token = blockToken(cluster.secret);
    let blocks: BlockFiles;
    const bind = process.env.SHEAF_BIND ?? '127.0.0.1';
    const service = await BlockService.listen(bind, token, () => blocks);
    const home = { holder: app, host: hostIdentity(), url: service.url(process.env.SHEAF_ADVERTISE ?? bind), token };
    blocks = new BlockFiles({ ...home, memoryDirectory: scratch.memory, diskDirectory: scratch.disk });
    closers.push(
      () => service.close(),
      () => scratch.remove(),
    );
    const tasks = new TaskScheduler(cluster.channel, bus, {
      driver: app,
      depth: cluster.depth,
      maxFailures: conf.number('sheaf.task.maxFailures'),
      localityWaitMs: conf.number('sheaf.locality.waitMs'),
      executorWaitMs: conf.number('sheaf.executor.waitMs'),
    });
    let bundle: { block: BlockRef; file: string } | undefined;
    if (options.bundle) {
      const { code: text, file } = options.bundle;
      bundle = { block: await blocks.put('bundle', app, Buffer.from(text), { code: true }), file };
    }
    const warn = (message: string) => bus.emit({ event: 'warning', message });
    const dag = new DagScheduler(tasks, blocks, (stage, scope, name) =>
      shipStage(stage, scope, name, blocks, { bundle, cacheScope: (node) => `${app}/rdd-${node.id}`, warn }),
    );
    dag.onRelease = (scope) => blocks.release(scope);
    cluster.onExecutorExit = (executor, reason) => tasks.executorGone(executor, reason);
    bus.emit({
      event: 'app-start',
      app,
      name: conf.get('sheaf.app.name'),
      master: conf.toJSON()['sheaf.master'] ?? conf.get('sheaf.master'),
      conf: conf.toJSON(),
    });
    const context = new SheafContext(app, conf, bus, cluster, tasks, dag, blocks, closers);
    try {
      await tasks.open();
      await tasks.slotsAvailable(Math.max(1, cluster.expectedSlots));
    } catch (error) {
      await context.stop();
      throw error;
    }
    return context;
  }

  /** Slots of all executors now. */
  get defaultParallelism(): number {
    return Math.max(1, this.tasks.slots().length);
  }

  /** Distributes an array. @param partitions default: one a slot */
  parallelize<T>(rows: readonly T[], partitions = this.defaultParallelism): RDD<T> {
    const id = this.#nodes;
    const plan = async () => ({
      splits: await collectionSplits(rows, partitions, `collection-${id}`, `${this.app}/collection-${id}`, this.blocks),
    });
    return new RDD<T>(
      this,
      this.#leaf('parallelize', { module: 'rdd/sources/collection-reader', options: null, batches: false }, { plan }),
    );
  }

  /** Whole numbers `from`, `from + step`, … below `to`, made where they are used. */
  range(from: number, to: number, step = 1, partitions = this.defaultParallelism): RDD<number> {
    const total = Math.max(0, Math.ceil((to - from) / step));
    const plan = async () => ({
      splits: Array.from({ length: partitions }, (_, p) => {
        const first = Math.floor((p * total) / partitions);
        return { from: from + first * step, count: Math.floor(((p + 1) * total) / partitions) - first, step };
      }),
    });
    return new RDD<number>(
      this,
      this.#leaf('range', { module: 'rdd/sources/range-reader', options: null, batches: false }, { plan }),
    );
  }

  /** Lines of text files. @param path a file, directory or glob, or several */
  textFile(path: string | readonly string[], partitions?: number): RDD<string> {
    return new RDD<string>(this, this.#sourceNode('textFile', textSource(path), partitions));
  }

  /** CSV files as Arrow record batches. @example sc.csv('runs/*.csv', { columns: { x: 'float32' } }) */
  csv(path: string | readonly string[], options: CsvOptions = {}, partitions?: number): ArrowRDD {
    return new ArrowRDD(this, this.#sourceNode('csv', csvSource(path, options), partitions));
  }

  union<T>(first: RDD<T>, ...others: RDD<T>[]): RDD<T> {
    return first.union(...others);
  }

  /** Ends the application: executors, queue and files of its own are gone when it resolves. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  runJob<T>(request: JobRequest, read: (answer: Json) => Promise<T>): Promise<T[]> {
    return this.dag.run(request, read);
  }

  /** Decodes the value that a task answered with. */
  async readValue<T>(answer: Json): Promise<T> {
    return decodeValue(await unpackPayload(answer as unknown as Payload, this.blocks)) as T;
  }

  async numPartitions(node: LineageNode): Promise<number> {
    await this.dag.planSources(node);
    return partitionCount(node);
  }

  newNode(name: string, step: Step, parents: readonly LineageNode[]): LineageNode {
    return { id: this.#nodes++, name, step, parents, cached: false };
  }

  /** @param partitioner told the number of the parent's partitions, whose sources must be planned */
  shuffleNode(parent: LineageNode, partitions: number, partitioner: (maps: number) => Partitioner): LineageNode {
    const shuffle = { id: this.#shuffles++, partitions, partitioner: partitioner(partitionCount(parent)) };
    return {
      id: this.#nodes++,
      name: operatorName('shuffle'),
      step: { kind: 'shuffle-read' },
      parents: [parent],
      shuffle,
      cached: false,
    };
  }

  dropCache(node: LineageNode): void {
    this.dag.release(`${this.app}/rdd-${node.id}`);
  }

  #sourceNode(operator: string, source: Source, pinned: number | undefined): LineageNode {
    const plan = async (node: LineageNode, top: LineageNode) => {
      const units = await source.units();
      const question = { node, top, units, pinned: this.#pinned(pinned) };
      const { partitions, expectedMs } = await SheafContext.partitionChooser(question, this);
      return { splits: packUnits(units, partitions) as unknown as Json[], expectedMs };
    };
    return this.#leaf(operator, source, { plan });
  }

  #pinned(partitions: number | undefined): PartitionQuestion['pinned'] {
    if (partitions !== undefined) return { partitions, by: 'the program' };
    const configured = this.conf.get('sheaf.partitions');
    return configured === 'auto' ? undefined : { partitions: Number(configured), by: 'sheaf.partitions' };
  }

  #leaf(
    operator: string,
    source: { module: string; options: Json; batches: boolean },
    planner: PartitionPlanner,
  ): LineageNode {
    return {
      id: this.#nodes++,
      name: operatorName(operator),
      step: { kind: 'source', source },
      parents: [],
      planner,
      cached: false,
    };
  }

  async #stop(): Promise<void> {
    this.bus.emit({ event: 'app-end' });
    await this.tasks.close();
    for (const close of this.closers) await close();
  }
}

function eventLogPath(conf: Conf, app: string): string | undefined {
  if (conf.get('sheaf.eventLog.enabled') !== 'true') return undefined;
  const state = process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state');
  return join(conf.get('sheaf.eventLog.dir') || join(state, 'sheaf', 'events'), `${app}.jsonl`);
}
