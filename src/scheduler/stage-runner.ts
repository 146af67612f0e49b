import type { BlockRef, Blocks } from '../protocol/block.js';
import type { Failure } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { ProgramRef } from '../protocol/task.js';
import type { JobRequest } from './job-request.js';
import type { LineageNode } from './lineage.js';
import { type MapOutput, MapOutputs, type PartitionOutputs } from './map-outputs.js';
import { type PartitionInput, partitionCount, partitionInput } from './partition-input.js';
import { RECOVERY } from './recovery.js';
import { partInput, skewedPartitions } from './skew.js';
import { type Stage, stageNodes } from './stages.js';
import type { StorageRegistry } from './storage-registry.js';
import { nearestSlot, shufflesNeeded, storedBelow, storedBlocks } from './stored-partitions.js';
import type { TaskCounts } from './task-counts.js';
import { byPartition, cutAnew, type TaskPart, taskParts } from './task-parts.js';
import type { TaskScheduler } from './task-scheduler.js';
import { executorOf, type TaskResult, type TaskSet, TaskSetError, type TaskSpec } from './task-set.js';

/** Turns a stage into a program that slots can run: ships its functions, puts its parameters into a block. */
export type ProgramCompiler = (stage: Stage, scope: string, name: string) => Promise<ProgramRef>;

/** As in Spark: a stage that keeps losing its inputs is given up. */
export const MAX_STAGE_ATTEMPTS = 4;

/** For which job a stage runs. */
export interface StageOwner {
  readonly request: JobRequest;
  readonly job: string;
  /** Of what the stage leaves, where its shuffle has no scope of its own. */
  readonly scope: string;
}

/** What the runner of stages shares with the scheduler of jobs. */
export interface StageServices {
  readonly tasks: TaskScheduler;
  readonly blocks: Blocks;
  readonly compile: ProgramCompiler;
  readonly storage: StorageRegistry;
  readonly counts: TaskCounts;
  /** Joins' partitions of more bytes are computed in parts, when they are much larger than the others. */
  readonly skewBytes: number;
  /** After the last task of a stage. */
  ended(): Promise<void>;
}

/**
 * Runs a stage, and before it the map stages whose outputs are missing. When an input block is unreadable its map task runs
 * again, and then only the tasks that had not finished.
 */
export class StageRunner {
  readonly #outputs = new MapOutputs();
  #stages = 0;

  constructor(readonly services: StageServices) {}

  /** Bytes of the map outputs that are kept for later jobs. */
  get shuffleBytes(): number {
    return this.#outputs.bytes;
  }

  /** What is remembered of a scope's shuffles. */
  drop(scope: string): void {
    this.#outputs.drop(scope);
  }

  lost(executor: string): void {
    this.#outputs.lost(executor);
    this.services.storage.lost(executor);
  }

  /**
   * @returns the results of each partition: one, or several where it was computed in parts
   * @throws TaskSetError
   */
  async run(stage: Stage, owner: StageOwner): Promise<Map<number, TaskResult[]>> {
    const { tasks, compile, counts, ended } = this.services;
    const { request, scope } = owner;
    const id = this.#stages++;
    const done = new Map<number, TaskResult>();
    const keeps = stageNodes(stage).some(({ persisted }) => persisted !== undefined);
    const count = (set: TaskSet) =>
      request.uncounted && !keeps ? undefined : counts.take(this.#countsAs(stage, owner), set, done);
    const total = partitionCount(stage.top);
    const partitions = request.partitions ?? [...Array(total).keys()];
    // First, so that a function that cannot be shipped is refused before the stages below run.
    const compiling = compile(stage, `${scope}/stage-${id}`, request.name);
    // Of the lineage as it is compiled: what is persisted meanwhile, or no longer, changes the unions on the way down.
    const inputs = new Map(partitions.map((partition) => [partition, partitionInput(stage.top, partition)]));
    const program = await compiling;
    let plan: TaskPart[] | undefined;
    for (let attempt = 0; ; attempt++) {
      const statuses = await this.#mapOutputs(stage, owner, attempt > 0);
      const before = plan;
      plan = this.#plan(stage, partitions, owner);
      if (before) for (const key of cutAnew(before, plan, done.keys(), total)) done.delete(key);
      const missing = plan.filter(({ key }) => !done.has(key));
      const specs = missing.map((part) => this.#taskSpec(stage, part, inputs.get(part.partition)!, statuses, request));
      const set = {
        ...{ job: owner.job, stage: id, stageAttempt: attempt },
        ...taskSet(stage, request, program, specs),
      };
      try {
        for (const result of await tasks.run(set)) done.set(result.partition, result);
        await ended();
        await count(set);
        return byPartition(plan, (part) => done.get(part.key)!);
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
    this.services.storage.unreadable(failure.block);
    for (const { holder } of failure.block.at) if (!this.services.tasks.isAlive(holder)) this.lost(holder);
    return true;
  }

  /**
   * Makes the outputs the stage reads; answers with one map status block a shuffle.
   * @param all also of shuffles below RDDs that are kept: a task had to compute one after all
   */
  async #mapOutputs(stage: Stage, owner: StageOwner, all: boolean): Promise<Record<string, BlockRef>> {
    const { storage, blocks } = this.services;
    const { scope } = owner;
    const statuses: Record<string, BlockRef> = {};
    const needed = shufflesNeeded(stage.top, storage);
    for (const parent of stage.parents) {
      if (parent.terminal.kind !== 'shuffle-write') continue;
      const { shuffle } = parent.terminal;
      if (!all && !needed.has(shuffle.id)) continue;
      const outputs = this.#outputsOf(parent, scope);
      await this.#fill(outputs, parent, { ...owner, scope: shuffle.scope ?? scope });
      const status = Buffer.from(JSON.stringify(outputs.flat()));
      const id = `map-status:${shuffle.id}:${this.#stages}`;
      statuses[shuffle.id] = await blocks.put(id, `${scope}/statuses`, status);
    }
    return statuses;
  }

  /** Runs map tasks until all outputs are there, at executors that are alive. */
  async #fill(outputs: (PartitionOutputs | undefined)[], mapStage: Stage, owner: StageOwner): Promise<void> {
    const missing = () => [...outputs.keys()].filter((map) => !outputs[map]);
    for (let partitions = missing(); partitions.length > 0; partitions = missing()) {
      const request = { ...owner.request, ...OF_RESULT_TASKS_ALONE, partitions };
      for (const [partition, parts] of await this.run(mapStage, { ...owner, request }))
        if (parts.every(({ at }) => this.services.tasks.isAlive(executorOf(at))))
          outputs[partition] = parts.map(({ value }) => value as unknown as MapOutput);
    }
  }

  /** @param scope of the job, which owns what its shuffle's own scope does not */
  #outputsOf({ top, terminal }: Stage, scope: string): (PartitionOutputs | undefined)[] {
    if (terminal.kind !== 'shuffle-write') return [];
    const { id, scope: own = scope } = terminal.shuffle;
    return this.#outputs.outputs(`${own}:${id}`, partitionCount(top));
  }

  /** The tasks of a stage, once its inputs are there; says which partitions are too large for one. */
  #plan(stage: Stage, partitions: readonly number[], { request, scope }: StageOwner): TaskPart[] {
    const { tasks, skewBytes } = this.services;
    const mayCut = stage.terminal.kind === 'shuffle-write' || request.merge !== undefined;
    const outputs = (id: number) => {
      const parent = stage.parents.find(
        ({ terminal }) => terminal.kind === 'shuffle-write' && terminal.shuffle.id === id,
      )!;
      return this.#outputsOf(parent, scope).flatMap((parts) => parts ?? []);
    };
    const splits = mayCut ? skewedPartitions(stage, outputs, skewBytes) : new Map<number, never>();
    const plan = taskParts(partitions, partitionCount(stage.top), splits);
    for (const { partition, split, part } of plan) {
      if (!split || part !== 0) continue;
      const { ranges, bytes, median } = split;
      const reason = `partition ${partition} of ${stage.top.name} reads ${bytes} bytes, half of the others ${median} or less`;
      tasks.bus.emit({ event: 'plan', what: 'skew', choice: ranges.length, reason });
    }
    return plan;
  }

  #taskSpec(
    stage: Stage,
    { key, partition, split, part = 0 }: TaskPart,
    whole: PartitionInput,
    statuses: Record<string, BlockRef>,
    request: JobRequest,
  ): TaskSpec {
    const { storage, tasks } = this.services;
    const input = split ? partInput(whole, split, part) : whole;
    const kept = storedBelow(stage.top, partition, storage);
    const stored = storedBlocks(kept);
    const inputs = {
      ...input,
      ...(Object.keys(statuses).length > 0 ? { statuses } : {}),
      ...(stored ? { stored } : {}),
    };
    const prefer = request.prefer?.(partition) ?? nearestSlot(kept, tasks.slots());
    return { partition: key, inputs: inputs as unknown as Json, prefer };
  }

  /** One shuffle's map tasks count once, in whatever job and stage; a job's result once. */
  #countsAs({ terminal }: Stage, { job, scope }: StageOwner): string {
    if (terminal.kind !== 'shuffle-write') return `${this.services.tasks.options.driver}/${job}:result`;
    return `${terminal.shuffle.scope ?? scope}:${terminal.shuffle.id}`;
  }
}

/** What a request says of its job's result tasks does not hold for the map tasks before them. */
const OF_RESULT_TASKS_ALONE = {
  gang: false,
  prefer: undefined,
  device: undefined,
  expectedMs: undefined,
  uncounted: false,
};

function taskSet(stage: Stage, { gang, device, expectedMs }: JobRequest, program: ProgramRef, tasks: TaskSpec[]) {
  const nodes = stageNodes(stage);
  const sources = nodes.filter((node) => node.step.kind === 'source');
  return {
    ...{ name: stage.top.name, program, tasks, gang, partitions: partitionCount(stage.top) },
    expectedMs: expectedMs ?? plannedMs(sources, tasks),
    device: device ?? nodes.find((node) => node.device)?.device,
    sources: sources.map((node) => node.id),
  };
}

/** A plan's expectation holds for tasks that read the source, not for those that find their partition in a slot's cache. */
function plannedMs(sources: readonly LineageNode[], tasks: readonly TaskSpec[]): number | undefined {
  const [source] = sources;
  return sources.length === 1 && tasks.every(({ prefer }) => !prefer) ? source!.expectedMs : undefined;
}
