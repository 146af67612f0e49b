import type { HandleReference } from './handles.js';
import type { Form } from './literal.js';
import type { ModuleReference } from './modules.js';

/**
 * A value with functions, classes and symbols in it, as `v8.serialize` can write it. The value's own containers stand in it as they are;
 * where one holds something that cannot be written, it holds `undefined`, and an entry of `patches` names the special that belongs there.
 * All lists refer to containers by identity, which serialisation keeps, so cycles and shared references need no further care.
 */
export interface Graph {
  readonly root: [unknown];
  readonly specials: Special[];
  readonly patches: [holder: any, key: string | number, special: number][];
  /** Maps and sets with specials inside: their entries (for a map key, value, key, value …), to be filled in after patching. */
  readonly fills: [container: Map<unknown, unknown> | Set<unknown>, entries: unknown[]][];
  /** Properties that an assignment does not make: symbol keys, hidden ones, those of errors, maps and functions. */
  readonly properties: [target: [unknown], entry: [key: unknown, value: unknown], enumerable: boolean][];
  readonly accessors: [target: [unknown], key: string, pair: [get: unknown, set: unknown], enumerable: boolean][];
  /** Objects by their prototype, where that is not what their copy has anyway. */
  readonly prototypes: [prototype: [unknown], instances: unknown[]][];
  /** Module-level variables that one shipped function assigns and another reads: one binding for all of them. */
  readonly cells: Cell[];
}

export interface Cell {
  readonly strict: boolean;
  /** Each name, with the special (a code node) and the index in its `values` where its value stands. */
  readonly names: readonly [name: string, special: number, slot: number][];
}

export type Special =
  | { readonly kind: 'global'; readonly path: readonly (string | [wellKnown: string])[] }
  | ModuleReference
  | { readonly kind: 'bundle'; readonly sha256: string; readonly expression: string }
  /** The `prototype` of a function or class, which is a special too. */
  | { readonly kind: 'prototype'; readonly of: number }
  | { readonly kind: 'bound'; readonly parts: [target: unknown, receiver: unknown, args: unknown[]] }
  /** `key`: of a registered symbol; otherwise `id` keeps its identity. */
  | { readonly kind: 'symbol'; readonly key?: string; readonly id?: string; readonly description?: string }
  | { readonly kind: 'url'; readonly href: string }
  /** `require`, `import()` and `import.meta` of the script at `base`. */
  | { readonly kind: 'require' | 'import' | 'meta'; readonly base: string }
  | { readonly kind: 'handle'; readonly to: HandleReference }
  | Code;

export interface Code {
  readonly kind: 'code';
  readonly form: Form;
  readonly isClass: boolean;
  readonly text: string;
  readonly name: string;
  readonly strict: boolean;
  readonly names: string[];
  /** Captured values, in the order of `names`. */
  readonly values: unknown[];
  /** Indices of `names` that are not this function's own but a cell's; `cell` is that cell. */
  readonly shared: number[];
  cell?: number;
  /** Source of the text, for stack traces: either its place in `url` or a source map that says so. */
  readonly url: string;
  readonly line: number;
  readonly column: number;
  readonly map?: string;
  /** A function without properties of its own, arrow or plain, that assigns none of the variables it captures. */
  readonly stateless: boolean;
  /** Keeps a class the same class in every process. */
  readonly id?: string;
}

/** First byte of an encoded graph. `v8.serialize` begins with 0xff, which so marks a value without specials. */
export const GRAPH_MARK = 0x53;
