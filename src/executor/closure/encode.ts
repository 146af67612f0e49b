import { types } from 'node:util';
import { serialize } from 'node:v8';
import { FunctionEncoder } from './encode-function.js';
import { ClosureError, type Refusal } from './error.js';
import type { AnyFunction } from './function-type.js';
import { globalPath } from './globals.js';
import { GRAPH_MARK, type Graph, type Special } from './graph.js';
import { HANDLE, type Handle, isHandle } from './handles.js';
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
  readonly #plain = new PlainValues();
  readonly #copies = new Map<object, object>();
  readonly #indices = new Map<unknown, number>();
  readonly #prototypes = new Map<object | null, unknown[]>();
  readonly #functions: FunctionEncoder;
  /** How the value at hand was reached: variables and properties, outermost first. */
  readonly trail: string[] = [];
  /** Met on the way. */
  readonly handles: Handle[] = [];
  /** Captured objects that are plain data, with the name of a variable that has each. */
  readonly plainCaptures = new Map<object, string>();

  /**
   * @param subject how messages name what is being encoded: `map: the function`; its place is added when it is known.
   * @param standIns handles that travel in place of objects
   */
  constructor(
    public subject: string,
    readonly verb: 'captures' | 'holds',
    readonly standIns: ReadonlyMap<object, Handle> = new Map(),
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
    const way = this.trail.join('').replace(/^\./, '');
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
    const handle = isHandle(value) ? value : this.standIns.get(value);
    if (handle) return this.#handle(handle, value);
    const path = globalPath(value);
    if (path) return this.add({ kind: 'global', path: encodePath(path) }, value);
    if (value instanceof URL) return this.add({ kind: 'url', href: value.href }, value);
    const owner = ownerOf(value);
    if (owner) {
      const of = this.#special(owner)!;
      return this.#indices.get(value) ?? this.add({ kind: 'prototype', of }, value);
    }
    if (!isStandardPrototype(value) || this.#plain.has(value)) return undefined;
    const builtin = looksLikeModule(value) ? findBuiltinModule(value) : undefined;
    return builtin && this.add(builtin, value);
  }

  #handle(handle: Handle, value: object): number {
    const to = handle[HANDLE]();
    if ('noun' in to) this.refuse(to);
    this.handles.push(handle);
    return this.add({ kind: 'handle', to }, value);
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
    this.#properties(value, () => [copy], copy);
    if (!types.isModuleNamespaceObject(value)) this.#link(value, copy);
    return copy;
  }

  /** The methods of an old-style class, put on the prototype that its function has by itself. */
  methods(prototype: object, of: number): void {
    const special = this.add({ kind: 'prototype', of }, prototype);
    this.#properties(prototype, () => this.box(special));
    this.#link(prototype, special);
  }

  /** A container of the graph that will hold the special. */
  box(special: number): [unknown] {
    const box: [unknown] = [undefined];
    this.graph.patches.push([box, 0, special]);
    return box;
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

  /** Own properties: the simple ones into `copy`, the others, and all of them without one, in the list of those to be defined. */
  #properties(value: object, target: () => [unknown], copy?: object): void {
    const simple = copy && (Array.isArray(copy) || Object.getPrototypeOf(copy) === Object.prototype);
    for (const key of Reflect.ownKeys(value)) {
      const { get, set, value: data, enumerable = false } = Object.getOwnPropertyDescriptor(value, key)!;
      if (isInherent(value, key) || (key === 'constructor' && !copy)) continue;
      const name = propertyName(key);
      if (get || set) {
        const pair: [unknown, unknown] = [undefined, undefined];
        this.put(pair, 0, get, name);
        this.put(pair, 1, set, name);
        if (typeof key === 'string') this.graph.accessors.push([target(), key, pair, enumerable]);
      } else if (typeof key === 'string' && simple && enumerable) this.put(copy, key, data, name);
      else this.property(target(), key, data, enumerable);
    }
  }

  /** A property to be defined once the target exists; `target` is a box, which may hold a special. */
  property(target: [unknown], key: string | symbol, value: unknown, enumerable: boolean): void {
    const entry: [unknown, unknown] = [undefined, undefined];
    this.put(entry, 0, key);
    this.put(entry, 1, value, propertyName(key));
    this.graph.properties.push([target, entry, enumerable]);
  }

  /** Notes what prototype `instance`, a copy or a special, has, unless it is what such a copy has anyway. */
  #link(value: object, instance: object | number): void {
    if (isStandardPrototype(value) && !types.isNativeError(value)) return;
    const prototype = Object.getPrototypeOf(value);
    let instances = this.#prototypes.get(prototype);
    if (!instances) {
      instances = [];
      this.#prototypes.set(prototype, instances);
      const source: [unknown] = [undefined];
      this.put(source, 0, prototype, ' (its prototype)');
      this.graph.prototypes.push([source, instances]);
    }
    if (typeof instance === 'number') this.graph.patches.push([instances, instances.length, instance]);
    instances.push(typeof instance === 'number' ? undefined : instance);
  }
}

/** The class whose prototype the object is. */
function ownerOf(value: object): AnyFunction | undefined {
  const owner = Object.getOwnPropertyDescriptor(value, 'constructor')?.value;
  return typeof owner === 'function' && owner.prototype === value ? owner : undefined;
}

/** Properties that every copy has from the start. */
function isInherent(value: object, key: string | symbol): boolean {
  if (Array.isArray(value)) return key === 'length';
  if (ArrayBuffer.isView(value)) return typeof key === 'string' && /^\d+$/.test(key);
  if (types.isRegExp(value)) return key === 'lastIndex';
  return types.isNativeError(value) && (key === 'stack' || key === 'message');
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
  // A view of a user's class: its bytes are its data, and the copy is made by serialising it.
  if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) return value;
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

function propertyName(key: string | symbol): string {
  if (typeof key === 'symbol') return `[${String(key)}]`;
  if (/^\d+$/.test(key)) return `[${key}]`;
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function printKey(key: unknown): string {
  return typeof key === 'string' ? JSON.stringify(key) : typeof key === 'object' ? '{…}' : String(key);
}
