import type { Refusal } from '../executor/closure/error.js';
import { HANDLE, type Handle, type HandleReference, provideHandles } from '../executor/closure/index.js';
import type { BroadcastReference } from './broadcast-task.js';
import { callSite } from './call-site.js';
import { WeakValues } from './weak-values.js';

/** What a broadcast's handle asks of the application. */
export interface BroadcastHolders {
  /** Drops the executors' copies. */
  unpersist(id: string): void;
  /** Drops all copies. */
  destroy(id: string): void;
}

/**
 * A read-only value for functions on executors, sent once a host and not with every stage: a lookup table, a model. Made by
 * `sc.broadcast`.
 *
 * The value is encoded when the broadcast is made; a later change of the object is not seen on executors, and what a
 * function changes in its copy is seen by some tasks and not by others. Executors copy it from one another; a slot decodes it
 * once, and keeps it until `unpersist`, `destroy`, or until nothing in the program refers to the broadcast.
 *
 * ```ts
 * const names = sc.broadcast(new Map([[1, 'walking']]));
 * await activities.map((id) => names.value.get(id)).collect();
 * ```
 */
export class Broadcast<T> implements Handle {
  readonly #reference: BroadcastReference;
  readonly #holders: BroadcastHolders;
  #value: T | undefined;
  #destroyed: string | undefined;

  constructor(reference: BroadcastReference, value: T, holders: BroadcastHolders) {
    this.#reference = reference;
    this.#value = value;
    this.#holders = holders;
    known.set(reference.id, this);
    provideHandles('broadcast', madeHere); // not before: in slots, where jobs import this module too, handles are others
  }

  get id(): string {
    return this.#reference.id;
  }

  /** On the driver the value itself, on executors a copy. @throws Error when the broadcast has been destroyed */
  get value(): T {
    if (this.#destroyed !== undefined)
      throw new Error(`the value of the ${this.#reference.made} is gone: it was destroyed at ${this.#destroyed}`);
    return this.#value as T;
  }

  /** Drops the executors' copies; they are sent again when a stage needs them. */
  unpersist(): void {
    if (this.#destroyed === undefined) this.#holders.unpersist(this.id);
  }

  /** Drops all copies. What uses the broadcast afterwards fails, and says that it was destroyed here. */
  destroy(): void {
    if (this.#destroyed !== undefined) return;
    this.#destroyed = callSite();
    this.#value = undefined;
    this.#holders.destroy(this.id);
  }

  [HANDLE](): HandleReference | Refusal {
    if (this.#destroyed === undefined) return { kind: 'broadcast', reference: this.#reference };
    const noun = `the ${this.#reference.made}, which was destroyed at ${this.#destroyed}`;
    return { noun, advice: 'destroy it after the last job that uses it, or make a new one' };
  }
}

/** A large variable that functions captured: they get the value itself. */
export class CapturedBroadcast<T> extends Broadcast<T> {
  override [HANDLE](): HandleReference | Refusal {
    const handle = super[HANDLE]();
    return 'noun' in handle ? handle : { ...handle, kind: 'captured-broadcast' };
  }
}

const known = new WeakValues<Broadcast<unknown>>();

function madeHere({ id, made }: BroadcastReference): Broadcast<unknown> {
  const broadcast = known.get(id);
  if (!broadcast) throw new Error(`the ${made} is gone: nothing in the program refers to it`);
  return broadcast;
}
