import type { Blocks } from '../protocol/block.js';
import { toFailure } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import { JobError } from './job-error.js';
import type { JobRequest } from './job-request.js';
import type { LineageNode } from './lineage.js';
import { LineagePlanner } from './lineage-planner.js';
import { partitionCount } from './partition-input.js';
import { RECOVERY } from './recovery.js';
import { MAX_STAGE_ATTEMPTS, type ProgramCompiler, type StageOwner, StageRunner } from './stage-runner.js';
import { planStages, type Stage } from './stages.js';
import { StorageRegistry } from './storage-registry.js';
import { TaskCounts } from './task-counts.js';
import type { TaskScheduler } from './task-scheduler.js';
import { executorOf, TaskSetError } from './task-set.js';

/** Runs jobs: plans sources, cuts the lineage into stages, has the last one run, and reads what its tasks answered. */
export class DagScheduler {
  readonly storage: StorageRegistry;
  readonly counts: TaskCounts;
  readonly #planner = new LineagePlanner();
  readonly #stages: StageRunner;
  #jobs = 0;

  constructor(
    readonly tasks: TaskScheduler,
    readonly blocks: Blocks,
    readonly compile: ProgramCompiler,
    /** Joins' partitions of more bytes are computed in parts, when they are much larger than the others. */
    skewBytes = 32 * 2 ** 20,
  ) {
    this.counts = new TaskCounts(tasks.bus);
    this.storage = new StorageRegistry(tasks.bus);
    const { storage, counts } = this;
    const ended = () => this.onStageEnd();
    this.#stages = new StageRunner({ tasks, blocks, compile, storage, counts, skewBytes, ended });
    tasks.onExecutorLost((executor) => this.#stages.lost(executor));
    tasks.onStorage((at, updates) => {
      if (tasks.isAlive(executorOf(at))) for (const update of updates) storage.update(at, update);
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
      return await this.#runAndRead(stage, { request, job, scope: request.scope ?? jobScope }, read);
    } catch (error) {
      message = (error as Error).message;
      throw error instanceof TaskSetError ? new JobError(request.name, error) : error;
    } finally {
      bus.emit({ event: 'job-end', job, ok: message === undefined, message, ms: bus.clock.now() - begun });
      this.release(jobScope);
    }
  }

  /** Decides what is not known yet of `top` and the nodes below: a source's partitions, a shuffle's. */
  plan(top: LineageNode): Promise<void> {
    return this.#planner.plan(top);
  }

  /** Bytes of the map outputs that are kept for later jobs. */
  get shuffleBytes(): number {
    return this.#stages.shuffleBytes;
  }

  /** Ends a scope: its blocks and residents everywhere, and what is remembered of its shuffles. */
  release(scope: string): void {
    this.#stages.drop(scope);
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
  async #runAndRead<T>(stage: Stage, owner: StageOwner, read: (answer: Json) => Promise<T>) {
    const { request } = owner;
    const partitions = request.partitions ?? [...Array(partitionCount(stage.top)).keys()];
    const values = new Map<number, T>();
    for (let attempt = 1; values.size < partitions.length; attempt++) {
      const missing = partitions.filter((partition) => !values.has(partition));
      const results = await this.#stages.run(stage, { ...owner, request: { ...request, partitions: missing } });
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
}
