// biome-ignore-all format: one case a line
// biome-ignore-all lint: the cases are what users may write, good style or not
import { EventEmitter } from 'node:events';
import fs, { createReadStream, readFileSync } from 'node:fs';
import net from 'node:net';
import * as path from 'node:path';
import { basename } from 'node:path';
import { performance as clock } from 'node:perf_hooks';
import { isDeepStrictEqual, promisify } from 'node:util';
import * as acorn from 'acorn';
import { Parser, parse } from 'acorn';
import pino from 'pino';
import { z } from 'zod';
import twice, * as helpers from './helpers.js';
import {
  Cube,
  DataError,
  even,
  FACTOR,
  operations,
  Shape,
  scale,
  setLevel,
  shift,
  table,
  usesLevel,
} from './helpers.js';

/**
 * What a shipped function must do, whatever has loaded this file: vitest, Node itself as ESM or CommonJS, tsx, or a bundle.
 * `build` makes the function on the driver; it is called with `args` in another process.
 */
export interface Case {
  readonly name: string;
  readonly build: () => any;
  readonly args?: readonly unknown[];
  readonly expected: unknown;
}

/** A function that must be refused, with a message that says this. */
export interface Refused {
  readonly name: string;
  readonly build: () => any;
  readonly message: RegExp;
}

const constant = 4;
let counter = 0;
let assignedLater = 1;
const moduleArrow = (x: number): number => x * constant;
const moduleObject = { list: [1, 2, 3], deep: { value: 'v' } };

function moduleFunction(x: number): number {
  return moduleArrow(x) + 1;
}

function increment(): number {
  counter += 1;
  return counter;
}

function factorial(n: number): number {
  return n <= 1 ? 1 : n * factorial(n - 1);
}

function usesAssigned(x: number): number {
  return x * assignedLater;
}

function* countTo(n: number): Generator<number> {
  for (let i = 1; i <= n; i++) yield i;
}

async function later(x: number): Promise<number> {
  await null;
  return x + constant;
}

class Point {
  static origin = 'zero';
  label = 'point';

  constructor(
    readonly x: number,
    readonly y: number,
  ) {}

  static of(x: number): Point {
    return new Point(x, x);
  }

  get norm(): number {
    return Math.hypot(this.x, this.y);
  }

  plus(other: Point): Point {
    return new Point(this.x + other.x, this.y + other.y);
  }

  scaled(): number {
    return scale(this.x) * constant;
  }
}

class Point3 extends Point {
  z = 9;

  override plus(other: Point): Point {
    return super.plus(other).plus(new Point(1, 1));
  }
}

class Hidden {
  #secret = 1;

  reveal(): number {
    return this.#secret;
  }

  opener(): () => number {
    return () => this.#secret;
  }
}

const WithMixin = (base: any) =>
  class extends base {
    mixed(): string {
      return `mixed ${(this as any).x}`;
    }
  };
const Mixed = WithMixin(Point) as any;

function OldStyle(this: any, n: number): void {
  this.n = n;
}
OldStyle.prototype.double = function (): number {
  return this.n * 2;
};


/** As `util.inherits` made classes before there was a syntax for them. */
function OlderStill(this: any, n: number): void {
  (OldStyle as any).call(this, n);
}
Object.setPrototypeOf(OlderStill.prototype, OldStyle.prototype);
Object.defineProperty(OlderStill.prototype, 'triple', {
  get(this: any) {
    return this.n * 3;
  },
  configurable: true,
});

const tagged = (strings: TemplateStringsArray, ...values: number[]): string => strings.raw.join('|') + values.join(',');

export const cases: readonly Case[] = [
  // Nothing captured
  { name: 'an arrow', build: () => (x: number) => x + 1, args: [2], expected: 3 },
  { name: 'an arrow with a block', build: () => (x: number) => { const y = x * 2; return y; }, args: [2], expected: 4 },
  { name: 'a function expression', build: () => (x: number) => x + 1, args: [2], expected: 3 },
  { name: 'a named function expression that calls itself', build: () => function f(n: number): number { return n < 2 ? n : f(n - 1) + f(n - 2); }, args: [10], expected: 55 },
  { name: 'default, rest and destructured parameters', build: () => ({ a, b = 2 }: any, [c, ...d]: number[] = [3], ...e: number[]) => [a, b, c, d, e], args: [{ a: 1 }, [5, 6], 7], expected: [1, 2, 5, [6], [7]] },
  { name: 'globals', build: () => (x: number) => Math.max(x, Number('3')) + JSON.stringify([x]).length, args: [2], expected: 6 },
  { name: 'typeof of an unknown name', build: () => () => typeof (globalThis as any).nothingOfThisName, expected: 'undefined' },
  { name: 'shadowed names are not captured', build: () => (constant: number) => { let counter = constant; { const scale = 3; counter += scale; } return counter; }, args: [1], expected: 4 },
  { name: 'var, hoisted', build: () => () => { v = 3; var v: number; return v; }, expected: 3 },
  { name: 'a function hoisted inside', build: () => () => { return inside(2); function inside(x: number): number { return x * 5; } }, expected: 10 },
  { name: 'catch parameter and labels', build: () => () => { for (const i of [1, 2]) { try { if (i === 2) throw i; } catch (e) { return e; } } return 0; }, expected: 2 },
  { name: 'a template and a tagged template', build: () => (x: number) => `${x}` + tagged`a${x}b`, args: [1], expected: '1a|b1' },
  { name: 'a class inside', build: () => (x: number) => { class In { constructor(readonly v: number) {} get(): number { return this.v; } } return new In(x).get(); }, args: [8], expected: 8 },
  { name: 'a regular expression and optional chaining', build: () => (s: any) => s?.match(/b(.)/)?.[1] ?? 'none', args: ['abc'], expected: 'c' },

  // Values of the function around
  { name: 'a number', build: () => { const k = 3; return (x: number) => x * k; }, args: [2], expected: 6 },
  { name: 'a parameter', build: () => ((k: number) => (x: number) => x * k)(4), args: [2], expected: 8 },
  { name: 'a let, read when shipped', build: () => { let k = 1; const f = (x: number) => x + k; k = 5; return f; }, args: [1], expected: 6 },
  { name: 'bigint, undefined, null, NaN, -0, Infinity', build: () => { const v = [10n ** 20n, undefined, null, Number.NaN, -0, Number.POSITIVE_INFINITY]; const [a, b, c, d, e, f] = v; return () => [a, b, c, d, e, f]; }, expected: [10n ** 20n, undefined, null, Number.NaN, -0, Number.POSITIVE_INFINITY] },
  { name: 'a loop variable', build: () => { const all = []; for (let i = 0; i < 3; i++) all.push(() => i); return all[1]; }, expected: 1 },
  { name: 'a variable of a block', build: () => { { const inner = 'in'; return () => inner; } }, expected: 'in' },
  { name: 'a caught error', build: () => { try { throw new RangeError('caught'); } catch (e) { return () => [(e as Error).message, e instanceof RangeError]; } }, expected: ['caught', true] },
  { name: 'strings of every kind', build: () => { const s = 'é\u2028\0"\\\u{1F600}'; return () => s; }, expected: 'é\u2028\0"\\\u{1F600}' },
  { name: 'an object and an array', build: () => { const o = { a: [1, { b: 2 }] }; return () => (o.a[1] as any).b; }, expected: 2 },
  { name: 'a sparse array', build: () => { const a = [1, , 3]; return () => [a.length, 1 in a]; }, expected: [3, false] },
  { name: 'a Date', build: () => { const d = new Date(5); return () => d.getTime(); }, expected: 5 },
  { name: 'a RegExp', build: () => { const r = /a(b)/gi; return (s: string) => s.replace(r, '$1'); }, args: ['xABab'], expected: 'xBb' },
  { name: 'a Map and a Set', build: () => { const m = new Map([['k', new Set([1, 2])]]); return () => m.get('k')!.has(2); }, expected: true },
  { name: 'a Map of functions', build: () => { const m = new Map<any, any>([['scale', scale], [shift, 'key']]); return (x: number) => [m.get('scale')(x), [...m.keys()].length]; }, args: [2], expected: [6, 2] },
  { name: 'a Set of functions', build: () => { const s = new Set([(x: number) => x + 1]); return (x: number) => [...s].map((f) => f(x)); }, args: [1], expected: [2] },
  { name: 'a Float32Array', build: () => { const a = Float32Array.of(1.5, 2); return () => a; }, expected: Float32Array.of(1.5, 2) },
  { name: 'a BigInt64Array and a DataView', build: () => { const a = BigInt64Array.of(7n); const v = new DataView(a.buffer); return () => [a[0], v.getBigInt64(0, true)]; }, expected: [7n, 7n] },
  { name: 'two views of one buffer', build: () => { const b = new ArrayBuffer(8); const x = new Uint8Array(b); const y = new Uint8Array(b); return () => [x.length, y.length]; }, expected: [8, 8] },
  { name: 'a Buffer', build: () => { const b = Buffer.from('hé'); return () => [Buffer.isBuffer(b), b.toString()]; }, expected: [true, 'hé'] },
  { name: 'an ArrayBuffer', build: () => { const b = Uint8Array.of(1, 2).buffer; return () => b.byteLength; }, expected: 2 },
  { name: 'boxed primitives', build: () => { const n = Object(3); return () => n + 1; }, expected: 4 },
  { name: 'a URL', build: () => { const u = new URL('http://h/p?q=1'); return () => [u instanceof URL, u.searchParams.get('q')]; }, expected: [true, '1'] },
  { name: 'an Error with a cause and a code', build: () => { const e = Object.assign(new TypeError('bad', { cause: { why: 1 } }), { code: 'E1' }); return () => [e instanceof TypeError, e.message, (e.cause as any).why, e.code]; }, expected: [true, 'bad', 1, 'E1'] },
  { name: 'a cyclic object', build: () => { const o: any = { n: 1 }; o.self = o; return () => o.self.self.n; }, expected: 1 },
  { name: 'a cycle through a function', build: () => { const o: any = { n: 1, get: () => o.n }; o.self = o; return () => o.self.get() + o.n; }, expected: 2 },
  { name: 'one object captured twice stays one', build: () => { const o = { n: 1 }; const p = { o }; return () => { o.n = 5; return p.o.n; }; }, expected: 5 },
  { name: 'one object in two functions stays one', build: () => { const s = { n: 0 }; const inc = () => { s.n++; }; const get = () => s.n; return () => { inc(); inc(); return get(); }; }, expected: 2 },
  { name: 'one object beside a function stays one', build: () => { const shared = { n: 1 }; const a = { f: () => 1, shared }; return () => a.shared === shared; }, expected: true },
  { name: 'an object without prototype', build: () => { const o = Object.assign(Object.create(null), { a: 1 }); return () => [Object.getPrototypeOf(o), o.a]; }, expected: [null, 1] },
  { name: 'Object.create', build: () => { const base = { hi() { return `hi ${(this as any).n}`; } }; const o = Object.assign(Object.create(base), { n: 2 }); return () => o.hi(); }, expected: 'hi 2' },
  { name: 'symbols: registered, well-known and own', build: () => { const own = Symbol('own'); const o: any = { [own]: 1, [Symbol.for('reg')]: 2 }; const r = Symbol.for('reg'); const it = Symbol.iterator; return () => [o[own], o[r], it === Symbol.iterator, own.description]; }, expected: [1, 2, true, 'own'] },
  { name: 'an iterable object', build: () => { const o = { *[Symbol.iterator]() { yield 1; yield 2; } }; return () => [...(o as any)]; }, expected: [1, 2] },
  { name: 'getters and setters', build: () => { const o = { k: 2, get double() { return this.k * 2; }, set double(v: number) { this.k = v; } }; return () => { const before = o.double; o.double = 10; return [before, o.k]; }; }, expected: [4, 10] },
  { name: 'a property called __proto__', build: () => { const o = JSON.parse('{"__proto__":{"x":1},"f":2}'); const g = { o, f: () => 1 }; return () => [Object.keys(g.o).sort(), g.f()]; }, expected: [['__proto__', 'f'], 1] },

  // Functions captured by functions
  { name: 'a captured arrow', build: () => { const f = (x: number) => x + 1; return (x: number) => f(f(x)); }, args: [1], expected: 3 },
  { name: 'a chain of captured functions', build: () => { const a = (x: number) => x + constant; const b = (x: number) => a(x) * 2; const c = (x: number) => b(x) - 1; return c; }, args: [1], expected: 9 },
  { name: 'mutual recursion, local', build: () => { const ev = (n: number): boolean => n === 0 || od(n - 1); const od = (n: number): boolean => n !== 0 && ev(n - 1); return (n: number) => [ev(n), od(n)]; }, args: [7], expected: [false, true] },
  { name: 'a local function declaration', build: () => { const k = 2; function local(x: number): number { return x <= 0 ? k : local(x - 1) + k; } return local; }, args: [3], expected: 8 },
  { name: 'a higher-order function', build: () => { const compose = (...fs: any[]) => (x: number) => fs.reduce((v, f) => f(v), x); return compose(scale, shift, (x: number) => x / 2); }, args: [2], expected: 8 },
  { name: 'a counter, a let of its own', build: () => { let n = 10; return () => { n += 1; return n; }; }, expected: 11 },
  { name: 'a memo table', build: () => { const memo = new Map<number, number>(); const fib = (n: number): number => { if (n < 2) return n; const known = memo.get(n); if (known !== undefined) return known; const v = fib(n - 1) + fib(n - 2); memo.set(n, v); return v; }; return fib; }, args: [50], expected: 12586269025 },
  { name: 'two closures of one factory', build: () => { const make = (k: number) => (x: number) => x * k; const a = make(2); const b = make(3); return (x: number) => [a(x), b(x)]; }, args: [1], expected: [2, 3] },
  { name: 'functions inside objects', build: () => { const o = { f: (x: number) => x + constant, list: [scale, (x: number) => -x] }; return (x: number) => [o.f(x), ...o.list.map((f) => f(x))]; }, args: [2], expected: [6, 6, -2] },
  { name: 'a function with properties', build: () => { const f = Object.assign((x: number) => x + f.by, { by: 7 }); return f; }, args: [1], expected: 8 },
  { name: 'names of functions', build: () => { const f = (x: number) => x; return () => f.name; }, expected: 'f' },

  // Module level
  { name: 'a const of the module', build: () => (x: number) => x + constant, args: [1], expected: 5 },
  { name: 'an object of the module', build: () => () => moduleObject.list.length + moduleObject.deep.value, expected: '3v' },
  { name: 'a function of the module', build: () => (x: number) => moduleFunction(x), args: [2], expected: 9 },
  { name: 'the function of the module itself', build: () => moduleFunction, args: [2], expected: 9 },
  { name: 'recursion at module level', build: () => factorial, args: [5], expected: 120 },
  { name: 'a let of the module, changed before shipping', build: () => { assignedLater = 6; return (x: number) => x * assignedLater; }, args: [2], expected: 12 },
  { name: 'the same, read by a function of the module', build: () => { assignedLater = 7; return (x: number) => usesAssigned(x); }, args: [2], expected: 14 },
  { name: 'a let of the module that two functions share', build: () => () => { counter = 5; increment(); return counter; }, expected: 6 },
  { name: 'the same through two functions', build: () => { const read = () => counter; return () => { const before = read(); increment(); increment(); return read() - before; }; }, expected: 2 },

  // Imports of the user's own modules
  { name: 'an imported function', build: () => (x: number) => scale(x), args: [2], expected: 6 },
  { name: 'an imported arrow with a default', build: () => (x: number) => shift(x) + shift(x, 1), args: [1], expected: 13 },
  { name: 'an imported constant', build: () => () => FACTOR, expected: 3 },
  { name: 'an imported Map', build: () => (k: string) => table.get(k), args: ['b'], expected: 2 },
  { name: 'a default import', build: () => (x: number) => twice(x), args: [2], expected: 12 },
  { name: 'a namespace import', build: () => (x: number) => helpers.scale(x) + helpers.FACTOR, args: [2], expected: 9 },
  { name: 'a namespace handed on', build: () => (k: string) => { const h: any = helpers; return h[k](4); }, args: ['even'], expected: true },
  { name: 'imported mutual recursion', build: () => (n: number) => even(n), args: [10], expected: true },
  { name: 'an imported let, as it is when shipped', build: () => { setLevel(42); return (x: number) => [usesLevel(x), helpers.level]; }, args: [1], expected: [43, 42] },
  { name: 'an imported function itself', build: () => scale, args: [5], expected: 15 },
  { name: 'an object of functions', build: () => (x: number) => [operations.add(x), operations.twice(x), operations.nested.shift(x)], args: [1], expected: [6, 6, 11] },
  { name: 'a method taken off its object', build: () => operations.add.bind({ base: 100 } as any), args: [1], expected: 101 },

  // Imports of packages and of Node
  { name: 'a named import of Node', build: () => (p: string) => basename(p), args: ['/a/b.csv'], expected: 'b.csv' },
  { name: 'a namespace import of Node', build: () => (p: string) => path.extname(p), args: ['/a/b.csv'], expected: '.csv' },
  { name: 'a default import of Node', build: () => () => typeof fs.readFileSync, expected: 'function' },
  { name: 'an import of Node itself', build: () => basename, args: ['/x/y'], expected: 'y' },
  { name: 'an import of Node in a variable', build: () => { const read = readFileSync; return () => typeof read; }, expected: 'function' },
  { name: 'an object that Node exports', build: () => () => typeof clock.now(), expected: 'number' },
  { name: 'a promisified function, made there', build: () => async () => typeof (await promisify(setTimeout)(1)), expected: 'undefined' },
  { name: 'a named import of a package', build: () => (s: string) => parse(s, { ecmaVersion: 2022 }).type, args: ['1+1'], expected: 'Program' },
  { name: 'a namespace import of a package', build: () => (s: string) => acorn.parse(s, { ecmaVersion: 2022 }).body.length, args: ['1;2'], expected: 2 },
  { name: 'a class of a package', build: () => (s: string) => new (Parser as any)({ ecmaVersion: 2022 }, s).parse().type, args: ['1'], expected: 'Program' },
  { name: 'a subclass of a package class', build: () => { class Own extends (Parser as any) { own(): number { return 5; } } return () => new (Own as any)({ ecmaVersion: 2022 }, '1').own(); }, expected: 5 },
  { name: 'a default import of a CommonJS package', build: () => () => pino.levels.values.info, expected: 30 },
  { name: 'another function of Node', build: () => (a: unknown, b: unknown) => isDeepStrictEqual(a, b), args: [{ a: 1 }, { a: 1 }], expected: true },
  { name: 'a dynamic import', build: () => async (p: string) => (await import('node:path')).basename(p), args: ['/a/b'], expected: 'b' },

  // Built-ins by name
  { name: 'Number', build: () => Number, args: ['12'], expected: 12 },
  { name: 'JSON.parse', build: () => JSON.parse, args: ['{"a":1}'], expected: { a: 1 } },
  { name: 'Math.sqrt', build: () => Math.sqrt, args: [16], expected: 4 },
  { name: 'captured built-ins', build: () => { const { sqrt } = Math; const M = Math; const S = String; return (x: number) => [sqrt(x), M.abs(-x), S(x)]; }, args: [4], expected: [2, 4, '4'] },
  { name: 'a built-in method', build: () => { const { trim } = String.prototype; return (s: string) => trim.call(s); }, args: [' a '], expected: 'a' },
  { name: 'a bound built-in', build: () => Math.max.bind(null, 5), args: [3], expected: 5 },
  { name: 'bound functions', build: () => { const f = function (this: any, a: number, b: number) { return this.k + a * b; }; return f.bind({ k: 100 }, 2); }, args: [3], expected: 106 },
  { name: 'crypto and performance', build: () => { const c = crypto; return () => [typeof crypto.randomUUID(), typeof c.randomUUID(), performance.now() > 0]; }, expected: ['string', 'string', true] },
  { name: 'process', build: () => { const { env } = process; const p = process; return () => [typeof process.pid, env === process.env, p === process]; }, expected: ['number', true, true] },
  { name: 'console is that of the executor', build: () => { const c = console; return () => c === console; }, expected: true },

  // Other kinds of functions
  { name: 'an async arrow', build: () => async (x: number) => (await Promise.resolve(x)) + constant, args: [1], expected: 5 },
  { name: 'an async function of the module', build: () => async (x: number) => (await later(x)) * 2, args: [1], expected: 10 },
  { name: 'a generator', build: () => (n: number) => [...countTo(n)], args: [3], expected: [1, 2, 3] },
  { name: 'an async generator', build: () => { async function* ticks(n: number): AsyncGenerator<number> { for (let i = 0; i < n; i++) yield i * constant; } return async (n: number) => { const out = []; for await (const t of ticks(n)) out.push(t); return out; }; }, args: [3], expected: [0, 4, 8] },
  { name: 'a method', build: () => { const k = 2; return { m(x: number) { return x * k; } }.m; }, args: [3], expected: 6 },
  { name: 'an async method and a generator method', build: () => { const o = { async a(x: number) { return x + constant; }, *g(x: number) { yield x; } }; return async (x: number) => [await o.a(x), ...o.g(x)]; }, args: [1], expected: [5, 1] },
  { name: 'a method with a computed name', build: () => { const key = 'na me'; const o = { [key](x: number) { return x + 1; } }; return (x: number) => [o[key]!(x), o[key]!.name]; }, args: [1], expected: [2, 'na me'] },
  { name: 'methods called get, set, async and static', build: () => { const o = { get(x: number) { return x; }, set(x: number) { return x + 1; }, async(x: number) { return x + 2; }, static(x: number) { return x + 3; } }; return (x: number) => [o.get(x), o.set(x), o.async(x), o.static(x)]; }, args: [1], expected: [1, 2, 3, 4] },
  { name: 'an old-style class', build: () => { const o = new (OldStyle as any)(4); return () => [o.double(), o instanceof (OldStyle as any)]; }, expected: [8, true] },
  { name: 'inheritance between old-style classes', build: () => { const o = new (OlderStill as any)(4); return () => [o.double(), o.triple, o instanceof (OldStyle as any)]; }, expected: [8, 12, true] },
  { name: 'a class that extends an old-style one', build: () => { class New extends (OlderStill as any) { more(): number { return (this as any).double() + 1; } } return (n: number) => new (New as any)(n).more(); }, args: [4], expected: 9 },
  { name: 'a prototype', build: () => { const proto = Point.prototype; return () => [proto === Point.prototype, Object.create(proto) instanceof Point]; }, expected: [true, true] },

  // Classes
  { name: 'a class of the module', build: () => (x: number) => new Point(x, 4).norm, args: [3], expected: 5 },
  { name: 'static members', build: () => () => [Point.origin, Point.of(2).y], expected: ['zero', 2] },
  { name: 'an instance', build: () => { const p = new Point(1, 2); return () => [p instanceof Point, p.plus(p).x, p.label]; }, expected: [true, 2, 'point'] },
  { name: 'an instance of a class that uses the module', build: () => { const p = new Point(2, 2); return () => p.scaled(); }, expected: 24 },
  { name: 'inheritance and super', build: () => { const p = new Point3(1, 1); return () => [p.plus(p).x, p.z, p instanceof Point3, p instanceof Point]; }, expected: [3, 9, true, true] },
  { name: 'an imported class', build: () => (w: number) => new Shape('s', w).describe(), args: [2], expected: 's:4m' },
  { name: 'an instance of an imported subclass', build: () => { const c = new Cube('c', 2); return () => [c.describe(), c instanceof Shape]; }, expected: ['cube c:4m 6', true] },
  { name: 'a local class', build: () => { const k = 5; class Local { v = k; twice(): number { return this.v * 2; } } const one = new Local(); return () => [one.twice(), new Local().v, one instanceof Local]; }, expected: [10, 5, true] },
  { name: 'a local class that extends one of the module', build: () => { class Sub extends Point { override get norm(): number { return super.norm + 1; } } const s = new Sub(3, 4); return () => [s.norm, s instanceof Point]; }, expected: [6, true] },
  { name: 'a mixin', build: () => { const m = new Mixed(7, 8); return () => [m.mixed(), m instanceof Point]; }, expected: ['mixed 7', true] },
  { name: 'a class that extends Map', build: () => { class Counts extends Map<string, number> { add(k: string): this { return this.set(k, (this.get(k) ?? 0) + 1); } } const c = new Counts([['a', 1]]); return () => [...c.add('a').add('b')]; }, expected: [['a', 2], ['b', 1]] },
  { name: 'classes that extend Date, Array and Float32Array', build: () => { class D extends Date { y() { return this.getUTCFullYear(); } } class V extends Array<number> { sum() { return this.reduce((a, b) => a + b, 0); } } class F extends Float32Array { n() { return this.length; } } const d = new D(0); const v = new V(); v.push(1, 2); const f = new F(3); return () => [d.y(), v.sum(), f.n(), f instanceof F]; }, expected: [1970, 3, 3, true] },
  { name: 'a static field changed before shipping', build: () => { class Config { static mode = 'old'; } Config.mode = 'new'; return () => Config.mode; }, expected: 'new' },
  { name: 'a class with #private fields, made there', build: () => () => new Hidden().reveal(), expected: 1 },
  { name: 'a class expression with static initialisers', build: () => { const k = 3; const seen: number[] = []; const C = class { static table = [k, k * 2]; static { seen.push(k); } }; return () => [C.table, seen.length > 0]; }, expected: [[3, 6], true] },
  { name: 'instances come back as what they are', build: () => (x: number) => new Point(x, x), args: [2], get expected() { return new Point(2, 2); } },
  { name: 'arguments with a class', build: () => (p: Point) => p.norm, get args() { return [new Point(3, 4)]; }, expected: 5 },
  { name: 'a subclass of Error comes back', build: () => (r: number) => new DataError('bad', r), args: [3], get expected() { return new DataError('bad', 3); } },
  { name: "an instance of EventEmitter's subclass", build: () => { class Bus extends EventEmitter { n = 0; } const bus = new Bus(); return () => { bus.on('x', (k: number) => { bus.n += k; }); bus.emit('x', 3); return bus.n; }; }, expected: 3 },
];

export const refused: readonly Refused[] = [
  { name: 'a stream', build: () => { const input = createReadStream('/dev/null'); input.destroy(); return () => input.path; }, message: /captures `input\d*`, which is a ReadStream \(a stream\).*mapPartitions/ },
  { name: 'a socket', build: () => { const socket = new net.Socket(); return () => socket.destroyed; }, message: /`socket`, which is a Socket/ },
  { name: 'a Promise', build: () => { const soon = Promise.resolve(1); return async () => await soon; }, message: /`soon`, which is a Promise.*await it/ },
  { name: 'a WeakMap inside an object', build: () => { const cache = { by: [new WeakMap()] }; return () => cache.by.length; }, message: /`cache\.by\[0\]`, which is a WeakMap/ },
  { name: 'a WeakRef', build: () => { const ref = new WeakRef({}); return () => ref.deref(); }, message: /`ref`, which is a WeakRef/ },
  { name: 'an object of the driver', build: () => { const rdd = { [Symbol.for('sheaf.driver-only')]: 'an RDD' }; return () => rdd; }, message: /`rdd`, which is an RDD .*collect/ },
  { name: 'the same through a helper', build: () => { const rdd = { [Symbol.for('sheaf.driver-only')]: 'an RDD' }; const helper = () => rdd; return () => helper(); }, message: /`helper → rdd`, which is an RDD/ },
  { name: 'this of an arrow', build: () => { class Job { k = 1; make() { return (x: number) => x * this.k; } } return new Job().make(); }, message: /uses the `this` of the code around it \(.*cases\.\w+:\d+:\d+\).*const \{ k \} = this/ },
  { name: 'arguments of an outer function', build: () => (function (..._: number[]) { return () => arguments.length; })(1, 2), message: /`arguments` of the code around it/ },
  { name: 'super', build: () => { class A { v() { return 1; } } class B extends A { make() { return () => super.v(); } } return new B().make(); }, message: /`super` of the code around it/ },
  { name: 'a method with super', build: () => { const o = { __proto__: { m() { return 1; } }, m() { return super.m(); } } as any; return o.m; }, message: /`super` of the code around it/ },
  { name: 'new.target', build: () => new (function (this: any) { this.f = () => new.target; } as any)().f, message: /`new\.target`/ },
  { name: '#private', build: () => new Hidden().opener(), message: /`this` of the code around it/ },
  { name: 'an instance with #private fields', build: () => { const hidden = new Hidden(); return () => hidden.reveal(); }, message: /`hidden`, which is a Hidden with #private fields/ },
  { name: 'a Proxy', build: () => { const proxy = new Proxy({}, {}); return () => proxy; }, message: /`proxy`, which is a Proxy/ },
  { name: 'a running generator', build: () => { const running = countTo(3); return () => running.next(); }, message: /`running`, which is a running generator/ },
  { name: 'shared memory', build: () => { const shared = new Int32Array(new SharedArrayBuffer(8)); return () => shared[0]; }, message: /`shared`, which is shared memory/ },
  { name: 'an iterator', build: () => { const it = [1, 2][Symbol.iterator](); return () => it.next(); }, message: /`it`, which is a running iterator/ },
  { name: 'arguments in a variable', build: () => { const args = (function (..._: number[]) { return arguments; })(1); return () => args.length; }, message: /`args`, which is an arguments object/ },
  { name: 'what a package keeps to itself', build: () => { const schema = z.object({ a: z.number() }); return (x: unknown) => schema.parse(x); }, message: /`schema[^`]*`, which is (made by the package 'zod'|a WeakSet).*create it inside/ },
  { name: 'a number format', build: () => { const format = new Intl.NumberFormat('en'); return (x: number) => format.format(x); }, message: /`format`, which is a NumberFormat/ },
  { name: 'a function that Node made', build: () => { const read = promisify(fs.readFile); return () => read('x'); }, message: /`read`, which is a function that Node made/ },
  { name: 'a let that two functions share and change', build: () => { let n = 0; const inc = () => { n++; }; const get = () => n; return () => { inc(); return get(); }; }, message: /`n`, which is a variable that `inc` and `get` use.*object they share/ },
];
