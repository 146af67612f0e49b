import { randomUUID } from 'node:crypto';

/**
 * Classes and symbols have an identity that `instanceof` and `===` look at. One that leaves its process gets an id; when it comes
 * back it is the original again, and an executor that receives it twice has it once.
 */
const process = randomUUID();
const ids = new Map<Function | symbol, string>();
const known = new Map<string, Function | symbol>();

export function identityOf(value: Function | symbol): string {
  let id = ids.get(value);
  if (id === undefined) {
    id = `${process}:${ids.size}`;
    remember(id, value);
  }
  return id;
}

export function withIdentity<T extends Function | symbol>(id: string): T | undefined {
  return known.get(id) as T | undefined;
}

export function remember(id: string, value: Function | symbol): void {
  ids.set(value, id);
  known.set(id, value);
}
