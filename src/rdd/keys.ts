import { inspect } from 'node:util';
import { Complaint } from './operator-failure.js';

/**
 * Keys of key-value rows. Numbers, texts, booleans, bigints, null, undefined and dates are compared by value, NaN equal to
 * itself and -0 to 0 (as in a Map); arrays and plain objects of these by their content, so that `[year, month]` is a key.
 */

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/** 32 bits, the same in every process. @throws TypeError for a value that cannot be a key */
export function hashKey(key: unknown): number {
  if (typeof key === 'number') return hashNumber(key);
  return hashText(typeof key === 'string' ? key : identityOf(key));
}

export function hashNumber(key: number): number {
  if ((key | 0) === key) return mix(key | 0); // -0 too
  double[0] = Number.isNaN(key) ? Number.NaN : key;
  return mix(words[0]! ^ Math.imul(words[1]!, 0x9e3779b1));
}

export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/** MurmurHash3's finalizer. */
export function mix(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Whether a Map finds the key by value as it is. */
export function isPrimitive(key: unknown): boolean {
  return key === null || (typeof key !== 'object' && typeof key !== 'function');
}

/**
 * A text that two keys share exactly when they are equal.
 * @throws TypeError for functions, symbols, and objects other than dates, arrays and plain objects
 */
export function identityOf(key: unknown): string {
  switch (typeof key) {
    case 'string':
      return JSON.stringify(key);
    case 'number':
      return key === 0 ? '0' : String(key);
    case 'bigint':
      return `${key}n`;
    case 'boolean':
    case 'undefined':
      return String(key);
    case 'object':
      return key === null ? 'null' : objectIdentity(key);
    default:
      throw refused(key);
  }
}

function objectIdentity(key: object): string {
  if (Array.isArray(key)) return `[${key.map(identityOf).join(',')}]`;
  if (key instanceof Date) return `@${key.getTime()}`;
  const prototype = Object.getPrototypeOf(key);
  if (prototype !== Object.prototype && prototype !== null) throw refused(key);
  const entries = Object.entries(key).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${identityOf(value)}`).join(',')}}`;
}

function refused(key: unknown): Complaint {
  return new Complaint(
    `a key must be a number, text, boolean, bigint, date, null, undefined, or an array or plain object of these, not ${inspect(key, { depth: 0 })}`,
  );
}

/**
 * The natural order: null and undefined first, numbers by size with NaN last, texts by code unit, dates by time, false before true,
 * arrays by their first difference. @throws TypeError for keys of different kinds, and for others
 */
export function compareKeys(a: any, b: any): number {
  if (typeof a === 'number' && typeof b === 'number')
    return a < b ? -1 : a > b ? 1 : a === b ? 0 : +Number.isNaN(a) - +Number.isNaN(b);
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  if (a === null || a === undefined || b === null || b === undefined) return rankOfNothing(a) - rankOfNothing(b);
  if (Array.isArray(a) && Array.isArray(b)) return compareArrays(a, b);
  if (a instanceof Date && b instanceof Date) return compareKeys(a.getTime(), b.getTime());
  const ordered = typeof a === typeof b && ['bigint', 'boolean'].includes(typeof a);
  if (ordered) return a < b ? -1 : a > b ? 1 : 0;
  throw new Complaint(
    `${inspect(a, { depth: 1 })} and ${inspect(b, { depth: 1 })} have no natural order; sort by a number, a text or an array of these`,
  );
}

const rankOfNothing = (key: unknown) => (key === null ? 0 : key === undefined ? 1 : 2);

function compareArrays(a: readonly unknown[], b: readonly unknown[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const order = compareKeys(a[i], b[i]);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}
