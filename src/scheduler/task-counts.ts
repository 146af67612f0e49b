import { toFailure } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import { inScope } from '../protocol/scope.js';
import type { EventBus } from './event-bus.js';
import { type TaskResult, type TaskSet, TaskSetError } from './task-set.js';

/**
 * Adds up what tasks counted, each partition once. A partition may be computed again after its result was accepted (a map
 * output was lost with its executor, or a result block before it was read): what it counts then has been counted.
 */
export class TaskCounts {
  readonly #taken = new Map<string, Set<number>>();

  constructor(readonly bus: EventBus) {}

  /**
   * Set by the context: adds what one task left for accumulators, all of it or, when it throws, nothing.
   * @returns the accumulators that have a name, as they are now
   */
  accumulate: (accumulated: Readonly<Record<string, Json>>) => Promise<Readonly<Record<string, Json>>> =
    async () => ({});

  /**
   * Takes the counts of results that have not been taken, in order of partitions. A result whose counts cannot be read
   * is taken out of `done`: its task must run again.
   * @param key `<scope>:<what is computed>`: a partition of it counts once, until the scope is dropped
   * @throws TaskSetError `fetch-failed`; what an accumulator's own function throws
   */
  async take(key: string, set: TaskSet, done: Map<number, TaskResult>): Promise<void> {
    const taken = this.#takenOf(key);
    const dropped = new Map<string, number>();
    let named: Readonly<Record<string, Json>> = {};
    try {
      for (const { partition, counters, accumulated } of inOrder(done)) {
        if (!(counters || accumulated) || taken.has(partition)) continue;
        taken.add(partition);
        try {
          if (accumulated) named = { ...named, ...(await this.accumulate(accumulated)) };
        } catch (error) {
          const failure = toFailure(error);
          if (failure.kind !== 'fetch-failed') throw error;
          taken.delete(partition);
          done.delete(partition);
          throw new TaskSetError(failure, set, partition, [...done.values()]);
        }
        for (const [name, amount] of Object.entries(counters ?? {}))
          dropped.set(name, (dropped.get(name) ?? 0) + amount);
      }
    } finally {
      for (const [what, count] of dropped) this.bus.emit({ event: 'dropped', what, count });
      const { job, stage } = set;
      if (Object.keys(named).length > 0) this.bus.emit({ event: 'accumulators', job, stage, values: named });
    }
  }

  #takenOf(key: string): Set<number> {
    const known = this.#taken.get(key) ?? new Set();
    this.#taken.set(key, known);
    return known;
  }

  /** Forgets what was computed for a scope and for those below it. */
  drop(scope: string): void {
    for (const key of this.#taken.keys())
      if (inScope(key.slice(0, key.lastIndexOf(':')), scope)) this.#taken.delete(key);
  }
}

/** Sums of floating-point numbers are then the same in every run. */
function inOrder(done: ReadonlyMap<number, TaskResult>): TaskResult[] {
  return [...done.values()].sort((a, b) => a.partition - b.partition);
}
