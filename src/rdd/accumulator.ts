import { decodeValue, HANDLE, type Handle, type HandleReference, provideHandles } from '../executor/closure/index.js';
import type { Blocks } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import { type AccumulatorOps, type NumberSum, type OpsReference, opsOf } from './accumulator-ops.js';
import { shown } from './arguments.js';
import { type Payload, unpackPayload } from './payload.js';
import { WeakValues } from './weak-values.js';

export interface AccumulatorOptions {
  /** Unique among all applications of the process. */
  readonly id: string;
  readonly name: string | undefined;
  /** `longAccumulator at job.ts:12`, for messages. */
  readonly made: string;
  readonly reference: OpsReference;
  /** Default: those of the reference. */
  readonly ops?: AccumulatorOps<any, any, any>;
}

/** How tasks know an accumulator. */
export type AccumulatorReference = Omit<AccumulatorOptions, 'ops'>;

/**
 * What functions on executors add to and the driver reads: counters and sums beside a job's result. Made by `sc.accumulator`,
 * `sc.longAccumulator`, `sc.doubleAccumulator` and `sc.collectionAccumulator`.
 *
 * A partition counts once, however often it is computed: tasks that fail count nothing, and neither does a second run of a
 * task, or of a shuffle's map task whose output was lost. As in Spark, what a transformation adds is added again by each
 * action that computes it.
 *
 * ```ts
 * const bad = sc.longAccumulator('bad lines');
 * await lines.foreach((line) => { if (line === '') bad.add(1); });
 * console.log(bad.value);
 * ```
 */
export class Accumulator<T, V = T> implements Handle {
  readonly id: string;
  readonly name: string | undefined;
  readonly #ops: AccumulatorOps<T, any, V>;
  readonly #reference: AccumulatorReference;
  #sum: unknown;

  constructor({ ops, ...reference }: AccumulatorOptions) {
    this.id = reference.id;
    this.name = reference.name;
    this.#ops = ops ?? opsOf(reference.reference);
    this.#reference = reference;
    this.#sum = this.#ops.zero();
    known.set(this.id, this);
    provideHandles('accumulator', madeHere); // not before: in slots, where jobs import this module too, handles are others
  }

  /** What has been added by the actions that have ended. On the driver only. @throws Error in a task */
  get value(): V {
    return this.#ops.value(this.#sum);
  }

  /** In a task: counts when the task succeeds. On the driver: at once. */
  add(value: T): void {
    this.#sum = this.#ops.add(this.#sum, value);
  }

  /** Begins again from zero. On the driver only. */
  reset(): void {
    this.#sum = this.#ops.zero();
  }

  /** Adds what a task has added up. Called by the engine, once a partition. */
  merge(partial: unknown): void {
    this.#sum = this.#ops.merge(this.#sum, partial);
  }

  /** What subclasses make their own values of. */
  protected get sums(): unknown {
    return this.#sum;
  }

  [HANDLE](): HandleReference {
    return { kind: 'accumulator', reference: this.#reference };
  }
}

/** Numbers: their sum is the `value`. Whole numbers (`sc.longAccumulator`) are added exactly. */
export class NumberAccumulator extends Accumulator<number, number> {
  /** The same as `value`. */
  get sum(): number {
    return this.value;
  }

  /** How many values were added. */
  get count(): number {
    return (this.sums as NumberSum).count;
  }

  /** NaN when nothing was added. */
  get avg(): number {
    return this.sum / this.count;
  }
}

/** Those that the program still has: what is added to others can be read by nobody. */
const known = new WeakValues<Accumulator<any, any>>();

function madeHere({ id, made }: AccumulatorReference): Accumulator<any, any> {
  const accumulator = known.get(id);
  if (!accumulator) throw new Error(`the accumulator made by ${made} is gone: nothing in the program refers to it`);
  return accumulator;
}

/**
 * Adds what a task left, by accumulator. All of it is read before any of it is added.
 * @returns the values of those that have a name
 * @throws FailureError `fetch-failed` when some of it cannot be read
 */
export async function accumulate(
  accumulated: Readonly<Record<string, Json>>,
  blocks: Blocks,
): Promise<Record<string, Json>> {
  const wanted = Object.entries(accumulated).flatMap(([id, payload]) => {
    const accumulator = known.get(id);
    return accumulator ? [{ accumulator, payload: payload as unknown as Payload }] : [];
  });
  const partials = await Promise.all(wanted.map(({ payload }) => unpackPayload(payload, blocks)));
  const named: Record<string, Json> = {};
  wanted.forEach(({ accumulator }, i) => {
    accumulator.merge(decodeValue(partials[i]!));
    if (accumulator.name !== undefined) named[accumulator.name] = eventValue(accumulator.value);
  });
  return named;
}

function eventValue(value: unknown): Json {
  return typeof value === 'number' || typeof value === 'string' ? value : shown(value);
}
