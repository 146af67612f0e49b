import { types } from 'node:util';
import { ClosureError, type Refusal } from './error.js';

/**
 * A handle stands for something that has a place of its own on executors (a broadcast's value, an accumulator): a function
 * that captures one takes a reference along, and finds what the executor's process has under it.
 */
export const HANDLE: unique symbol = Symbol.for('sheaf.handle') as never;

export interface Handle {
  /** Asked at the moment of shipping; a handle that can no longer be used says why. */
  [HANDLE](): HandleReference | Refusal;
}

export interface HandleReference {
  readonly kind: string;
  /** What `v8.serialize` takes. */
  readonly reference: unknown;
}

const revivers = new Map<string, (reference: any) => object>();

/** Says what references of a kind become in this process. Equal references should become one object. */
export function provideHandles(kind: string, revive: (reference: any) => object): void {
  revivers.set(kind, revive);
}

export function isHandle(value: object): value is Handle {
  return !types.isProxy(value) && typeof (value as Partial<Handle>)[HANDLE] === 'function';
}

export function reviveHandle({ kind, reference }: HandleReference): object {
  const revive = revivers.get(kind);
  if (!revive) throw new ClosureError(`this process knows nothing of handles of the kind "${kind}"`);
  return revive(reference);
}
