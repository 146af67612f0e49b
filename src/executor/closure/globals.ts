import { isBuiltin } from 'node:module';

/**
 * What every Node process has under the same name travels as that name. The names are those present when this module is
 * loaded: what a user's program adds to `globalThis` later is the user's data. A REPL has Node's modules there too (`fs`,
 * `path` …); of these only three are globals everywhere.
 */
const STANDARD: ReadonlySet<string> = new Set([
  ...Object.getOwnPropertyNames(globalThis).filter((name) => !isBuiltin(name) && name !== 'require'),
  ...['undefined', 'console', 'process', 'crypto'],
]);

type Path = readonly (string | symbol)[];
const paths = new Map<object | symbol, Path>();
const realms = new Set<object>();

export function isStandardGlobal(name: string): boolean {
  return STANDARD.has(name);
}

/** Makes the built-ins of another realm known (a REPL evaluates in one of its own): they are the same ones by name. */
export function addRealm(global: object): void {
  if (realms.has(global)) return;
  realms.add(global);
  add(global, []);
  for (const name of Object.getOwnPropertyNames(global)) {
    if (!STANDARD.has(name)) continue;
    const value = own(global, name);
    if (!isReference(value) || value === global) continue;
    add(value, [name]);
    for (const key of Reflect.ownKeys(value)) {
      const member = own(value, key);
      if (key === 'prototype' && isReference(member)) {
        for (const method of Reflect.ownKeys(member)) addCode(own(member, method), [name, key, method]);
      } else addCode(member, [name, key]);
    }
  }
  addCode((global as any).process?.env, ['process', 'env'], true);
}

/** Where a built-in function, object or well-known symbol is found from `globalThis`. */
export function globalPath(value: object | symbol): Path | undefined {
  if (realms.size === 0) addRealm(globalThis);
  const known = paths.get(value);
  if (known !== undefined || typeof value === 'symbol') return known;
  // Some are defined by getters, so that Node starts faster; they are not looked at before they are asked for.
  const name = typeof value === 'function' ? value.name : (value as any)[Symbol.toStringTag]?.toLowerCase?.();
  return name && STANDARD.has(name) && (globalThis as any)[name] === value ? [name] : undefined;
}

export function fromGlobalPath(path: Path): unknown {
  let at: any = globalThis;
  for (const key of path) at = at[key];
  return at;
}

function addCode(value: unknown, path: Path, anything = false): void {
  if (typeof value === 'function' || typeof value === 'symbol' || (anything && isReference(value)))
    add(value as object, path);
}

function add(value: object | symbol, path: Path): void {
  if (!paths.has(value)) paths.set(value, path);
}

function own(holder: object, key: PropertyKey): unknown {
  return Object.getOwnPropertyDescriptor(holder, key)?.value;
}

function isReference(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}
