import { inspect, types } from 'node:util';
import { ASYNC_ADVICE } from './async-operators.js';

/** @throws TypeError at once, in the user's own call, when `value` is no function */
export function requireFunction(operator: string, value: unknown, argument = 'a function'): void {
  if (typeof value !== 'function') throw new TypeError(`${operator} needs ${argument}, not ${shown(value)}`);
}

/** For operators whose function must answer at once. @throws TypeError when it is declared async, or no function */
export function requireSyncFunction(operator: string, value: unknown, argument = 'a function'): void {
  requireFunction(operator, value, argument);
  if (types.isAsyncFunction(value))
    throw new TypeError(`${operator} takes no async function: it must return its result at once (${ASYNC_ADVICE})`);
}

/** @throws RangeError when `value` is no whole number of at least `least` */
export function requireWhole(what: string, value: unknown, least: number): void {
  if (!Number.isSafeInteger(value) || (value as number) < least)
    throw new RangeError(`${what} must be a whole number of at least ${least}, not ${shown(value)}`);
}

/** @throws TypeError when `value` is no finite number */
export function requireNumber(what: string, value: unknown): void {
  if (!Number.isFinite(value)) throw new TypeError(`${what} must be a finite number, not ${shown(value)}`);
}

/** @throws TypeError when `value` is no text, or no array of texts */
export function requirePaths(operator: string, value: unknown): void {
  const paths = Array.isArray(value) ? value : [value];
  if (paths.length === 0 || paths.some((path) => typeof path !== 'string'))
    throw new TypeError(`${operator} needs a path, or an array of paths, not ${shown(value)}`);
}

export function shown(value: unknown): string {
  const text = inspect(value, { depth: 0, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 40 });
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
