import { createHash } from 'node:crypto';
import { Lru } from '../../protocol/lru.js';
import type { AnyFunction } from './function-type.js';

/** Makes, each time it is called, a new closure of one text around other captured values. */
export type Make = (...captured: readonly unknown[]) => [set: (values: readonly unknown[]) => void, made: any];

export interface Factory {
  readonly make: Make;
  /** A function without state, and what it captured: who wants an equal one gets the same, which suits V8 best of all. */
  shared?: { readonly fn: AnyFunction; readonly captured: readonly unknown[] };
}

/** Texts kept: those of a few hundred stages, or of fewer large ones. */
const MAX_FACTORIES = 1_024;
const MAX_CHARACTERS = 16 << 20;

/**
 * V8 learns types and optimises per place in the source where a closure is made. So a text that comes again, with whatever captured
 * values, is not evaluated again: its factory makes another closure, which is as warm as the ones before it. A factory
 * holds text; captured values belong to the closures and go with them, but for a few small ones of a function that is shared.
 */
const factories = new Lru<string, Factory>(MAX_FACTORIES, MAX_CHARACTERS);
const codes = new WeakMap<object, number>();
const everShared = new WeakSet<object>();
let count = 0;

// Called under another name, `eval` is indirect: the text sees globals alone.
const evaluateGlobally: (text: string) => any = eval;

/** @param text an expression; `url` and `map` are what its stack traces name */
export function factoryOf(text: string, url: string, map: string | undefined): Factory {
  const key = `${text}\n${url}\n${map ?? ''}`;
  let factory = factories.get(key);
  if (factory === undefined) {
    factory = { make: evaluateGlobally(addressed(text, url, map)) as Make };
    factories.set(key, factory, key.length);
  }
  return factory;
}

/** The text with what stack traces call it. Node keeps one map for each address, so a text with a map has an address of its own. */
export function addressed(text: string, url: string, map: string | undefined): string {
  if (/\s/.test(url)) return text;
  if (!map) return `${text}\n//# sourceURL=${url}`;
  process.setSourceMapsEnabled(true);
  const id = createHash('sha1').update(text).update(map).digest('hex').slice(0, 12);
  return `${text}\n//# sourceMappingURL=${map}\n//# sourceURL=${url}?${id}`;
}

export function madeBy(factory: Factory, fn: AnyFunction): void {
  codes.set(fn, codeOf(factory));
}

/**
 * A number that functions share if and only if they are closures of one factory, and so share what V8 has learnt of them: code
 * generated around one of them fits the others. Never used twice in a process.
 */
export function codeOf(fn: AnyFunction | Factory): number {
  let code = codes.get(fn);
  if (code === undefined) {
    code = count++;
    codes.set(fn, code);
  }
  return code;
}

/** An equal function made before: the same text, name and captured values. */
export function sharedOf({ shared }: Factory, name: string, captured: readonly unknown[]): AnyFunction | undefined {
  return shared?.fn.name === name && shared.captured.every((each, i) => Object.is(each, captured[i]))
    ? shared.fn
    : undefined;
}

export function share(factory: Factory, fn: AnyFunction, captured: readonly unknown[]): void {
  factory.shared = { fn, captured };
  everShared.add(fn);
}

export function isShared(value: unknown): boolean {
  return typeof value === 'function' && everShared.has(value);
}

/** What shared functions captured may belong to a bundle that is to be forgotten. */
export function forgetShared(): void {
  for (const factory of factories.values()) factory.shared = undefined;
}
