import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Plugin } from 'esbuild';
import { forgetBundle, registerBundle } from './closure/bundles.js';
import { requireFrom, resolveFrom } from './closure/modules.js';

/** A job file and all its own files and pure JavaScript packages, as one script. */
export interface JobBundle {
  /** UTF-8 JavaScript, its source map inside. */
  readonly code: string;
  readonly sha256: string;
  /** The job's file, absolute. */
  readonly file: string;
}

/**
 * Bundles a job file. Packages with native parts, and those that Sheaf itself uses, stay outside and are loaded where the bundle runs.
 * @throws Error with esbuild's messages, each with file and line, for a file that does not compile.
 */
export async function bundleJob(file: string): Promise<JobBundle> {
  const { build } = await import('esbuild');
  const path = resolve(file);
  if (!existsSync(path)) throw new Error(`no such job file: ${path}`);
  const result = await build({
    entryPoints: [path],
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    sourcemap: 'inline',
    sourcesContent: false,
    absWorkingDir: dirname(path),
    logLevel: 'silent',
    // `import()` becomes `require`, which looks for packages where the job lies, wherever the bundle is evaluated.
    supported: { 'dynamic-import': false },
    // Names of functions stay as they are without it, and its helper would be a captured variable of every function.
    keepNames: false,
    define: {
      'import.meta.url': '__sheaf_url',
      'import.meta.dirname': '__dirname',
      'import.meta.filename': '__filename',
    },
    footer: { js: '__sheaf_scope(($) => eval($));' },
    plugins: [externals],
  }).catch((error) => {
    throw new Error(describe(error, path));
  });
  const code = result.outputFiles[0]!.text;
  return { code, sha256: createHash('sha256').update(code).digest('hex'), file: path };
}

const loaded = new Map<string, { readonly exports: any; users: number }>();

/**
 * Evaluates a bundle in this process, once, and returns the job's exports. Top-level code runs. From now on functions of the
 * bundle can be shipped and restored here, and stack traces name the job's own files and lines.
 * @param file the job's file: packages are resolved from where it lies, which need not exist on this host.
 */
export function loadBundle(code: string, sha256: string, file: string): { readonly exports: any } {
  const known = loaded.get(sha256);
  if (known) {
    known.users++;
    return known;
  }
  process.setSourceMapsEnabled(true);
  const url = pathToFileURL(file).href;
  const module = { exports: {} as any, users: 1 };
  const load = Object.assign((specifier: string) => requireFrom(specifier, url), {
    resolve: (specifier: string) => resolveFrom(specifier, url),
    cache: {},
  });
  let scope: ((expression: string) => unknown) | undefined;
  const publish = (inScope: (expression: string) => unknown): void => {
    scope = inScope;
  };
  const address = `${url.replace(/[^/]*$/, '')}${encodeURIComponent(basename(file))}.${sha256.slice(0, 12)}.cjs`;
  const head = '(function (exports, require, module, __filename, __dirname, __sheaf_url, __sheaf_scope) {';
  const text = `${head}${code}\n})\n//# sourceURL=${address}`;
  evaluate(text)(module.exports, load, module, file, dirname(file), url, publish);
  if (!scope) throw new Error(`${file}: the bundle did not run to its end`);
  loaded.set(sha256, module);
  registerBundle({ sha256, file, exports: module.exports, text, url: address, scope });
  return module;
}

/** The inverse of one `loadBundle`: what nobody has loaded any more is forgotten, with its module-level state. */
export function unloadBundle(sha256: string): void {
  const module = loaded.get(sha256);
  if (!module || --module.users > 0) return;
  loaded.delete(sha256);
  forgetBundle(sha256);
}

// Called under another name, `eval` is indirect: the text sees globals alone.
const evaluate: (text: string) => any = eval;

/** Sheaf and its dependencies are there wherever a bundle runs; native code cannot be bundled. */
const externals: Plugin = {
  name: 'externals',
  setup(build) {
    const home = fileURLToPath(new URL('../../', import.meta.url));
    const own = readPackage(home);
    const shared = new Set([
      own.name,
      ...Object.keys(own.dependencies ?? {}),
      ...Object.keys(own.optionalDependencies ?? {}),
    ]);
    build.onResolve({ filter: /^[^./]/ }, ({ path, resolveDir, kind }) => {
      if (kind === 'entry-point') return undefined;
      const [name] = /^(@[^/]+\/)?[^/]+/.exec(path)!;
      const external = shared.has(name) || isNative(name, resolveDir);
      return external ? { path, external: true } : undefined;
    });
    build.onResolve({ filter: /\.node$/ }, ({ path, resolveDir }) => ({
      path: path.startsWith('.') ? join(resolveDir, path) : path,
      external: true,
    }));
    // The engine by a path: bundled with the job it would be a second one, and two do not understand each other.
    build.onLoad({ filter: /[\\/](dist|src)[\\/]index\.[jt]s$/ }, ({ path }) => {
      const folder = join(path, '../..');
      const { name, version } = existsSync(join(folder, 'package.json')) ? readPackage(folder) : {};
      if (name !== own.name) return undefined;
      if (version === own.version) return { contents: `export * from '${own.name}';` };
      const found = `${folder} (version ${version}), and the job is run by ${home} (version ${own.version})`;
      const advice = `write: from '${own.name}', or run the job by ${join(folder, 'bin/sheaf.js')}`;
      return { errors: [{ text: `the job imports the engine of ${found}: ${advice}` }] };
    });
  },
};

/** The package says that it is compiled, or brings compiled files. */
function isNative(name: string, from: string): boolean {
  for (let folder = from; ; folder = dirname(folder)) {
    const home = join(folder, 'node_modules', name);
    if (existsSync(join(home, 'package.json'))) {
      const { gypfile, binary, dependencies = {}, optionalDependencies = {} } = readPackage(home);
      const loaders = [
        'bindings',
        'node-gyp-build',
        'prebuild-install',
        'node-addon-api',
        '@mapbox/node-pre-gyp',
        'detect-libc',
      ];
      return (
        Boolean(gypfile || binary) ||
        readdirSync(home).some((each) => each === 'binding.gyp' || each === 'prebuilds' || each.endsWith('.node')) ||
        loaders.some((each) => each in dependencies) ||
        Object.keys(optionalDependencies).some((each) => /(linux|darwin|win32)-(x64|arm64)/.test(each))
      );
    }
    if (dirname(folder) === folder) return false;
  }
}

function readPackage(folder: string): any {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

function describe(error: any, path: string): string {
  const lines = (error.errors ?? []).map(({ text, location }: any) => {
    const advice = /Top-level await/.test(text) ? ' (move it into main)' : '';
    return location
      ? `${join(dirname(path), location.file)}:${location.line}:${location.column + 1}: ${text}${advice}`
      : text;
  });
  return lines.length > 0 ? `the job does not compile:\n${lines.join('\n')}` : String(error.message ?? error);
}
