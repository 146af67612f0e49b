import { types } from 'node:util';
import { globalPath } from './globals.js';

/**
 * Whether `v8.serialize` keeps everything of a value: no functions, symbols, classes of the user's, accessors or errors inside.
 * Remembers its answers, for the time of one encoding.
 */
export class PlainValues {
  readonly #known = new Map<object, boolean>();

  has(value: object): boolean {
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    const seen = new Set<object>();
    const plain = this.#scan(value, seen);
    // Only success says something about every object on the way.
    if (plain) for (const each of seen) this.#known.set(each, true);
    this.#known.set(value, plain);
    return plain;
  }

  #scan(value: object, seen: Set<object>): boolean {
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    if (seen.has(value)) return true;
    if (!hasPlainShape(value)) return false;
    seen.add(value);
    if (ArrayBuffer.isView(value)) return true;
    if (value instanceof Map)
      return [...value].every(([key, each]) => this.#inside(key, seen) && this.#inside(each, seen));
    if (value instanceof Set) return [...value].every((each) => this.#inside(each, seen));
    return Object.values(value).every((each) => this.#inside(each, seen));
  }

  #inside(value: unknown, seen: Set<object>): boolean {
    if (typeof value === 'object' && value !== null) return this.#scan(value, seen);
    return typeof value !== 'function' && typeof value !== 'symbol';
  }
}

/**
 * The same for data on its way between tasks, which may be millions of rows: faster, and satisfied with less. Accessors are read, as
 * `v8.serialize` reads them, and what it refuses it may still refuse.
 */
export function isPlainData(value: unknown): boolean {
  const seen = new Set<object>();
  const scan = (value: object): boolean => {
    if (seen.has(value)) return true;
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Array.prototype) {
      const list = value as unknown[];
      for (let i = 0, added = false; i < list.length; i++) {
        const each = list[i];
        if (typeof each === 'object' && each !== null) {
          if (!added) seen.add(value);
          added = true;
          if (!scan(each)) return false;
        } else if (typeof each === 'function' || typeof each === 'symbol') return false;
      }
      return true;
    }
    if (prototype !== Object.prototype) {
      seen.add(value);
      if (!isPlainBuiltin(value)) return false;
      if (value instanceof Map) for (const [key, each] of value) if (!inside(key) || !inside(each)) return false;
      if (value instanceof Set) for (const each of value) if (!inside(each)) return false;
      return true;
    }
    // Most rows are flat; only what holds other objects can be part of a cycle and need remembering.
    let added = false;
    for (const key in value) {
      const each = (value as any)[key];
      if (typeof each === 'object' && each !== null) {
        if (!added) seen.add(value);
        added = true;
        if (!scan(each)) return false;
      } else if (typeof each === 'function' || typeof each === 'symbol') return false;
    }
    return true;
  };
  const inside = (value: unknown): boolean =>
    typeof value === 'object' && value !== null
      ? scan(value)
      : typeof value !== 'function' && typeof value !== 'symbol';
  return inside(value);
}

function hasPlainShape(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== Array.prototype) return isPlainBuiltin(value);
  if (types.isProxy(value) || types.isArgumentsObject(value)) return false;
  if (Array.isArray(value) !== (prototype === Array.prototype)) return false;
  if (globalPath(value) !== undefined) return false;
  for (const key of Reflect.ownKeys(value)) {
    if (typeof key === 'symbol') return false;
    const property = Object.getOwnPropertyDescriptor(value, key)!;
    if (property.get || property.set || (!property.enumerable && key !== 'length')) return false;
  }
  return true;
}

/** Instances of built-in classes themselves, of any realm, with nothing added to them. */
function isPlainBuiltin(value: object): boolean {
  if (types.isProxy(value)) return false;
  const isView = ArrayBuffer.isView(value);
  if (isView && types.isSharedArrayBuffer(value.buffer)) return false;
  const leaf = isView || types.isArrayBuffer(value) || types.isDate(value) || types.isRegExp(value);
  if (!leaf && !(value instanceof Map) && !(value instanceof Set) && !types.isBoxedPrimitive(value)) return false;
  if (!isStandardPrototype(value)) return false;
  return (
    isView ||
    Reflect.ownKeys(value).every((key) => key === 'lastIndex' || key === 'length' || /^\d+$/.test(String(key)))
  );
}

/** The prototype is that of a built-in class, in this realm or another. */
export function isStandardPrototype(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  const type = prototype && Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
  return typeof type === 'function' && type.prototype === prototype && globalPath(type)?.length === 1;
}
