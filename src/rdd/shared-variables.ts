import { Accumulator, NumberAccumulator } from './accumulator.js';
import { shippedOps } from './accumulator-ops.js';
import type { Application } from './application.js';
import { requireSyncFunction, shown } from './arguments.js';
import type { Broadcast } from './broadcast.js';
import { operatorName } from './call-site.js';
import { ContextSources } from './context-sources.js';

/** How values of another type than the sum's are added up. */
export interface AccumulatorFunctions<T, V> {
  /** May change `sum` and return it. Runs in tasks. */
  readonly add: (sum: V, value: T) => V;
  /** Combines what two tasks have added up. Runs on the driver; may change and return its first argument. */
  readonly merge: (a: V, b: V) => V;
}

/** What jobs share beside their RDDs: the part of SheafContext that makes it. */
export abstract class SharedVariables extends ContextSources {
  #accumulators = 0;

  abstract readonly application: Application;

  /**
   * What functions on executors add to and the driver reads after an action.
   * @param zero neutral for `add`; each task begins with a copy
   * @param add must be associative and commutative; or `add` and `merge`, for values of another type than the sum's
   * @param name shown in the event log
   * @throws TypeError for what is no function; ClosureError for a function that cannot travel
   * @example const longest = sc.accumulator(0, (a, b) => Math.max(a, b))
   */
  accumulator<T>(zero: T, add: (a: T, b: T) => T, name?: string): Accumulator<T, T>;
  accumulator<T, V>(zero: V, functions: AccumulatorFunctions<T, V>, name?: string): Accumulator<T, V>;
  accumulator<V>(zero: V, how: ((a: V, b: V) => V) | AccumulatorFunctions<any, V>, name?: string): Accumulator<any, V> {
    const { add, merge } = typeof how === 'function' ? { add: how, merge: how } : (how ?? {});
    requireSyncFunction('accumulator', add, 'a function add');
    requireSyncFunction('accumulator', merge, 'a function merge');
    const made = operatorName('accumulator');
    return new Accumulator<any, V>({ ...this.#identity(name, made), ...shippedOps(zero, add, merge, made) });
  }

  /** Counts and sums whole numbers, exactly. @example const bad = sc.longAccumulator('bad lines') */
  longAccumulator(name?: string): NumberAccumulator {
    const made = operatorName('longAccumulator');
    return new NumberAccumulator({ ...this.#identity(name, made), reference: { kind: 'long' } });
  }

  /** Sums numbers, as float64, in order of partitions. */
  doubleAccumulator(name?: string): NumberAccumulator {
    const made = operatorName('doubleAccumulator');
    return new NumberAccumulator({ ...this.#identity(name, made), reference: { kind: 'double' } });
  }

  /** Collects values into an array, in order of partitions. It must fit into the driver's memory. */
  collectionAccumulator<T>(name?: string): Accumulator<T, T[]> {
    const made = operatorName('collectionAccumulator');
    return new Accumulator<T, T[]>({ ...this.#identity(name, made), reference: { kind: 'collection' } });
  }

  /**
   * Sends a value to executors once, not with every stage whose functions use it.
   * @throws ClosureError for a value that cannot travel
   * @example const names = sc.broadcast(new Map([[1, 'walking']])); activities.map((id) => names.value.get(id))
   */
  broadcast<T>(value: T): Broadcast<T> {
    return this.application.broadcasts.make(value, operatorName('broadcast'));
  }

  #identity(name: string | undefined, made: string) {
    if (name !== undefined && typeof name !== 'string')
      throw new TypeError(`the name of an accumulator is text, not ${shown(name)}`);
    return { id: `${this.application.app}/accumulator-${this.#accumulators++}`, name, made };
  }
}
