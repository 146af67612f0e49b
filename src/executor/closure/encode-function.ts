import { pathToFileURL } from 'node:url';
import { types } from 'node:util';
import { type Bundle, bundleByScript } from './bundles.js';
import { Cells } from './cells.js';
import type { Encoder } from './encode.js';
import { encodePath } from './encode.js';
import { ClosureError } from './error.js';
import type { FreeName } from './free-variables.js';
import type { AnyFunction } from './function-type.js';
import { addRealm, globalPath, isStandardGlobal } from './globals.js';
import type { Code, Special } from './graph.js';
import { identityOf } from './identity.js';
import { type Inspected, inspect, scriptUrl } from './inspector.js';
import { DYNAMIC_IMPORT, IMPORT_META, type Literal, parseLiteral, startOf } from './literal.js';
import { findLoaded, loadModule, resolvePackage } from './modules.js';
import { isStandardPrototype } from './plain.js';
import { Script } from './script.js';

/** A function's text and place. Depends on the text alone, so it is worked out once for all closures made from it. */
interface Place {
  readonly literal: Literal;
  readonly script: Script;
  readonly start: number;
  readonly where: string;
  readonly url: string;
  readonly line: number;
  readonly column: number;
  readonly map: string | undefined;
}

type Location = NonNullable<Inspected['location']>;

const places = new Map<string, Place>();
const references = new WeakMap<AnyFunction, Special>();
/** So that shipping a function again asks V8 for nothing but its captured values, and for nothing at all if it has none. */
const knownFunctions = new WeakMap<AnyFunction, { place: Place; location: Location; captures: boolean }>();

const OUTER_ADVICE = {
  this: 'copy what it needs into a variable first (const { k } = this), and use that',
  super: 'call the method through an object instead',
  arguments: 'use a rest parameter (...args) and capture that',
  'new.target': 'copy it into a variable first',
};

/** Encodes functions and classes: by reference where every executor has the same one, otherwise text and captured values. */
export class FunctionEncoder {
  readonly #encoder: Encoder;
  readonly #cells = new Cells();
  #package: string | undefined;

  constructor(encoder: Encoder) {
    this.#encoder = encoder;
  }

  /** The place of the function encoded first: the one the user passed to an operator. */
  place: Place | undefined;

  encode(fn: AnyFunction): number {
    const path = globalPath(fn);
    if (path) return this.#encoder.add({ kind: 'global', path: encodePath(path) }, fn);
    const known = knownFunctions.get(fn);
    const inspected = known && !known.captures ? { location: known.location, scopes: [] } : inspect(fn);
    if (inspected.bound) return this.#bound(fn, inspected.bound);
    const { location } = inspected;
    if (location === undefined)
      return this.#encoder.refuse({
        noun: `the native function ${fn.name || '(anonymous)'}, which has no name of its own on executors`,
        advice: 'wrap it in a function of your own',
      });
    const bundle = bundleByScript(location.scriptId);
    const reference = bundle ? undefined : this.#reference(fn, location.scriptId);
    if (reference) return this.#encoder.add(reference, fn);
    const place = known?.place ?? this.#place(fn, location);
    if (this.place === undefined) this.#encoder.subject = `${this.#encoder.subject} (${place.where})`;
    this.place ??= place;
    knownFunctions.set(fn, { place, location, captures: mayCapture(place.literal) });
    const name = bundle?.nameOf(fn, place.start);
    if (name) return this.#encoder.add({ kind: 'bundle', sha256: bundle!.loaded.sha256, expression: name }, fn);
    return this.#insidePackage(place.url, () => this.#byValue(fn, inspected, place, bundle));
  }

  /** What a package keeps to itself is nothing a user can change: the message is about the object that leads there. */
  #insidePackage(url: string, encode: () => number): number {
    const name = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1];
    if (name === undefined || this.#package !== undefined) return encode();
    this.#package = name;
    const way = this.#encoder.trail.length;
    try {
      return encode();
    } catch (error) {
      if (!(error instanceof ClosureError)) throw error;
      this.#encoder.trail.length = way;
      return this.#encoder.refuse({
        noun: `made by the package '${name}', which keeps parts of it to itself`,
        advice: 'create it inside the function, or on first use in a function of your own',
      });
    } finally {
      this.#package = undefined;
    }
  }

  finish(): void {
    const conflict = this.#cells.conflict();
    if (conflict) {
      this.#encoder.trail.push(conflict.name);
      this.#encoder.refuse(conflict);
    }
    this.#encoder.graph.cells.push(...this.#cells.shared());
  }

  #bound(fn: AnyFunction, { target, receiver, args }: NonNullable<Inspected['bound']>): number {
    const index = this.#encoder.reserve(fn);
    const parts: [unknown, unknown, unknown[]] = [undefined, undefined, []];
    this.#encoder.put(parts, 0, target, ' (its target)');
    this.#encoder.put(parts, 1, receiver, ' (its bound this)');
    args.forEach((each, i) => {
      this.#encoder.put(parts[2], i, each, ` (its bound argument ${i + 1})`);
    });
    this.#encoder.graph.specials[index] = { kind: 'bound', parts };
    return index;
  }

  /** Functions of Node and of packages. */
  #reference(fn: AnyFunction, scriptId: string): Special | undefined {
    const url = scriptUrl(scriptId);
    const node = url.startsWith('node:');
    if (!node && !url.includes('/node_modules/')) return undefined;
    const known = references.get(fn);
    if (known) return known;
    const found = findLoaded(fn, node || url.startsWith('file:') ? url : pathToFileURL(url).href);
    if (found) references.set(fn, found);
    else if (node)
      this.#encoder.refuse({
        noun: `a function that Node made (${fn.name || 'anonymous'}, ${url})`,
        advice: 'make it inside the function',
      });
    return found;
  }

  #place(fn: AnyFunction, at: Location): Place {
    const script = Script.of(at.scriptId);
    const text = Function.prototype.toString.call(fn);
    const start = startOf(text, script, script.offset(at.line, at.column));
    const key = `${at.scriptId}:${start}:${text.length}`;
    let place = places.get(key);
    if (place === undefined) {
      const { line, column } = script.position(start);
      place = {
        literal: this.#parse(text, fn),
        script,
        start,
        where: script.where(start),
        url: script.url,
        line,
        column,
        map: script.map?.cut({ line, column }, script.position(start + text.length), 1),
      };
      places.set(key, place);
    }
    return place;
  }

  #parse(text: string, fn: AnyFunction): Literal {
    try {
      return parseLiteral(text);
    } catch {
      return this.#encoder.refuse({
        noun: `the function ${fn.name || '(anonymous)'}, whose text cannot stand on its own`,
        advice: 'wrap it in a function of your own (a #private method cannot leave its class)',
      });
    }
  }

  #byValue(fn: AnyFunction, inspected: Inspected, place: Place, bundle: Bundle | undefined): number {
    const encoder = this.#encoder;
    const { literal, script } = place;
    this.#check(literal, place);
    const index = encoder.reserve(fn);
    const code: Code = {
      kind: 'code',
      form: literal.form,
      isClass: literal.isClass,
      text: literal.text,
      name: fn.name,
      strict: literal.isClass || inspected.scopes.some((each) => each.description === 'Module') || script.strict,
      names: [],
      values: [],
      shared: [],
      url: place.url,
      line: place.line,
      column: place.column,
      map: place.map,
      id: literal.isClass ? identityOf(fn) : undefined,
    };
    encoder.graph.specials[index] = code;
    for (const [name, use] of literal.analysis.free)
      this.#capture({ fn, code, index, inspected, place, bundle }, name, use);
    this.#ownProperties(fn, literal, index);
    return index;
  }

  #check({ analysis }: Literal, place: Place): void {
    for (const [what, offset] of analysis.outer)
      this.#encoder.refuse({
        noun: `a function that uses the \`${what}\` of the code around it (${place.script.where(place.start + offset)})`,
        advice: OUTER_ADVICE[what],
      });
    if (analysis.privateName)
      this.#encoder.refuse({
        noun: `a function that uses #${analysis.privateName} (${place.where})`,
        advice: 'private names cannot leave their class: use a TypeScript `private` field',
      });
  }

  #capture(from: Capturing, name: string, use: FreeName): void {
    const encoder = this.#encoder;
    const { fn, code, inspected, place, bundle } = from;
    const { literal, script } = place;
    const slot = code.names.length;
    const base = bundle ? pathToFileURL(bundle.loaded.file).href : script.url;
    const seen = lookUp(inspected, name, this.#unread(place));
    const found = name !== literal.heritage || seen?.value === Object.getPrototypeOf(fn) ? seen : undefined;
    const special = loaderOf(name);
    if (special || (name === 'require' && found && isRequire(found.value))) {
      code.names.push(name);
      code.values.push(undefined);
      encoder.graph.patches.push([code.values, slot, encoder.add({ kind: special ?? 'require', base })]);
      return;
    }
    if (name !== literal.heritage && found === undefined) return;
    code.names.push(name);
    code.values.push(undefined);
    const value = found ? found.value : Object.getPrototypeOf(fn);
    const label = encoder.trail.length === 0 ? name : ` → ${name}`;
    const variable = found && variableOf(name, found, from);
    const reference = variable?.certain ? this.#importReference(name, found!, from, base) : undefined;
    if (reference !== undefined) {
      encoder.graph.patches.push([code.values, slot, reference]);
      return;
    }
    if (variable) this.#cells.note({ ...variable, code, index: from.index, name, slot, value, assigned: use.assigned });
    const partial = found && this.#members(value, use, script.imports.get(name)?.name === '*');
    if (partial) encoder.put(code.values, slot, partial, label);
    else encoder.put(code.values, slot, value, label);
  }

  /** What the script, or the bundle, imports from a package; the variable is known to be of module scope. */
  #importReference(name: string, { value, description }: Found, from: Capturing, base: string): number | undefined {
    const encoder = this.#encoder;
    const { bundle, place } = from;
    if (bundle) {
      if (bundle.declarations.get(name)?.kind !== 'import') return undefined;
      return encoder.add({ kind: 'bundle', sha256: bundle.loaded.sha256, expression: name });
    }
    if (typeof value !== 'function' && (typeof value !== 'object' || value === null)) return undefined;
    const imported = place.script.imports.get(name);
    const resolved = imported && resolvePackage(imported.specifier, base);
    if (resolved === undefined) return undefined;
    const reference = { kind: 'module', ...imported!, base, resolved } as const;
    // In CommonJS V8 does not tell module scope from an anonymous function's: only the value says which variable it is.
    if (description === 'Closure' && !/^__vi/.test(name) && loadModule(reference) !== value) return undefined;
    return encoder.add(reference);
  }

  /** Of a module that is only used as `name.x`, what is used. */
  #members(value: unknown, { members }: FreeName, imported: boolean): object | undefined {
    if (typeof value !== 'object' || value === null || members === undefined) return undefined;
    if (!imported && !types.isModuleNamespaceObject(value) && !(value as any).__esModule) return undefined;
    return Object.fromEntries([...members].map((member) => [member, (value as any)[member]]));
  }

  #unread(place: Place): (name: string) => never {
    return (name) =>
      this.#encoder.refuse({
        noun: `a function (${place.where}) that uses \`${name}\` before it has a value`,
        advice: `define \`${name}\` before this point`,
      });
  }

  /** Static members, properties put on a function, and the methods of an old-style class. */
  #ownProperties(fn: AnyFunction, { isClass }: Literal, index: number): void {
    for (const key of Reflect.ownKeys(fn)) {
      const { value, enumerable = false, get, set } = Object.getOwnPropertyDescriptor(fn, key)!;
      if (key === 'prototype' && !isClass && hasMethods(value)) this.#encoder.methods(value, index);
      const inText = NOT_DATA.has(key) || get || set || (isClass && !enumerable);
      if (!inText) this.#encoder.property(this.#encoder.box(index), key, value, enumerable);
    }
  }
}

const NOT_DATA = new Set<string | symbol>(['length', 'name', 'prototype', 'arguments', 'caller']);

/** The prototype of an old-style class, and not what every function (or generator) has. */
function hasMethods(prototype: object): boolean {
  const own = Reflect.ownKeys(prototype);
  return own.includes('constructor') ? own.length > 1 || !isStandardPrototype(prototype) : own.length > 0;
}

interface Capturing {
  readonly fn: AnyFunction;
  readonly code: Code;
  readonly index: number;
  readonly inspected: Inspected;
  readonly place: Place;
  readonly bundle: Bundle | undefined;
}

export interface Found {
  readonly value: unknown;
  /** Index in the function's scopes. */
  readonly scope: number;
  readonly description: string;
}

/** Which variable it is: certain at module level, where there is one of each name, and a guess by its place elsewhere. */
function variableOf(
  name: string,
  { scope, description }: Found,
  { inspected: { scopes }, place: { script }, bundle }: Capturing,
): { key: string; certain: boolean } {
  if (description === 'Script' || description === 'Global') return { key: description, certain: true };
  if (description === 'Module') return { key: script.id, certain: true };
  const lastBlock = scopes.findLastIndex((each) => each.description === 'Block');
  const isOuter = scope >= scopes.length - (script.shape === 'called' ? 3 : 2);
  const certain =
    (bundle !== undefined && isOuter) ||
    (script.shape === 'block' && scope >= lastBlock && lastBlock >= 0) ||
    (description === 'Closure' && isOuter && script.declares(name));
  return { key: certain ? script.id : `${script.id}:${scopes.length - scope}:${description}`, certain };
}

function mayCapture({ analysis }: Literal): boolean {
  return [...analysis.free.keys()].some((name) => !isStandardGlobal(name));
}

/** The variable as the function sees it; undefined for what every process has under that name, and for what nobody has. */
function lookUp({ scopes }: Inspected, name: string, unread: (name: string) => never): Found | undefined {
  for (const [scope, { description, variables }] of scopes.entries()) {
    const isGlobal = scope === scopes.length - 1;
    if (isGlobal) {
      addRealm(variables);
      if (isStandardGlobal(name)) return undefined;
    }
    if (!Object.hasOwn(variables, name)) continue;
    try {
      return { value: variables[name], scope, description };
    } catch {
      unread(name);
    }
  }
  return undefined;
}

/** `import()` and `import.meta`, as `parseLiteral` writes them and as vite does. */
function loaderOf(name: string): 'import' | 'meta' | undefined {
  if (name === DYNAMIC_IMPORT || /^__vi\w*_dynamic_import__$/.test(name)) return 'import';
  return name === IMPORT_META || /^__vi\w*_import_meta__$/.test(name) ? 'meta' : undefined;
}

function isRequire(value: unknown): boolean {
  return typeof value === 'function' && typeof (value as any).resolve === 'function' && 'cache' in value;
}
