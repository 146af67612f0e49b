import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deserialize } from 'node:v8';
import { bundleByHash } from './bundles.js';
import { ClosureError } from './error.js';
import { type Evaluator, evaluate, openCell } from './evaluate.js';
import { isShared } from './factories.js';
import type { AnyFunction } from './function-type.js';
import { fromGlobalPath } from './globals.js';
import { type Code, GRAPH_MARK, type Graph, type Special } from './graph.js';
import { reviveHandle } from './handles.js';
import { remember, withIdentity } from './identity.js';
import { deserializeParts, PARTS_MARK } from './large-views.js';
import { loadModule, requireFrom, resolveFrom } from './modules.js';

export function decode(bytes: Uint8Array): unknown {
  if (bytes[0] === PARTS_MARK) return deserializeParts(bytes);
  if (bytes[0] !== GRAPH_MARK) return deserialize(bytes);
  return new Decoder(deserialize(bytes.subarray(1))).decode();
}

/** Characters of a captured text that may be kept after its job. */
const SMALL_TEXT = 256;
const CONSTANT: ReadonlySet<string | undefined> = new Set<Special['kind']>(['global', 'module', 'bundle']);
const MAKING = Symbol('being made');

/**
 * Makes the specials, in the order in which functions need one another, and puts them where they belong. A function that needs one
 * under way (mutual recursion) gets it afterwards, through a setter.
 */
class Decoder {
  readonly #graph: Graph;
  readonly #made: unknown[];
  readonly #direct = new Map<object, [key: number, special: number][]>();
  readonly #cells: Evaluator[];
  readonly #late: (() => void)[] = [];

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#made = new Array(graph.specials.length);
    this.#cells = graph.cells.map(({ strict, names }) =>
      openCell(
        strict,
        names.map(([name]) => name),
      ),
    );
    const holders = new Set<unknown>();
    for (const each of graph.specials) {
      if (each.kind === 'code') holders.add(each.values);
      if (each.kind === 'bound') holders.add(each.parts).add(each.parts[2]);
    }
    for (const [holder, key, special] of graph.patches) {
      if (!holders.has(holder)) continue;
      const list = this.#direct.get(holder);
      if (list) list.push([key as number, special]);
      else this.#direct.set(holder, [[key as number, special]]);
    }
  }

  decode(): unknown {
    const { root, specials, patches, fills, accessors, properties, prototypes, cells } = this.#graph;
    // A prototype may have been asked for while its class was under way: the second time it is there.
    for (let i = 0; i < 2 * specials.length; i++) this.#make(i % specials.length);
    for (const [holder, key, special] of patches) define(holder, key, this.#made[special], true);
    for (const [container, entries] of fills) fill(container, entries);
    for (const [[target], key, [get, set], enumerable] of accessors)
      Object.defineProperty(target, key, { get, set, enumerable, configurable: true } as PropertyDescriptor);
    for (const [[target], [key, value], enumerable] of properties)
      define(target as object, key as string, value, enumerable);
    for (const [[prototype], instances] of prototypes)
      for (const each of instances) Object.setPrototypeOf(each, prototype as object | null);
    for (const apply of this.#late) apply();
    cells.forEach(({ names }, i) => {
      this.#cells[i]!.set(names.map(([, special, slot]) => (specials[special] as Code).values[slot]));
    });
    return root[0];
  }

  #make(index: number): unknown {
    if (this.#made[index] === undefined) {
      this.#made[index] = MAKING;
      this.#made[index] = this.#revive(this.#graph.specials[index]!);
    }
    return this.#made[index];
  }

  #revive(special: Special): unknown {
    switch (special.kind) {
      case 'global':
        return fromGlobalPath(special.path.map((key) => (typeof key === 'string' ? key : (Symbol as any)[key[0]])));
      case 'module':
        return loadModule(special);
      case 'bundle':
        return bundleScope(special.sha256)(special.expression);
      case 'symbol':
        return special.key === undefined ? symbolWith(special.id!, special.description) : Symbol.for(special.key);
      case 'url':
        return new URL(special.href);
      case 'require':
        return Object.assign((specifier: string) => requireFrom(specifier, special.base), {
          resolve: (specifier: string) => resolveFrom(specifier, special.base),
        });
      case 'import':
        return (specifier: string) => importFrom(String(specifier), special.base);
      case 'meta':
        return importMeta(special.base);
      case 'handle':
        return reviveHandle(special.to);
      case 'prototype': {
        const owner: any = this.#make(special.of);
        return owner === MAKING ? undefined : owner.prototype;
      }
      case 'bound':
        return this.#bound(special.parts);
      case 'code':
        return this.#code(special);
    }
  }

  #bound(parts: [unknown, unknown, unknown[]]): AnyFunction {
    const late = [...this.#fill(parts), ...this.#fill(parts[2])];
    if (late.length === 0) return (parts[0] as AnyFunction).bind(parts[1], ...parts[2]);
    // Bound to something that leads back to it: bound when it is first called.
    let bound: AnyFunction | undefined;
    return (...args: unknown[]): unknown => {
      bound ??= (parts[0] as AnyFunction).bind(parts[1], ...parts[2]);
      return bound!(...args);
    };
  }

  #code(code: Code): AnyFunction {
    const original = code.id === undefined ? undefined : withIdentity<AnyFunction>(code.id);
    if (original) return original;
    const late = this.#fill(code.values);
    const cell = code.cell === undefined ? undefined : this.#cells[code.cell];
    const stateless = code.stateless && late.length === 0 && this.#capturesConstants(code);
    const { fn, set } = evaluate(code, late, cell, stateless);
    if (late.length > 0) this.#late.push(() => set(late.map((slot) => code.values[slot])));
    if (code.id !== undefined) remember(code.id, fn);
    return fn;
  }

  /** All captured values are small primitives, or what this process has but one of. */
  #capturesConstants({ values }: Code): boolean {
    const specials = new Map(this.#direct.get(values));
    return values.every((value, slot) => {
      if (typeof value === 'string') return value.length <= SMALL_TEXT;
      if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return true;
      return isShared(value) || CONSTANT.has(this.#graph.specials[specials.get(slot)!]?.kind);
    });
  }

  /** Makes the specials a holder has as its own elements. Returns the places of those still under way. */
  #fill(holder: unknown[]): number[] {
    const late: number[] = [];
    for (const [key, special] of this.#direct.get(holder) ?? []) {
      const value = this.#make(special);
      if (value === MAKING || value === undefined) late.push(key);
      else holder[key] = value;
    }
    return late;
  }
}

function bundleScope(sha256: string): (expression: string) => unknown {
  const bundle = bundleByHash(sha256);
  if (!bundle)
    throw new ClosureError(
      `a function belongs to the bundle ${sha256.slice(0, 12)}, which is not loaded in this process`,
    );
  return bundle.loaded.scope;
}

function symbolWith(id: string, description: string | undefined): symbol {
  let symbol = withIdentity<symbol>(id);
  if (symbol === undefined) {
    symbol = Symbol(description);
    remember(id, symbol);
  }
  return symbol;
}

async function importFrom(specifier: string, base: string): Promise<unknown> {
  const exports: any = await import(specifierUrl(specifier, base));
  return exports;
}

function specifierUrl(specifier: string, base: string): string {
  if (/^[a-z]+:/.test(specifier)) return specifier;
  if (/^[./]/.test(specifier)) return new URL(specifier, base).href;
  try {
    return resolveFrom(specifier, base);
  } catch {
    return specifier;
  }
}

function importMeta(base: string): object {
  if (!base.startsWith('file:')) return { url: base };
  const filename = fileURLToPath(base);
  const resolve = (specifier: string): string => specifierUrl(specifier, base);
  return { url: base, filename, dirname: dirname(filename), resolve };
}

function fill(container: Map<unknown, unknown> | Set<unknown>, entries: unknown[]): void {
  if (container instanceof Set) for (const each of entries) container.add(each);
  else for (let i = 0; i < entries.length; i += 2) container.set(entries[i], entries[i + 1]);
}

function define(target: object, key: PropertyKey, value: unknown, enumerable: boolean): void {
  const own = Object.getOwnPropertyDescriptor(target, key);
  if (own && !own.configurable) (target as any)[key] = value;
  else Object.defineProperty(target, key, { value, enumerable, configurable: true, writable: true });
}
