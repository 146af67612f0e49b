import { createRequire } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Options } from 'acorn';
import { patternNames } from './free-variables.js';
import { scriptText } from './inspector.js';
import { SourceMap } from './source-map.js';

/** `name`: an export's name, `*` for the namespace, `module.exports` for what `require` returns. */
export interface Import {
  readonly specifier: string;
  readonly name: string;
}

const TOLERANT: Options = {
  ecmaVersion: 'latest',
  allowReturnOutsideFunction: true,
  allowAwaitOutsideFunction: true,
  allowImportExportEverywhere: true,
  allowSuperOutsideMethod: true,
  allowHashBang: true,
  checkPrivateFields: false,
};

const require = createRequire(import.meta.url);

/** Parses as a module, or, for old sloppy code, as a script. */
export function parseTolerantly(source: string): any {
  // Where functions are only restored it is not needed: slots start sooner.
  const { parse } = require('acorn') as typeof import('acorn');
  try {
    return parse(source, { ...TOLERANT, sourceType: 'module' });
  } catch (error) {
    try {
      return parse(source, { ...TOLERANT, sourceType: 'script' });
    } catch {
      throw error;
    }
  }
}

/** A script that V8 has compiled: where its parts were written, and what it imports. */
export class Script {
  static readonly #known = new Map<string, Script>();

  /** Of the file; where a tool has put another text in its place, of the file that was written. */
  readonly url: string;
  readonly source: string;
  readonly #sourceMapUrl: string;
  readonly #lineStarts: number[] = [0];
  #map: SourceMap | null | undefined;
  #statements: any[] | undefined;
  #strict: boolean | undefined;
  #shape: 'plain' | 'block' | 'called' = 'plain';
  #imports: Map<string, Import> | undefined;
  #declared: Set<string> | undefined;

  static of(id: string): Script {
    let script = Script.#known.get(id);
    if (script === undefined) {
      script = new Script(id);
      Script.#known.set(id, script);
    }
    return script;
  }

  private constructor(readonly id: string) {
    const { url, source, sourceMapUrl } = scriptText(id);
    this.source = source;
    this.#sourceMapUrl = sourceMapUrl;
    this.url = url;
    if (url.startsWith('data:')) this.url = this.map?.sources[0] ?? 'data:';
    for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) this.#lineStarts.push(at + 1);
  }

  /** Offset in `source` of a zero-based line and column. */
  offset(line: number, column: number): number {
    return (this.#lineStarts[line] ?? this.source.length) + column;
  }

  position(offset: number): { line: number; column: number } {
    let low = 0;
    let high = this.#lineStarts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#lineStarts[middle]! <= offset) low = middle + 1;
      else high = middle;
    }
    return { line: low - 1, column: offset - this.#lineStarts[low - 1]! };
  }

  get map(): SourceMap | undefined {
    if (this.#map === undefined)
      this.#map = (this.#sourceMapUrl && SourceMap.read(this.#sourceMapUrl, this.url ?? '')) || null;
    return this.#map ?? undefined;
  }

  /** Where the code at `offset` was written: URL and zero-based position. Undefined for code that only a tool has written. */
  original(offset: number): { source: string; line: number; column: number } | undefined {
    const { line, column } = this.position(offset);
    return this.map ? this.map.original(line, column) : { source: this.url, line, column };
  }

  /** `src/job.ts:12:3`, as an editor opens it. */
  where(offset: number): string {
    const at = this.original(offset) ?? { source: this.url, ...this.position(offset) };
    return `${shortPath(at.source)}:${at.line + 1}:${at.column + 1}`;
  }

  /** ES modules and scripts with a leading `'use strict'`. */
  get strict(): boolean {
    this.#strict ??=
      /^\s*(['"])use strict\1/.test(this.source) ||
      this.statements.some((each) => each.directive === 'use strict' || /^(Import|Export)/.test(each.type));
    return this.#strict;
  }

  /** How a tool has wrapped the module's code: in a `block` of a function (vite), in a function `called` at once (tsx). */
  get shape(): 'plain' | 'block' | 'called' {
    void this.statements;
    return this.#shape;
  }

  /** The statements of module scope; of a module that vite has wrapped in a function or `loadBundle` has, those inside. */
  get statements(): any[] {
    this.#statements ??= this.#parse();
    return this.#statements;
  }

  #parse(): any[] {
    let body: any[];
    try {
      body = parseTolerantly(this.source).body;
    } catch {
      return []; // Newer syntax than acorn knows: imports of packages are then found by identity alone.
    }
    const last = body.at(-1)?.expression;
    const called = last?.type === 'CallExpression' && last.arguments.length === 0;
    const wrapper = called ? last.callee : last;
    if (!/^(Arrow)?FunctionExpression$/.test(wrapper?.type) || wrapper.body.type !== 'BlockStatement') return body;
    const inside: any[] = wrapper.body.body;
    if (called) this.#shape = 'called';
    else if (inside[0]?.type === 'BlockStatement') this.#shape = 'block';
    return this.#shape === 'block' ? inside[0].body : inside;
  }

  /** The name is declared by a statement of module scope. */
  declares(name: string): boolean {
    this.#declared ??= new Set(
      this.statements.flatMap((each) =>
        each.type === 'VariableDeclaration'
          ? each.declarations.flatMap((declaration: any) => patternNames(declaration.id))
          : /^(Function|Class)Declaration$/.test(each.type)
            ? [each.id.name]
            : [],
      ),
    );
    return this.#declared.has(name);
  }

  /** Names of module scope that are imported, by whatever syntax: `import`, `require`, `await import`, vite's rewriting. */
  get imports(): ReadonlyMap<string, Import> {
    if (this.#imports === undefined) {
      this.#imports = new Map();
      for (const statement of this.statements)
        for (const [local, found] of importsOf(statement)) this.#imports.set(local, found);
    }
    return this.#imports;
  }
}

/** A path relative to the working directory where it lies below it, and the plain path otherwise. */
export function shortPath(url: string): string {
  if (!url.startsWith('file:')) return url;
  const path = fileURLToPath(url);
  const below = relative(process.cwd(), path);
  return below.startsWith('..') ? path : below;
}

function importsOf(statement: any): [string, Import][] {
  if (statement.type === 'ImportDeclaration')
    return statement.specifiers.map((each: any) => {
      const name =
        each.type === 'ImportNamespaceSpecifier'
          ? '*'
          : each.type === 'ImportDefaultSpecifier'
            ? 'default'
            : (each.imported.name ?? each.imported.value);
      return [each.local.name, { specifier: statement.source.value, name }];
    });
  if (statement.type === 'VariableDeclaration')
    return statement.declarations.flatMap((each: any) => (each.init ? requiresOf(each.id, each.init) : []));
  return [];
}

function requiresOf(pattern: any, init: any): [string, Import][] {
  if (init.type === 'MemberExpression' && !init.computed) {
    const whole = loadedBy(init.object);
    return whole && pattern.type === 'Identifier'
      ? [[pattern.name, { specifier: whole.specifier, name: init.property.name }]]
      : [];
  }
  const whole = loadedBy(init);
  if (whole === undefined) return [];
  if (pattern.type === 'Identifier') return [[pattern.name, whole]];
  if (pattern.type !== 'ObjectPattern') return [];
  return pattern.properties.flatMap((property: any) => {
    const target = property.value?.left ?? property.value;
    return target?.type === 'Identifier' && !property.computed
      ? [[target.name, { specifier: whole.specifier, name: property.key.name ?? property.key.value }]]
      : [];
  });
}

/** `require('x')`, `await import('x')`, `await __vite_ssr_import__('x')`, and esbuild's `__toESM(require('x'))`. */
function loadedBy(node: any): Import | undefined {
  if (node.type === 'AwaitExpression') {
    const call = node.argument;
    const source = call.type === 'ImportExpression' ? call.source : call.arguments?.[0];
    const known = call.type === 'ImportExpression' || /^__vi\w*import\w*__$/.test(call.callee?.name ?? '');
    return known && typeof source?.value === 'string' ? { specifier: source.value, name: '*' } : undefined;
  }
  if (node.type !== 'CallExpression') return undefined;
  if (node.callee.name === '__toESM' && node.arguments[0]) {
    const inner = loadedBy(node.arguments[0]);
    return inner && { specifier: inner.specifier, name: '*' };
  }
  const source = node.arguments[0];
  return node.callee.name === 'require' && typeof source?.value === 'string'
    ? { specifier: source.value, name: 'module.exports' }
    : undefined;
}
