import type { Bundle } from './bundles.js';
import { addRealm, isStandardGlobal } from './globals.js';
import type { Inspected } from './inspector.js';
import { DYNAMIC_IMPORT, IMPORT_META } from './literal.js';
import type { Script } from './script.js';

/** The variable that a free name of a function stands for. */
export interface Found {
  readonly value: unknown;
  /** Index in the function's scopes. */
  readonly scope: number;
  readonly description: string;
}

/** Which variable it is: certain at module level, where there is one of each name, and a guess by its place elsewhere. */
export function variableOf(
  name: string,
  { scope, description }: Found,
  { scopes }: Inspected,
  script: Script,
  bundle: Bundle | undefined,
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

/** The variable as the function sees it; undefined for what every process has under that name, and for what nobody has. */
export function lookUp({ scopes }: Inspected, name: string, unread: (name: string) => never): Found | undefined {
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
export function loaderOf(name: string): 'import' | 'meta' | undefined {
  if (name === DYNAMIC_IMPORT || /^__vi\w*_dynamic_import__$/.test(name)) return 'import';
  return name === IMPORT_META || /^__vi\w*_import_meta__$/.test(name) ? 'meta' : undefined;
}

export function isRequire(value: unknown): boolean {
  return typeof value === 'function' && typeof (value as any).resolve === 'function' && 'cache' in value;
}
