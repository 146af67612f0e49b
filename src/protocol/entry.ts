import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Absolute path of a compiled module of this package, for processes and threads to start. Also from the sources (under
 * vitest, say), where the module is the one in `dist`.
 *
 * ```ts
 * new Worker(entryPoint('scheduler/queue/lease-thread.js'));
 * ```
 * @param module path below `dist`
 * @throws when the package has not been built
 */
export function entryPoint(module: string): string {
  const path = fileURLToPath(new URL(`../../dist/${module}`, import.meta.url));
  if (!existsSync(path)) throw new Error(`${path} does not exist: build the package first (npm run build)`);
  return path;
}
