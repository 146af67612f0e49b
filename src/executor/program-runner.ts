import { type Failure, toFailure } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { PreparedProgram, SlotContext, SlotProgram, Slots, TaskContext } from '../protocol/program.js';
import type { Task, TaskMessage, TaskMetrics, TaskOutcome } from '../protocol/task.js';
import { currentTask } from './task-output.js';
import { noteNeeded } from './warm-start.js';

const ENGINE_MODULE = /^[a-z]+(-[a-z]+)*(\/[a-z]+(-[a-z]+)*)+$/;

/** Runs the tasks of messages one after another; programs are prepared once and kept while their scope lives. */
export class ProgramRunner {
  constructor(
    readonly slot: SlotContext,
    readonly now: () => number = Date.now,
    /** Of the executor's own process: what a message's tasks may order of the slots. */
    readonly slotsFor?: (message: TaskMessage, signal: AbortSignal) => Slots,
  ) {}

  async run(message: TaskMessage, signal: AbortSignal): Promise<TaskOutcome[]> {
    const outcomes: TaskOutcome[] = [];
    const slots = this.slotsFor?.(message, signal);
    for (const task of message.tasks) {
      const metrics = emptyMetrics(Math.max(0, this.now() - message.sentAt));
      const { partition, stage, stageAttempt, attempt } = task;
      const key = { partition, stage, stageAttempt, attempt, metrics };
      try {
        if (signal.aborted) throw signal.reason;
        const accumulated: Record<string, Json> = {};
        const context = { ...this.slot, signal, metrics, accumulated, ...(slots && { slots }) };
        const value = await currentTask.run(task, () => this.#runOne(message, task, context));
        outcomes.push({ ...key, ok: true, value, ...(Object.keys(accumulated).length > 0 ? { accumulated } : {}) });
      } catch (thrown) {
        outcomes.push({ ...key, ok: false, failure: resourceAware(toFailure(thrown)) });
      }
    }
    return outcomes;
  }

  async #runOne(message: TaskMessage, task: Task, context: TaskContext): Promise<Json> {
    const { metrics } = context;
    const start = performance.now();
    const program = await this.#prepared(message);
    metrics.fetchMs += performance.now() - start;
    const begun = performance.now();
    const moved = metrics.fetchMs + metrics.writeMs;
    const value = await program.run(task, context);
    // What the program spent on reading and writing it has added there itself; readings may overlap.
    const moving = metrics.fetchMs + metrics.writeMs - moved;
    metrics.computeMs += Math.max(0, performance.now() - begun - moving);
    return value;
  }

  async #prepared({ program: { module, parameters } }: TaskMessage): Promise<PreparedProgram> {
    const id = `program:${module}:${parameters.id}`;
    const kept = this.slot.residents.get<PreparedProgram>(id);
    if (kept) return kept;
    if (!ENGINE_MODULE.test(module)) throw new Error(`"${module}" is no module of the engine`);
    const loaded: { default: SlotProgram } = await import(new URL(`../${module}.js`, import.meta.url).href);
    noteNeeded(module);
    const prepared = await loaded.default.prepare(await this.slot.blocks.get(parameters), this.slot);
    return this.slot.residents.set(id, parameters.scope, prepared);
  }
}

function emptyMetrics(queueMs: number): TaskMetrics {
  return { queueMs, fetchMs: 0, computeMs: 0, writeMs: 0, rows: 0, bytesIn: 0, bytesOut: 0 };
}

/** V8 reports a failed allocation as a RangeError of the user's code; the job's answer to it differs. */
function resourceAware(failure: Failure): Failure {
  if (failure.kind === 'user-error' && /Array buffer allocation failed|Invalid array length/.test(failure.message))
    return { kind: 'resource', message: failure.message };
  return failure;
}
