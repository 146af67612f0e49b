import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export interface Environment {
  /** Its folder in the cache. */
  readonly name: string;
  /** What it must have, by the names that Python imports and PyPI knows. */
  readonly packages: readonly string[];
  /** Installs what is missing; default: by pip. */
  install?(python: string, missing: readonly string[]): void;
}

/** `$SHEAF_CACHE`, `$XDG_CACHE_HOME/sheaf` or `~/.cache/sheaf`. */
export function cacheFolder(environment = process.env): string {
  return environment.SHEAF_CACHE || join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sheaf');
}

/**
 * The Python of an environment that has the packages: `$SHEAF_BENCH_VENV`, which is used as it is, or one in the cache,
 * made and filled by the first run that needs it.
 */
export function pythonWith(packages: readonly string[] | Environment, environment = process.env): string {
  const wanted: Environment = 'packages' in packages ? packages : { name: 'bench-rdd', packages };
  const given = environment.SHEAF_BENCH_VENV;
  const folder = given || join(cacheFolder(environment), wanted.name, 'venv');
  const python = join(folder, 'bin', 'python');
  if (given && !existsSync(python)) throw new Error(`SHEAF_BENCH_VENV: there is no ${python}`);
  if (!existsSync(python)) execFileSync('python3', ['-m', 'venv', folder], { stdio: ['ignore', 'ignore', 'inherit'] });
  const missing = wanted.packages.filter((name) => !hasPackage(python, name));
  if (missing.length > 0) {
    if (given) throw new Error(`SHEAF_BENCH_VENV has no ${missing.join(', ')}: install with ${python} -m pip install`);
    console.error(`installing ${missing.join(', ')} from PyPI into ${folder} (once) …`);
    (wanted.install ?? install)(python, missing);
  }
  return python;
}

function install(python: string, missing: readonly string[]): void {
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...missing];
  execFileSync(python, pip, { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** The folder of an installed package. */
export function packageFolder(python: string, name: string): string {
  const code = `import importlib.util, sys; spec = importlib.util.find_spec(${JSON.stringify(name)}); print(spec.submodule_search_locations[0])`;
  return execFileSync(python, ['-c', code], { encoding: 'utf8' }).trim();
}

/** Asks without importing: some packages take seconds to import. */
function hasPackage(python: string, name: string): boolean {
  const code = `import importlib.util, sys; sys.exit(importlib.util.find_spec(${JSON.stringify(name)}) is None)`;
  try {
    execFileSync(python, ['-c', code], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
