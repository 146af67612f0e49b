import { randomUUID } from 'node:crypto';
import type { AnyFunction } from './function-type.js';

/**
 * Classes and symbols have an identity that `instanceof` and `===` look at. One that leaves its process gets an id; when it comes
 * back it is the original again, and an executor that receives it twice has it once.
 */
const process = randomUUID();
const ids = new Map<AnyFunction | symbol, string>();
const known = new Map<string, AnyFunction | symbol>();

export function identityOf(value: AnyFunction | symbol): string {
  let id = ids.get(value);
  if (id === undefined) {
    id = `${process}:${ids.size}`;
    remember(id, value);
  }
  return id;
}

export function withIdentity<T extends AnyFunction | symbol>(id: string): T | undefined {
  return known.get(id) as T | undefined;
}

export function remember(id: string, value: AnyFunction | symbol): void {
  ids.set(value, id);
  known.set(id, value);
}
