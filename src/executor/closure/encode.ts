import { types } from 'node:util';
import { serialize } from 'node:v8';
import { FunctionEncoder } from './encode-function.js';
import { ClosureError, type Refusal } from './error.js';
import type { AnyFunction } from './function-type.js';
import { globalPath } from './globals.js';
import { GRAPH_MARK, type Graph, type Special } from './graph.js';
import { identityOf } from './identity.js';
import { findBuiltinModule } from './modules.js';
import { isStandardPrototype, PlainValues } from './plain.js';
import { refusalOf } from './refusal.js';

/** Turns one value into a graph. Made for one encoding, so that shared references stay shared and `let`s are read anew. */
export class Encoder {
  readonly graph: Graph = {
    root: [undefined],
    specials: [],
    patches: [],
    fills: [],
    properties: [],
    accessors: [],
    prototypes: [],
    cells: [],
  };
  readonly #plain = new PlainValues(true);
  readonly #copies = new Map<object, object>();
  readonly #indices = new Map<unknown, number>();
  readonly #prototypes = new Map<object | null, object[]>();
  readonly #functions: FunctionEncoder;
  /** How the value at hand was reached: variables and properties, outermost first. */
  readonly trail: string[] = [];

  /** @param subject how messages name what is being encoded: `map: the function`; its place is added when it is known. */
  constructor(
    public subject: string,
    readonly verb: 'captures' | 'holds',
  ) {
    this.#functions = new FunctionEncoder(this);
  }

  /** `file:line:column` of the function encoded, if it is one of the user's. */
  get where(): string | undefined {
    return this.#functions.place?.where;
  }

  encode(value: unknown): Buffer {
    try {
      this.put(this.graph.root, 0, value);
      this.#functions.finish();
      const bytes = serialize(this.graph);
      return Buffer.concat([Buffer.of(GRAPH_MARK), bytes]);
    } catch (error) {
      if (error instanceof RangeError)
        throw new ClosureError(`${this.subject} ${this.verb} data nested too deeply: ${error.message}`);
      throw error;
    }
  }

  /** Writes `value`, or its patch, into a container of the graph. `name`: how messages call the way to it. */
  put(holder: any, key: string | number, value: unknown, name?: string): void {
    if (name !== undefined) this.trail.push(name);
    const special = this.#special(value);
    let written: unknown;
    if (special !== undefined) this.graph.patches.push([holder, key, special]);
    else written = typeof value === 'object' && value !== null ? this.#copy(value) : value;
    if (key === '__proto__')
      Object.defineProperty(holder, key, { value: written, enumerable: true, configurable: true, writable: true });
    else holder[key] = written;
    if (name !== undefined) this.trail.pop();
  }

  /** Reserves the special's place before its parts are encoded: they may lead back to it. */
  reserve(value: unknown): number {
    const index = this.graph.specials.length;
    this.graph.specials.push(undefined as never);
    this.#indices.set(value, index);
    return index;
  }

  add(special: Special, value?: unknown): number {
    const index = value === undefined ? this.graph.specials.length : this.reserve(value);
    this.graph.specials[index] = special;
    return index;
  }

  refuse({ noun, advice }: Refusal): never {
    const way = this.trail.reduce((all, part) => (all && !/^[.[ ]/.test(part) ? `${all}.${part}` : all + part), '');
    throw new ClosureError(
      way === ''
        ? `${this.subject} is ${noun}, which cannot be sent to executors: ${advice}.`
        : `${this.subject} ${this.verb} \`${way}\`, which is ${noun} and cannot be sent to executors: ${advice}.`,
    );
  }

  /** The index of the special that `value` is, if it is one. */
  #special(value: unknown): number | undefined {
    if (typeof value === 'symbol') return this.#indices.get(value) ?? this.#symbol(value);
    if (typeof value === 'function') return this.#indices.get(value) ?? this.#function(value);
    if (typeof value !== 'object' || value === null) return undefined;
    const known = this.#indices.get(value);
    if (known !== undefined || this.#copies.has(value)) return known;
    if (types.isModuleNamespaceObject(value)) return undefined;
    const path = globalPath(value);
    if (path) return this.add({ kind: 'global', path: encodePath(path) }, value);
    if (value instanceof URL) return this.add({ kind: 'url', href: value.href }, value);
    if (!isStandardPrototype(value) || this.#plain.has(value)) return undefined;
    const builtin = looksLikeModule(value) ? findBuiltinModule(value) : undefined;
    return builtin && this.add(builtin, value);
  }

  #function(value: AnyFunction): number {
    const refusal = refusalOf(value);
    if (refusal) this.refuse(refusal);
    return this.#functions.encode(value);
  }

  #symbol(value: symbol): number {
    const path = globalPath(value);
    if (path) return this.add({ kind: 'global', path: encodePath(path) }, value);
    const key = Symbol.keyFor(value);
    if (key !== undefined) return this.add({ kind: 'symbol', key }, value);
    return this.add({ kind: 'symbol', id: identityOf(value), description: value.description }, value);
  }

  #copy(value: object): object {
    const known = this.#copies.get(value);
    if (known) return known;
    if (this.#plain.has(value)) return value;
    const refusal = refusalOf(value);
    if (refusal) this.refuse(refusal);
    const copy = emptyCopy(value);
    this.#copies.set(value, copy);
    if (value instanceof Map || value instanceof Set) this.#entries(value, copy as any);
    this.#properties(value, copy);
    if (!types.isModuleNamespaceObject(value)) this.#prototype(value, copy);
    return copy;
  }

  #entries(value: Map<unknown, unknown> | Set<unknown>, copy: Map<unknown, unknown> | Set<unknown>): void {
    const entries: unknown[] = [];
    const add = (each: unknown, name: string): void => this.put(entries, entries.length, each, name);
    if (value instanceof Map)
      for (const [key, each] of value) {
        add(key, ' (a key)');
        add(each, `.get(${printKey(key)})`);
      }
    else for (const each of value) add(each, ' (an element)');
    this.graph.fills.push([copy, entries]);
  }

  #properties(value: object, copy: object): void {
    const assigns = Array.isArray(copy) || Object.getPrototypeOf(copy) === Object.prototype;
    for (const key of Reflect.ownKeys(value)) {
      const { get, set, value: data, enumerable = false } = Object.getOwnPropertyDescriptor(value, key)!;
      if (key === 'length' && Array.isArray(value)) continue;
      if (types.isNativeError(value) && (key === 'stack' || key === 'message')) continue;
      const name = typeof key === 'symbol' ? `[${String(key)}]` : propertyName(key);
      if (get || set) {
        const pair: [unknown, unknown] = [undefined, undefined];
        this.put(pair, 0, get, name);
        this.put(pair, 1, set, name);
        if (typeof key === 'string') this.graph.accessors.push([copy, key, pair, enumerable]);
      } else if (typeof key === 'string' && assigns && enumerable) this.put(copy, key, data, name);
      else this.property([copy], key, data, enumerable, name);
    }
  }

  /** A property to be defined once the target exists; `target` is a box, which may hold a special. */
  property(target: [unknown], key: string | symbol, value: unknown, enumerable: boolean, name: string): void {
    const entry: [unknown, unknown] = [undefined, undefined];
    this.put(entry, 0, key);
    this.put(entry, 1, value, name);
    this.graph.properties.push([target, entry, enumerable]);
  }

  #prototype(value: object, copy: object): void {
    const prototype = Object.getPrototypeOf(value);
    const type = prototype && Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
    if (type === Object || type === Array || type === Map || type === Set) return;
    if (isStandardPrototype(value) && !types.isNativeError(value)) return;
    const instances = this.#prototypes.get(prototype);
    if (instances) {
      instances.push(copy);
      return;
    }
    const list = [copy];
    this.#prototypes.set(prototype, list);
    const byClass = typeof type === 'function' && type.prototype === prototype;
    const source: [unknown] = [undefined];
    this.put(source, 0, byClass ? type : prototype, byClass ? ' (its class)' : ' (its prototype)');
    this.graph.prototypes.push([source, byClass, list]);
  }
}

export function encodePath(path: readonly (string | symbol)[]): (string | [string])[] {
  return path.map((key) => (typeof key === 'symbol' ? [key.description!.replace(/^Symbol\./, '')] : key));
}

function emptyCopy(value: object): object {
  if (Array.isArray(value)) return new Array(value.length);
  if (value instanceof Map) return new Map();
  if (value instanceof Set) return new Set();
  if (types.isNativeError(value)) {
    const copy = new Error(value.message);
    copy.stack = value.stack;
    return copy;
  }
  if (types.isDate(value)) return new Date(value);
  if (types.isRegExp(value)) return new RegExp(value);
  return {};
}

/** A module's exports are full of functions; only such an object is worth comparing with every built-in module. */
function looksLikeModule(value: object): boolean {
  return (
    Object.values(Object.getOwnPropertyDescriptors(value)).filter((each) => typeof each.value === 'function').length > 2
  );
}

function propertyName(key: string): string {
  if (/^\d+$/.test(key)) return `[${key}]`;
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function printKey(key: unknown): string {
  return typeof key === 'string' ? JSON.stringify(key) : typeof key === 'object' ? '{…}' : String(key);
}
