import type { BlockRef, Blocks } from '../protocol/block.js';
import { type Failure, toFailure } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { ProgramRef } from '../protocol/task.js';
import { JobError } from './job-error.js';
import { type LineageNode, type NodePlan, reachable } from './lineage.js';
import { type MapOutput, MapOutputs, type PartitionOutputs } from './map-outputs.js';
import { type PartitionInput, partitionCount, partitionInput } from './partition-input.js';
import { RECOVERY } from './recovery.js';
import { partInput, type SkewSplit, skewedPartitions } from './skew.js';
import { planStages, type Stage, stageNodes, stageTopOf } from './stages.js';
import { StorageRegistry } from './storage-registry.js';
import { nearestSlot, shufflesNeeded, storedBelow, storedBlocks } from './stored-partitions.js';
import { TaskCounts } from './task-counts.js';
import type { TaskScheduler } from './task-scheduler.js';
import { executorOf, type SlotKey, type TaskResult, type TaskSet, TaskSetError, type TaskSpec } from './task-set.js';
import type { Terminal } from './terminal.js';

export interface JobRequest {
  readonly top: LineageNode;
  readonly terminal: Terminal;
  /** For people: `collect at job.ts:12`. */
  readonly name: string;
  /** Default: all. */
  readonly partitions?: readonly number[];
  /** Owner of the shuffle's blocks; by default the job itself, so that they end with it. */
  readonly scope?: string;
  /** Slot that should run a partition's task; by default where the partition is cached. */
  readonly prefer?: (partition: number) => SlotKey | undefined;
  readonly gang?: boolean;
  /** In which slots its last tasks may run; by default as the operators ask. */
  readonly device?: TaskSet['device'];
  /** Expected milliseconds a task; by default what the plan of the stage's source says. */
  readonly expectedMs?: number;
  /** Makes a partition's value of those of its parts, in order. Without it no partition is computed in parts. */
  readonly merge?: (parts: any[]) => unknown;
  /**
   * What its last tasks count is not reported: a probe or a sample reads rows that the real job reads again. It is where they keep
   * an RDD, and of map tasks: the real job finds these done.
   */
  readonly uncounted?: boolean;
}

/** What one task computes: a partition, or a part of one. */
interface TaskPart {
  /** The partition's number; of later parts greater by multiples of the number of partitions. */
  readonly key: number;
  readonly partition: number;
  readonly split?: SkewSplit;
  readonly part?: number;
}

/** Turns a stage into a program that slots can run: ships its functions, puts its parameters into a block. */
export type ProgramCompiler = (stage: Stage, scope: string, name: string) => Promise<ProgramRef>;

/** As in Spark: a stage that keeps losing its inputs is given up. */
const MAX_STAGE_ATTEMPTS = 4;

/**
 * Runs jobs: plans sources, cuts the lineage into stages, runs map stages whose outputs are missing, then the result
 * stage. When an input block is unreadable its map task runs again, and then only the tasks that had not finished.
 */
export class DagScheduler {
  readonly #outputs = new MapOutputs();
  readonly storage: StorageRegistry;
  readonly #planning = new Map<LineageNode, Promise<NodePlan>>();
  readonly counts: TaskCounts;
  #jobs = 0;
  #stages = 0;

  constructor(
    readonly tasks: TaskScheduler,
    readonly blocks: Blocks,
    readonly compile: ProgramCompiler,
    /** Joins' partitions of more bytes are computed in parts, when they are much larger than the others. */
    readonly skewBytes = 32 * 2 ** 20,
  ) {
    this.counts = new TaskCounts(tasks.bus);
    this.storage = new StorageRegistry(tasks.bus);
    tasks.onExecutorLost((executor) => {
      this.#outputs.lost(executor);
      this.storage.lost(executor);
    });
    tasks.onStorage((at, updates) => {
      if (this.#isAlive(executorOf(at))) for (const update of updates) this.storage.update(at, update);
    });
  }

  /**
   * Runs a job; `read` turns a task's answer into its value (it may fetch a result block) before the job's blocks go.
   * @returns one value a partition, in order
   * @throws JobError
   */
  async run<T>(request: JobRequest, read: (answer: Json) => Promise<T>): Promise<T[]> {
    await this.plan(request.top);
    const { bus, options } = this.tasks;
    const job = `job-${this.#jobs++}`;
    const jobScope = `${options.driver}/${job}`;
    const begun = bus.clock.now();
    bus.emit({ event: 'job-start', job, name: request.name });
    let message: string | undefined;
    try {
      const stage = planStages(request.top, request.terminal);
      return await this.#runAndRead(stage, request, job, request.scope ?? jobScope, read);
    } catch (error) {
      message = (error as Error).message;
      throw error instanceof TaskSetError ? new JobError(request.name, error) : error;
    } finally {
      bus.emit({ event: 'job-end', job, ok: message === undefined, message, ms: bus.clock.now() - begun });
      this.release(jobScope);
    }
  }

  /** Decides what is not known yet of `top` and the nodes below: a source's partitions, a shuffle's. */
  async plan(top: LineageNode): Promise<void> {
    for (const node of reachable(top)) {
      await node.check?.();
      node.check = undefined;
    }
    for (const node of reachable(top).filter(isUnplanned)) {
      if (!isUnplanned(node)) continue; // by another job, meanwhile
      const planning = this.#planning.get(node) ?? node.planner!.plan(node, stageTopOf(top, node));
      this.#planning.set(node, planning);
      try {
        Object.assign(node, await planning);
      } finally {
        this.#planning.delete(node);
      }
    }
  }

  /** Bytes of the map outputs that are kept for later jobs. */
  get shuffleBytes(): number {
    return this.#outputs.bytes;
  }

  /** Ends a scope: its blocks and residents everywhere, and what is remembered of its shuffles. */
  release(scope: string): void {
    this.#outputs.drop(scope);
    this.storage.drop(scope);
    this.counts.drop(scope);
    this.tasks.release(scope);
    this.onRelease(scope);
  }

  /** Set by the context: the driver holds blocks too. */
  onRelease: (scope: string) => void = () => {};

  /** Set by the context: copies what its tasks persisted, where copies are wanted. */
  onStageEnd: () => Promise<void> = async () => {};

  /** A result block lost with its executor before it was read is made again. */
  async #runAndRead<T>(
    stage: Stage,
    request: JobRequest,
    job: string,
    scope: string,
    read: (answer: Json) => Promise<T>,
  ) {
    const partitions = request.partitions ?? [...Array(partitionCount(stage.top)).keys()];
    const values = new Map<number, T>();
    for (let attempt = 1; values.size < partitions.length; attempt++) {
      const missing = partitions.filter((partition) => !values.has(partition));
      const results = await this.#runStage(stage, { ...request, partitions: missing }, job, scope);
      for (const [partition, parts] of results) {
        try {
          const answers: T[] = [];
          for (const { value } of parts) answers.push(await read(value));
          values.set(partition, answers.length === 1 ? answers[0]! : (request.merge!(answers) as T));
        } catch (error) {
          if (RECOVERY[toFailure(error).kind] !== 'recompute-parent' || attempt === MAX_STAGE_ATTEMPTS) throw error;
        }
      }
    }
    return partitions.map((partition) => values.get(partition)!);
  }

  /** @returns the results of each partition: one, or several where it was computed in parts */
  async #runStage(stage: Stage, request: JobRequest, job: string, scope: string): Promise<Map<number, TaskResult[]>> {
    const id = this.#stages++;
    const done = new Map<number, TaskResult>();
    const keeps = stageNodes(stage).some(({ persisted }) => persisted !== undefined);
    const count = (set: TaskSet) =>
      request.uncounted && !keeps ? undefined : this.counts.take(this.#countsAs(stage, job, scope), set, done);
    const partitions = request.partitions ?? [...Array(partitionCount(stage.top)).keys()];
    const total = partitionCount(stage.top);
    let program: ProgramRef | undefined;
    const inputs = new Map<number, PartitionInput>();
    let plan: TaskPart[] | undefined;
    for (let attempt = 0; ; attempt++) {
      // First, so that a function that cannot be shipped is refused before the stages below run.
      if (!program) {
        const compiling = this.compile(stage, `${scope}/stage-${id}`, request.name);
        // Of the lineage as it is compiled: what is persisted meanwhile, or no longer, changes the unions on the way down.
        for (const partition of partitions) inputs.set(partition, partitionInput(stage.top, partition));
        program = await compiling;
      }
      const statuses = await this.#shuffleInputs(stage, request, job, scope, attempt > 0);
      const before = plan;
      plan = this.#taskParts(stage, partitions, request, scope);
      if (before) for (const key of cutAnew(before, plan, done.keys(), total)) done.delete(key);
      const missing = plan.filter(({ key }) => !done.has(key));
      try {
        const { gang } = request;
        const tasks = missing.map((part) =>
          this.#taskSpec(stage, part, inputs.get(part.partition)!, statuses, request),
        );
        const sources = stageNodes(stage).filter((node) => node.step.kind === 'source');
        const expectedMs = request.expectedMs ?? plannedMs(sources, tasks);
        const set = {
          ...{
            job,
            stage: id,
            stageAttempt: attempt,
            name: stage.top.name,
            program,
            tasks,
            expectedMs,
            gang,
            partitions: total,
          },
          device: request.device ?? stageNodes(stage).find(({ device }) => device)?.device,
          sources: sources.map((node) => node.id),
        };
        for (const result of await this.tasks.run(set)) done.set(result.partition, result);
        await this.onStageEnd();
        await count(set);
        return groupedBy(plan, (part) => done.get(part.key)!);
      } catch (error) {
        if (!(error instanceof TaskSetError)) throw error;
        for (const result of error.done) done.set(result.partition, result);
        if (this.#forgetUnreadable(error.failure) && attempt + 1 < MAX_STAGE_ATTEMPTS) continue;
        await count(error.set)?.catch(() => {}); // the stage's own failure says more
        throw error;
      }
    }
  }

  /** Of a holder that is gone all is unreadable: finding that out block by block would take an attempt each. */
  #forgetUnreadable(failure: Failure): boolean {
    if (RECOVERY[failure.kind] !== 'recompute-parent' || !('block' in failure)) return false;
    this.#outputs.unreadable(failure.block);
    this.storage.unreadable(failure.block);
    for (const { holder } of failure.block.at) {
      if (this.#isAlive(holder)) continue;
      this.#outputs.lost(holder);
      this.storage.lost(holder);
    }
    return true;
  }

  #isAlive(executor: string): boolean {
    return this.tasks.executors().some(({ id }) => id === executor);
  }

  /**
   * Makes the outputs the stage reads; answers with one map status block a shuffle.
   * @param all also of shuffles below RDDs that are kept: a task had to compute one after all
   */
  async #shuffleInputs(
    stage: Stage,
    request: JobRequest,
    job: string,
    scope: string,
    all: boolean,
  ): Promise<Record<string, BlockRef>> {
    const statuses: Record<string, BlockRef> = {};
    const needed = shufflesNeeded(stage.top, this.storage);
    for (const parent of stage.parents) {
      if (parent.terminal.kind !== 'shuffle-write') continue;
      const { shuffle } = parent.terminal;
      if (!all && !needed.has(shuffle.id)) continue;
      const owner = shuffle.scope ?? scope;
      const outputs = this.#outputsOf(parent, scope);
      const missing = () => [...outputs.keys()].filter((map) => !outputs[map]);
      for (let partitions = missing(); partitions.length > 0; partitions = missing()) {
        const own = {
          partitions,
          gang: false,
          prefer: undefined,
          device: undefined,
          expectedMs: undefined,
          uncounted: false,
        };
        const mapRequest = { ...request, ...own };
        for (const [partition, parts] of await this.#runStage(parent, mapRequest, job, owner))
          if (parts.every(({ at }) => this.#isAlive(executorOf(at))))
            outputs[partition] = parts.map(({ value }) => value as unknown as MapOutput);
      }
      const status = Buffer.from(JSON.stringify(outputs.flat()));
      const id = `map-status:${shuffle.id}:${this.#stages}`;
      statuses[shuffle.id] = await this.blocks.put(id, `${scope}/statuses`, status);
    }
    return statuses;
  }

  /** @param scope of the job, which owns what its shuffle's own scope does not */
  #outputsOf({ top, terminal }: Stage, scope: string): (PartitionOutputs | undefined)[] {
    if (terminal.kind !== 'shuffle-write') return [];
    const { id, scope: own = scope } = terminal.shuffle;
    return this.#outputs.outputs(`${own}:${id}`, partitionCount(top));
  }

  /** The tasks of a stage, once its inputs are there: a partition each, but for those too large for one. */
  #taskParts(stage: Stage, partitions: readonly number[], request: JobRequest, scope: string): TaskPart[] {
    const mayCut = stage.terminal.kind === 'shuffle-write' || request.merge !== undefined;
    const outputs = (id: number) => {
      const parent = stage.parents.find(
        ({ terminal }) => terminal.kind === 'shuffle-write' && terminal.shuffle.id === id,
      )!;
      return this.#outputsOf(parent, scope).flatMap((parts) => parts ?? []);
    };
    const splits = mayCut ? skewedPartitions(stage, outputs, this.skewBytes) : new Map<number, SkewSplit>();
    const total = partitionCount(stage.top);
    return partitions.flatMap((partition) => {
      const split = splits.get(partition);
      if (!split) return [{ key: partition, partition }];
      const { ranges, bytes, median } = split;
      const reason = `partition ${partition} of ${stage.top.name} reads ${bytes} bytes, half of the others ${median} or less`;
      this.tasks.bus.emit({ event: 'plan', what: 'skew', choice: ranges.length, reason });
      return ranges.map((_, part) => ({ key: partition + part * total, partition, split, part }));
    });
  }

  #taskSpec(
    stage: Stage,
    { key, partition, split, part = 0 }: TaskPart,
    whole: PartitionInput,
    statuses: Record<string, BlockRef>,
    request: JobRequest,
  ): TaskSpec {
    const input = split ? partInput(whole, split, part) : whole;
    const kept = storedBelow(stage.top, partition, this.storage);
    const stored = storedBlocks(kept);
    const inputs = {
      ...input,
      ...(Object.keys(statuses).length > 0 ? { statuses } : {}),
      ...(stored ? { stored } : {}),
    };
    const prefer = request.prefer?.(partition) ?? nearestSlot(kept, this.tasks.slots());
    return { partition: key, inputs: inputs as unknown as Json, prefer };
  }

  /** One shuffle's map tasks count once, in whatever job and stage; a job's result once. */
  #countsAs({ terminal }: Stage, job: string, scope: string): string {
    if (terminal.kind !== 'shuffle-write') return `${this.tasks.options.driver}/${job}:result`;
    return `${terminal.shuffle.scope ?? scope}:${terminal.shuffle.id}`;
  }
}

/** A plan's expectation holds for tasks that read the source, not for those that find their partition in a slot's cache. */
function plannedMs(sources: readonly LineageNode[], tasks: readonly TaskSpec[]): number | undefined {
  const [source] = sources;
  return sources.length === 1 && tasks.every(({ prefer }) => !prefer) ? source!.expectedMs : undefined;
}

function isUnplanned({ planner, splits, shuffle, step }: LineageNode): boolean {
  return planner !== undefined && splits === undefined && shuffle === undefined && step.kind !== 'union';
}

/** Results of parts of partitions whose inputs were made again, and are cut otherwise now: together they would not be the partition. */
function cutAnew(
  before: readonly TaskPart[],
  now: readonly TaskPart[],
  done: Iterable<number>,
  total: number,
): number[] {
  const ranges = (plan: readonly TaskPart[], partition: number) =>
    JSON.stringify(plan.find((part) => part.partition === partition)?.split?.ranges);
  return [...done].filter((key) => ranges(before, key % total) !== ranges(now, key % total));
}

function groupedBy(plan: readonly TaskPart[], result: (part: TaskPart) => TaskResult): Map<number, TaskResult[]> {
  const groups = new Map<number, TaskResult[]>();
  for (const part of plan) groups.set(part.partition, [...(groups.get(part.partition) ?? []), result(part)]);
  return groups;
}
