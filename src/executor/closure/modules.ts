import { existsSync, readFileSync } from 'node:fs';
import Module, { createRequire, isBuiltin } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { types } from 'node:util';
import { ClosureError } from './error.js';

/** A package's or Node's own export: executors import it themselves. */
export interface ModuleReference {
  readonly kind: 'module';
  readonly specifier: string;
  /** URL of the script that imported it. */
  readonly base: string;
  /** Where the driver found it: a file that executors on the same host can read. */
  readonly resolved: string;
  /** An export's name, `*` for the namespace, `module.exports` for what `require` returns. */
  readonly name: string;
}

const provided = new Map<string, object>();

/** Gives a module by hand, instead of letting `specifier` be resolved: the engine's own instance, for `sheaf`. */
export function provideModule(specifier: string, namespace: object): void {
  provided.set(specifier, namespace);
}

/**
 * The file, or `node:` name, of a package's module as `base` sees it; undefined for the user's own files
 * (relative paths, and bare names that lead to files outside `node_modules`): these are shipped by value.
 */
export function resolvePackage(specifier: string, base: string): string | undefined {
  if (provided.has(specifier) || isBuiltin(specifier)) return specifier;
  if (specifier.startsWith('file:')) return specifier.includes('/node_modules/') ? specifier : undefined;
  if (specifier.startsWith('/')) return absolute(specifier, base);
  if (/^[.#]/.test(specifier) || !base.startsWith('file:')) return undefined;
  try {
    const file = resolveFrom(specifier, base);
    return file.includes(`${sep}node_modules${sep}`) || specifier === 'sheaf' ? file : undefined;
  } catch {
    return undefined;
  }
}

/** vite writes `/node_modules/x/y.js`, counted from the project's root, which lies somewhere above the script. */
function absolute(path: string, base: string): string | undefined {
  if (!path.includes('/node_modules/')) return undefined;
  const file = path.replace(/^\/@fs(?=\/)/, '').replace(/\?.*$/, '');
  for (let at = dirname(fileURLToPath(base)); ; at = dirname(at)) {
    for (const candidate of [join(at, file), ...(dirname(at) === at ? [file] : [])])
      if (existsSync(candidate)) return candidate;
    if (dirname(at) === at) return undefined;
  }
}

/** What the reference names, in this process. @throws ClosureError that says which package is missing. */
export function loadModule({ specifier, base, resolved, name }: ModuleReference): unknown {
  const exports: any = provided.get(specifier) ?? requireFrom(specifier, base, resolved);
  if (name === 'module.exports') return exports;
  const namespace = types.isModuleNamespaceObject(exports) || exports?.__esModule;
  if (name === '*') return namespace ? exports : { ...exports, default: exports };
  return name === 'default' && !namespace ? exports : exports[name];
}

/**
 * `require` as seen from `base`, then from where the driver found it, the working directory and the engine itself. `sheaf` is
 * always the engine that runs, though another one may lie beside the job: two of them do not understand each other.
 */
export function requireFrom(specifier: string, base: string, resolved?: string): unknown {
  if (provided.has(specifier)) return provided.get(specifier);
  const places =
    specifier === 'sheaf'
      ? [import.meta.url]
      : [base, pathToFileURL(join(process.cwd(), 'noop.js')).href, import.meta.url];
  let problem: unknown;
  for (const place of places.filter((url) => url.startsWith('file:'))) {
    try {
      return quietly(() => createRequire(place)(isBuiltin(specifier) ? specifier : resolveFrom(specifier, place)));
    } catch (error) {
      if (!isNotFound(error)) throw explained(error as NodeJS.ErrnoException, specifier);
      problem ??= error;
    }
  }
  if (resolved !== undefined && resolved !== specifier && existsSync(resolved))
    return quietly(() => createRequire(import.meta.url)(resolved));
  throw new ClosureError(
    `this executor cannot load the package '${specifier}', which ${base} uses: install it on every host of the cluster (${(problem as Error).message.split('\n')[0]})`,
  );
}

/** As `import` resolves, near enough: `require.resolve`, and for packages with an `import` entry alone, that one. */
export function resolveFrom(specifier: string, base: string): string {
  if (specifier.startsWith('file:')) return fileURLToPath(specifier);
  const from = createRequire(base);
  try {
    return from.resolve(specifier);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') throw error;
    const [, name, rest] = /^((?:@[^/]+\/)?[^/]+)(.*)$/.exec(specifier)!;
    for (const folder of from.resolve.paths(specifier) ?? []) {
      const home = join(folder, name!);
      if (!existsSync(join(home, 'package.json'))) continue;
      const { exports } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8'));
      const target = importTarget(rest ? exports[`.${rest}`] : (exports['.'] ?? exports));
      if (target) return join(home, target);
    }
    throw error;
  }
}

function importTarget(entry: unknown): string | undefined {
  if (typeof entry === 'string') return entry;
  if (entry === null || typeof entry !== 'object') return undefined;
  for (const [condition, target] of Object.entries(entry)) {
    const found = ['node', 'import', 'module-sync', 'default'].includes(condition) && importTarget(target);
    if (found) return found;
  }
  return undefined;
}

/** Of the modules already loaded, the one of the file or `node:` name and the export whose value is `value`. */
export function findLoaded(value: object, url: string): ModuleReference | undefined {
  const internal = url.startsWith('node:');
  const candidates = internal ? loadedBuiltins() : [fileURLToPath(url)];
  for (const specifier of candidates) {
    const exports = loaded(specifier, internal);
    const name = exports && exportOf(exports, value);
    if (name) return { kind: 'module', specifier, base: url, resolved: specifier, name };
  }
  return undefined;
}

/** A whole built-in module, as `require('node:fs')` or a REPL's `fs` gives it. */
export function findBuiltinModule(value: object): ModuleReference | undefined {
  const specifier = loadedBuiltins().find((id) => loaded(id, true) === value);
  return specifier
    ? { kind: 'module', specifier, base: 'node:', resolved: specifier, name: 'module.exports' }
    : undefined;
}

function exportOf(exports: any, value: object): string | undefined {
  if (exports === value) return 'module.exports';
  for (const name of Object.keys(exports)) if (own(exports, name) === value) return name;
  if (exports.default && exports.default === value) return 'default';
  return undefined;
}

function own(exports: any, name: string): unknown {
  return types.isModuleNamespaceObject(exports) ? exports[name] : Object.getOwnPropertyDescriptor(exports, name)?.value;
}

const require = createRequire(import.meta.url);

function loaded(specifier: string, builtin: boolean): any {
  try {
    if (builtin || specifier in require.cache) return require(specifier);
    return quietly(() => require(specifier));
  } catch {
    return undefined;
  }
}

/** Public built-in modules that this process has already loaded, so that asking for them loads nothing. */
function loadedBuiltins(): string[] {
  const list: string[] = (process as any).moduleLoadList ?? [];
  const names = new Set(list.map((entry) => entry.replace(/^NativeModule /, '')));
  return Module.builtinModules.filter((name) => names.has(name) && !name.startsWith('_')).map((name) => `node:${name}`);
}

/** Loading an ES module by `require` is stable by now; Node 20 and 22 still say at the first time that it is not. */
function quietly<T>(load: () => T): T {
  const emit = process.emitWarning;
  process.emitWarning = ((warning: string | Error, ...rest: any[]) => {
    if (!/ES Module/.test(String(warning))) (emit as any).call(process, warning, ...rest);
  }) as typeof process.emitWarning;
  try {
    return load();
  } finally {
    process.emitWarning = emit;
  }
}

function explained(error: NodeJS.ErrnoException, specifier: string): Error {
  if (error.code !== 'ERR_REQUIRE_ESM') return error;
  return new ClosureError(
    `'${specifier}' is an ES module, which Node ${process.version} cannot load for a shipped function: use Node 20.19, 22.12 or later`,
  );
}

function isNotFound(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException)?.code;
  return code === 'MODULE_NOT_FOUND' || code === 'ERR_PACKAGE_PATH_NOT_EXPORTED' || code === 'ERR_MODULE_NOT_FOUND';
}
