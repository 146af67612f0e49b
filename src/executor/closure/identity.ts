import { randomUUID } from 'node:crypto';
import type { AnyFunction } from './function-type.js';

type Identified = AnyFunction | symbol;

/**
 * Classes and symbols have an identity that `instanceof` and `===` look at. One that leaves its process gets an id; when it comes
 * back it is the original again, and an executor that receives it twice has it once. Held weakly: what nobody
 * refers to any more has no identity to keep.
 */
const known = new Map<string, WeakRef<Identified>>();
const ids = new WeakMap<Identified, string>();
const forgotten = new FinalizationRegistry<string>((id) => {
  if (known.get(id)?.deref() === undefined) known.delete(id);
});
const here = randomUUID();
let count = 0;

export function identityOf(value: Identified): string {
  let id = ids.get(value);
  if (id === undefined) {
    id = `${here}:${count++}`;
    remember(id, value);
  }
  return id;
}

export function withIdentity<T extends Identified>(id: string): T | undefined {
  return known.get(id)?.deref() as T | undefined;
}

export function remember(id: string, value: Identified): void {
  ids.set(value, id);
  known.set(id, new WeakRef(value));
  forgotten.register(value, id);
}
