import { HANDLE, type Handle, type HandleReference, provideHandles } from '../executor/closure/index.js';
import { currentTask } from '../executor/task-output.js';
import type { TaskContext } from '../protocol/program.js';
import type { Task } from '../protocol/task.js';
import type { AccumulatorReference } from './accumulator.js';
import { type AccumulatorOps, opsOf } from './accumulator-ops.js';
import { packPayload } from './payload.js';
import { WeakValues } from './weak-values.js';

interface Partial {
  readonly ops: AccumulatorOps<any, any, any>;
  sum: unknown;
}

/**
 * By the task that added. What a task that has ended still adds (an async function nobody waited for) belongs to it, not
 * to the task that runs now, and is lost with it.
 */
const partials = new WeakMap<Task, Map<string, Partial>>();

/** An accumulator as functions on executors have it: they can add. */
class TaskAccumulator implements Handle {
  readonly #ops: AccumulatorOps<any, any, any>;
  /** Of the last `add`: nearly always that of the next. */
  #task: Task | undefined;
  #partial: Partial | undefined;

  constructor(readonly reference: AccumulatorReference) {
    this.#ops = opsOf(reference.reference);
  }

  add(value: unknown): void {
    const task = currentTask.getStore();
    if (task !== this.#task || task === undefined) this.#enter(task);
    const partial = this.#partial!;
    partial.sum = partial.ops.add(partial.sum, value);
  }

  #enter(task: Task | undefined): void {
    const { id, made } = this.reference;
    if (!task) throw new Error(`the accumulator made by ${made} is added to outside of a task`);
    const those = partials.get(task) ?? new Map<string, Partial>();
    partials.set(task, those);
    const partial = those.get(id) ?? { ops: this.#ops, sum: this.#ops.zero() };
    those.set(id, partial);
    this.#task = task;
    this.#partial = partial;
  }

  get value(): never {
    return this.#driverOnly('value');
  }

  get sum(): never {
    return this.#driverOnly('sum');
  }

  get count(): never {
    return this.#driverOnly('count');
  }

  get avg(): never {
    return this.#driverOnly('avg');
  }

  reset(): never {
    return this.#driverOnly('reset()');
  }

  #driverOnly(member: string): never {
    const { name, made } = this.reference;
    const which = name === undefined ? `made by ${made}` : `"${name}" (${made})`;
    throw new Error(
      `tasks can only add to the accumulator ${which}: read its ${member} on the driver, after the action; a task knows nothing of what others add`,
    );
  }

  [HANDLE](): HandleReference {
    return { kind: 'accumulator', reference: this.reference };
  }
}

const known = new WeakValues<TaskAccumulator>();

/** Called once, by what runs tasks. */
export function provideTaskAccumulators(): void {
  provideHandles(
    'accumulator',
    (reference: AccumulatorReference) =>
      known.get(reference.id) ?? known.set(reference.id, new TaskAccumulator(reference)),
  );
}

/** Puts what a task has added up where its outcome takes it along. To be called when the task has succeeded. */
export async function leaveAccumulated(task: Task, context: TaskContext, scope: string): Promise<void> {
  for (const [id, { sum }] of partials.get(task) ?? []) {
    const block = `accumulated:${id}:${task.stage}:${task.partition}`;
    context.accumulated[id] = await packPayload(sum, block, scope, context);
  }
  partials.delete(task);
}
