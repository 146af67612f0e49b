import { pathToFileURL } from 'node:url';
import { types } from 'node:util';
import { type Bundle, bundleByScript } from './bundles.js';
import { type Found, isRequire, loaderOf, lookUp, variableOf } from './captures.js';
import { Cells } from './cells.js';
import type { Encoder } from './encode.js';
import { encodePath } from './encode.js';
import { ClosureError } from './error.js';
import type { FreeName } from './free-variables.js';
import type { AnyFunction } from './function-type.js';
import { globalPath, isStandardGlobal } from './globals.js';
import type { Code, Special } from './graph.js';
import { identityOf } from './identity.js';
import { type Inspected, inspect, scriptUrl } from './inspector.js';
import type { Literal } from './literal.js';
import { findLoaded, loadModule, resolvePackage } from './modules.js';
import { type Place, placeOf } from './place.js';
import { isStandardPrototype } from './plain.js';

type Location = NonNullable<Inspected['location']>;

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
    if (known) {
      const { place, location, captures } = known;
      return this.#fromText(fn, () => (captures ? inspect(fn) : { location, scopes: [] }), place, location);
    }
    const inspected = inspect(fn);
    if (inspected.bound) return this.#bound(fn, inspected.bound);
    const { location } = inspected;
    if (location === undefined)
      return this.#encoder.refuse({
        noun: `the native function ${fn.name || '(anonymous)'}, which has no name of its own on executors`,
        advice: 'wrap it in a function of your own',
      });
    const reference = bundleByScript(location.scriptId) ? undefined : this.#reference(fn, location.scriptId);
    if (reference) return this.#encoder.add(reference, fn);
    return this.#fromText(fn, () => inspected, this.#place(fn, location), location);
  }

  #fromText(fn: AnyFunction, inspected: () => Inspected, place: Place, location: Location): number {
    if (this.place === undefined) this.#encoder.subject = `${this.#encoder.subject} (${place.where})`;
    this.place ??= place;
    const bundle = bundleByScript(location.scriptId);
    const name = bundle?.nameOf(fn, place.start);
    if (name) {
      knownFunctions.set(fn, { place, location, captures: true });
      return this.#encoder.add({ kind: 'bundle', sha256: bundle!.loaded.sha256, expression: name }, fn);
    }
    const index = this.#insidePackage(place.script.url, () => this.#byValue(fn, inspected(), place, bundle));
    const { names } = this.#encoder.graph.specials[index] as Code;
    const captures =
      names.length > 0 || [...place.literal.analysis.free.keys()].some((each) => !isStandardGlobal(each));
    knownFunctions.set(fn, { place, location, captures });
    return index;
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

  #place(fn: AnyFunction, location: Location): Place {
    try {
      return placeOf(fn, location);
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
      url: script.url,
      line: place.line,
      column: place.column,
      map: place.map,
      stateless: isStateless(fn, literal),
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
    const variable = found && variableOf(name, found, inspected, script, bundle);
    const reference = variable?.certain ? this.#importReference(name, found!, from, base) : undefined;
    if (reference !== undefined) {
      encoder.graph.patches.push([code.values, slot, reference]);
      return;
    }
    if (variable) this.#cells.note({ ...variable, code, index: from.index, name, slot, value, assigned: use.assigned });
    const partial = found && this.#members(value, use, script.imports.get(name)?.name === '*');
    if (partial) encoder.put(code.values, slot, partial, label);
    else encoder.put(code.values, slot, value, label);
    const uncopied = typeof value === 'object' && value !== null && code.values[slot] === value;
    if (uncopied) encoder.plainCaptures.set(value, name);
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

/** All state of such a function is in the values it captures: who calls it cannot tell it from a copy that captured the same. */
function isStateless(fn: AnyFunction, { form, isClass, text, analysis }: Literal): boolean {
  if (form !== 'expression' || isClass) return false;
  const assigns = [...analysis.free].some(([name, { assigned }]) => assigned || name === 'eval');
  if (assigns || Reflect.ownKeys(fn).some((key) => key !== 'length' && key !== 'name' && key !== 'prototype'))
    return false;
  return !/^(async\s*)?function\b/.test(text) || isPlainFunction(fn, text);
}

/** A `function` that could not keep anything in itself: it does not speak of itself, and its prototype is as it was made. */
function isPlainFunction(fn: AnyFunction, text: string): boolean {
  const [, name] = /^function\s*([\p{ID_Continue}$]*)\s*\(/u.exec(text) ?? [];
  if (name === undefined || Reflect.ownKeys(fn.prototype).length !== 1 || hasMethods(fn.prototype)) return false;
  return name === '' || text.split(/[^\p{ID_Continue}$]+/u).filter((word) => word === name).length === 1;
}

interface Capturing {
  readonly fn: AnyFunction;
  readonly code: Code;
  readonly index: number;
  readonly inspected: Inspected;
  readonly place: Place;
  readonly bundle: Bundle | undefined;
}
