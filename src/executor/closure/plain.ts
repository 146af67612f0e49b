import { types } from 'node:util';
import { globalPath } from './globals.js';

/** Whether `v8.serialize` keeps everything of a value: no functions, symbols, classes of the user's, accessors or errors inside. */
export class PlainValues {
  readonly #known = new Map<object, boolean>();

  /**
   * `exact`: captured values, of which nothing may be lost. Otherwise data on its way between tasks, possibly millions of
   * rows: accessors are read, as `v8.serialize` reads them.
   */
  constructor(readonly exact: boolean) {}

  has(value: unknown): boolean {
    if (typeof value === 'function' || typeof value === 'symbol') return false;
    if (typeof value !== 'object' || value === null) return true;
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
    if (!hasPlainShape(value, this.exact)) return false;
    seen.add(value);
    if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) return true;
    if (value instanceof Map) {
      for (const [key, each] of value) if (!this.#inside(key, seen) || !this.#inside(each, seen)) return false;
    } else if (value instanceof Set) {
      for (const each of value) if (!this.#inside(each, seen)) return false;
    } else if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) if (!this.#inside(value[i], seen)) return false;
    } else {
      for (const key of Object.keys(value)) if (!this.#inside((value as any)[key], seen)) return false;
    }
    return true;
  }

  #inside(value: unknown, seen: Set<object>): boolean {
    switch (typeof value) {
      case 'object':
        return value === null || this.#scan(value, seen);
      case 'function':
      case 'symbol':
        return false;
      default:
        return true;
    }
  }
}

function hasPlainShape(value: object, exact: boolean): boolean {
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== Array.prototype) return isPlainBuiltin(value);
  if (types.isProxy(value) || types.isArgumentsObject(value)) return false;
  if (Array.isArray(value) !== (prototype === Array.prototype)) return false;
  if (!exact) return true;
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
