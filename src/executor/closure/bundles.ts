import { forgetShared } from './factories.js';
import { analyse, patternNames } from './free-variables.js';
import type { AnyFunction } from './function-type.js';
import { inspect, provideScript } from './inspector.js';
import { Script } from './script.js';

/** A job's bundle, evaluated in this process. */
export interface LoadedBundle {
  readonly sha256: string;
  /** The job's file, from which its packages are resolved. */
  readonly file: string;
  readonly exports: any;
  /** What was evaluated, and under which address. */
  readonly text: string;
  readonly url: string;
  /** A direct `eval` in the bundle's module scope. */
  readonly scope: (expression: string) => unknown;
}

/**
 * `code`: a function or class declared at module scope. `import`: what comes from elsewhere than the user's own files.
 * `value`: data of the user's files.
 */
interface Declaration {
  readonly name: string;
  readonly kind: 'code' | 'import' | 'value';
  readonly node: any;
}

const loaded = new Map<string, Bundle>();

export function registerBundle(bundle: LoadedBundle): void {
  loaded.set(bundle.sha256, new Bundle(bundle));
}

/** Functions restored from it go on working; no further ones can be. */
export function forgetBundle(sha256: string): void {
  loaded.delete(sha256);
  forgetShared();
}

export function bundleByHash(sha256: string): Bundle | undefined {
  return loaded.get(sha256);
}

export function bundleByScript(scriptId: string): Bundle | undefined {
  for (const bundle of loaded.values()) if (bundle.scriptId === scriptId) return bundle;
  return undefined;
}

/**
 * Code comes from the bundle, data from the driver. A function of module scope is found by its name in the executor's
 * copy of the bundle, unless it reads, itself or through others, the user's module-level data: the executor's
 * copy of that may differ from what it is on the driver by now, so such a function is shipped by value, with its data.
 */
export class Bundle {
  readonly #pure = new Map<string, boolean>();
  #declarations: Map<string, Declaration> | undefined;
  #byStart: Map<number, string> | undefined;
  #scriptId: string | undefined;

  constructor(readonly loaded: LoadedBundle) {}

  get scriptId(): string {
    if (this.#scriptId === undefined) {
      const { text, url, scope } = this.loaded;
      this.#scriptId = inspect(scope).location!.scriptId;
      const at = text.lastIndexOf('//# sourceMappingURL=');
      const sourceMapUrl = at < 0 ? '' : text.slice(text.indexOf('=', at) + 1, text.indexOf('\n', at));
      provideScript(this.#scriptId, { url, source: text, sourceMapUrl });
    }
    return this.#scriptId;
  }

  get declarations(): ReadonlyMap<string, Declaration> {
    if (this.#declarations === undefined) this.#declarations = this.#declare();
    return this.#declarations;
  }

  /** The name by which an executor's copy of the bundle knows the function whose text begins at `start`. */
  nameOf(fn: AnyFunction, start: number): string | undefined {
    this.#byStart ??= new Map(
      [...this.declarations.values()]
        .filter((each) => each.kind === 'code')
        .map((each) => [each.node.start, each.name]),
    );
    const name = this.#byStart.get(start);
    return name !== undefined && this.#isPure(name) && this.loaded.scope(name) === fn ? name : undefined;
  }

  /** An export of an imported package that is `value`, as an expression in module scope. */
  importOf(value: object): string | undefined {
    for (const { name, kind } of this.declarations.values()) {
      if (kind !== 'import') continue;
      const imported: any = this.loaded.scope(name);
      if (imported === value) return name;
      if (imported === null || (typeof imported !== 'object' && typeof imported !== 'function')) continue;
      for (const key of Object.keys(imported)) if (imported[key] === value) return `${name}[${JSON.stringify(key)}]`;
    }
    return undefined;
  }

  #isPure(name: string): boolean {
    const known = this.#pure.get(name);
    if (known !== undefined) return known;
    const declaration = this.declarations.get(name);
    if (declaration === undefined || declaration.kind === 'import') return true;
    if (declaration.kind === 'value') return false;
    // A name under way counts as pure: a circle of functions is as pure as what else it reads.
    this.#pure.set(name, true);
    const pure = [...analyse(declaration.node).free.keys()].every((each) => this.#isPure(each));
    if (!pure) this.#pure.clear();
    this.#pure.set(name, pure);
    return pure;
  }

  #declare(): Map<string, Declaration> {
    const script = Script.of(this.scriptId);
    const found = new Map<string, Declaration>();
    const packages = packageWrappers(script.statements);
    const add = (name: string, kind: Declaration['kind'], node: any): void => {
      const written = script.original(node.start)?.source;
      const foreign = kind === 'value' && (written === undefined || written.includes('/node_modules/'));
      found.set(name, { name, kind: foreign ? 'import' : kind, node });
    };
    for (const statement of script.statements) {
      if (/^(Function|Class)Declaration$/.test(statement.type)) add(statement.id.name, 'code', statement);
      if (statement.type === 'VariableDeclaration')
        for (const each of statement.declarations)
          for (const name of patternNames(each.id)) {
            const isCode = each.id.type === 'Identifier' && isCodeNode(each.init);
            const imported = script.imports.has(name) || packages.has(wrapperOf(each.init));
            add(name, imported ? 'import' : isCode ? 'code' : 'value', each.init ?? each);
          }
    }
    for (const name of namespaces(script.statements)) {
      const known = found.get(name);
      if (known) found.set(name, { ...known, kind: 'import' });
    }
    return found;
  }
}

/** Functions and classes, and esbuild's wrappers of a CommonJS or lazily evaluated module. */
function isCodeNode(node: any): boolean {
  if (!node) return false;
  if (node.type === 'CallExpression') return /^__(commonJS|esm)(Min)?$/.test(node.callee.name ?? '');
  return /^(ArrowFunction|Function|Class)Expression$/.test(node.type);
}

/** Names of esbuild's wrappers of bundled packages' CommonJS modules: `var require_x = __commonJS({ "node_modules/x/x.js"() { … } })`. */
function packageWrappers(statements: any[]): ReadonlySet<string | undefined> {
  const wrappers = statements
    .flatMap((each) => (each.type === 'VariableDeclaration' ? each.declarations : []))
    .filter(({ init }) => isCodeNode(init) && init.type === 'CallExpression')
    .filter(({ init }) => String(init.arguments[0]?.properties?.[0]?.key?.value).includes('node_modules/'));
  return new Set(wrappers.map(({ id }) => id.name));
}

/** The wrapper that `require_x()` or `__toESM(require_x())` calls. */
function wrapperOf(init: any): string | undefined {
  if (init?.type !== 'CallExpression') return undefined;
  return init.callee.name === '__toESM' ? wrapperOf(init.arguments[0]) : init.callee.name;
}

/** esbuild's `__export(utils_exports, { … })`: objects that stand for a module of the user's. */
function namespaces(statements: any[]): string[] {
  return statements
    .map((each) => each.expression)
    .filter((each) => each?.type === 'CallExpression' && each.callee.name === '__export')
    .map((each) => each.arguments[0].name);
}
