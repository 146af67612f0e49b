import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bundleJob, loadBundle, unloadBundle } from './bundle.js';
import { restoreFunction, shipFunction } from './closure/index.js';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sheaf-bundle-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
}

async function load(name: string, text: string): Promise<any> {
  const bundle = await bundleJob(write(name, text));
  return loadBundle(bundle.code, bundle.sha256, bundle.file).exports;
}

describe('bundleJob', () => {
  test('is the same for the same files, and another for others', async () => {
    const first = await bundleJob(write('same.ts', 'export default (): number => 1;'));
    const again = await bundleJob(join(folder, 'same.ts'));
    expect(again).toEqual(first);
    expect(first.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect((await bundleJob(write('same.ts', 'export default (): number => 2;'))).sha256).not.toBe(first.sha256);
  });

  test('takes in own files, JSON and pure packages', async () => {
    write('node_modules/pure/package.json', '{"name":"pure","type":"module","exports":{"import":"./index.js"}}');
    write('node_modules/pure/index.js', 'export const one = 1;');
    write('data.json', '{"two":2}');
    write('lib/three.ts', 'export const three: number = 3;');
    const job = await bundleJob(
      write(
        'all.ts',
        `import { one } from 'pure'; import data from './data.json'; import { three } from './lib/three.js';
         export const sum: number = one + data.two + three;`,
      ),
    );
    rmSync(join(folder, 'node_modules/pure'), { recursive: true });
    expect(loadBundle(job.code, job.sha256, job.file).exports.sum).toBe(6);
  });

  test('leaves native packages and those Sheaf uses outside', async () => {
    write('node_modules/addon/package.json', '{"name":"addon","gypfile":true,"main":"index.js"}');
    write('node_modules/addon/index.js', 'exports.native = __filename;');
    const code = `import { native } from 'addon'; import { tableFromArrays } from 'apache-arrow'; import { sep } from 'node:path';
      export const all = [native, typeof tableFromArrays, sep];`;
    const bundle = await bundleJob(write('native.ts', code));
    expect(bundle.code).toMatch(/require\("addon"\)/);
    expect(bundle.code).toMatch(/require\("apache-arrow"\)/);
    const { all } = loadBundle(bundle.code, bundle.sha256, bundle.file).exports;
    expect(all).toEqual([join(folder, 'node_modules/addon/index.js'), 'function', '/']);
  });

  test("imports the engine that runs it, though another one lies beside the job's file", async () => {
    write('other/node_modules/sheaf/package.json', '{"name":"sheaf","main":"index.js"}');
    write('other/node_modules/sheaf/index.js', 'exports.MLPClassifier = "of another version";');
    const code = `import { MLPClassifier } from 'sheaf'; export const name = MLPClassifier.name;`;
    expect(await load('other/engine.ts', code)).toEqual({ name: 'MLPClassifier' });
  });

  test.each(['dist/index.js', 'src/index.ts'])(
    'a copy of the engine by its path %s is the engine that runs it',
    async (entry) => {
      const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
      write('copy/package.json', JSON.stringify({ name: 'sheaf', version }));
      write(`copy/${entry}`, 'export const MLPClassifier = "of the copy";');
      const job = `import * as engine from './copy/${entry}'; export const name = engine.MLPClassifier.name;`;
      expect(await load('by-path.ts', job)).toEqual({ name: 'MLPClassifier' });
      write('copy/package.json', '{"name":"sheaf","version":"0.0.1"}');
      await expect(load('by-path.ts', job)).rejects.toThrow(
        /imports the engine of .*copy \(version 0\.0\.1\), and the job is run by .* \(version .*write: from 'sheaf', or run/,
      );
      write('copy/package.json', '{"name":"other"}');
      expect(
        await load('by-path.ts', `import { MLPClassifier } from './copy/${entry}'; export const own = MLPClassifier;`),
      ).toEqual({
        own: 'of the copy',
      });
    },
  );

  test('import() finds packages and files where the job lies', async () => {
    write('node_modules/later/package.json', '{"name":"later","gypfile":true,"main":"index.js"}');
    write('node_modules/later/index.js', 'exports.now = 1;');
    write('plugin.cjs', 'exports.two = 2;');
    const { load: dynamic } = await load(
      'dynamic.ts',
      `export async function load(name: string): Promise<number[]> {
        const { now } = await import('later');
        return [now, (await import(name)).two, (await import(new URL(name, import.meta.url).href)).default.two];
      }`,
    );
    expect(await dynamic('./plugin.cjs')).toEqual([1, 2, 2]);
  });

  test('knows where the job lies', async () => {
    const { where } = await load(
      'where.ts',
      'export const where = [import.meta.url, __filename, import.meta.dirname];',
    );
    expect(where).toEqual([`file://${join(folder, 'where.ts')}`, join(folder, 'where.ts'), folder]);
  });

  test.each([
    ['a missing file', undefined, /no such job file: .*missing\.ts/],
    ['bad syntax', 'export const = 1;', /the job does not compile:\n.*bad\.ts:1:14: /],
    ['a package that is not there', "import 'not-there-at-all';", /bad\.ts:1:8: .*not-there-at-all/],
    ['top-level await', 'await null; export {};', /bad\.ts:1:1: Top-level await.*move it into main/],
  ])('%s is named, with its place', async (_, text, message) => {
    const path = text === undefined ? join(folder, 'missing.ts') : write('bad.ts', text);
    await expect(bundleJob(path)).rejects.toThrow(message);
  });
});

describe('loadBundle', () => {
  test('runs top-level code once for a bundle', async () => {
    const bundle = await bundleJob(
      write(
        'once.ts',
        'const g = globalThis as any; g.bundleRuns = (g.bundleRuns ?? 0) + 1; export const n = g.bundleRuns;',
      ),
    );
    const first = loadBundle(bundle.code, bundle.sha256, bundle.file);
    expect(loadBundle(bundle.code, bundle.sha256, bundle.file)).toBe(first);
    expect(first.exports.n).toBe(1);
  });

  test('is forgotten when all who loaded it have let go of it', async () => {
    const source = 'let loads = 0; export const load = () => ++loads; export const double = (x: number) => 2 * x;';
    const { code, sha256, file } = await bundleJob(write('forgotten.ts', source));
    const job = () => loadBundle(code, sha256, file).exports;
    const shipped = shipFunction(job().double);
    expect(job().load()).toBe(1);
    unloadBundle(sha256);
    const restored = restoreFunction(shipped);
    unloadBundle(sha256);
    expect(restored(4)).toBe(8);
    expect(() => restoreFunction(shipped)).toThrow(/which is not loaded in this process/);
    expect(job().load()).toBe(1);
  });

  test('errors name the lines that were written', async () => {
    const job = await load(
      'throws.ts',
      'interface A { x: number }\n\nexport function fail(a: A): void {\n  throw new Error(String(a.x));\n}',
    );
    expect(() => job.fail({ x: 1 })).toThrow('1');
    // In vitest its own source maps are in charge of stacks; in Node they are Node's.
    const script = `import { bundleJob, loadBundle } from '${new URL('../../dist/executor/bundle.js', import.meta.url)}';
      const b = await bundleJob(${JSON.stringify(join(folder, 'throws.ts'))});
      try { loadBundle(b.code, b.sha256, b.file).exports.fail({ x: 1 }) } catch (error) { console.log(error.stack) }`;
    const stack = execFileSync(process.execPath, ['--input-type=module', '-e', script]).toString();
    expect(stack).toContain(`fail (${join(folder, 'throws.ts')}:4:9)`);
  });

  test('a package that the host lacks is named, with what to do', async () => {
    write('node_modules/gone/package.json', '{"name":"gone","gypfile":true,"main":"index.js"}');
    write('node_modules/gone/index.js', '');
    const bundle = await bundleJob(write('gone.ts', "import 'gone';"));
    rmSync(join(folder, 'node_modules/gone'), { recursive: true });
    expect(() => loadBundle(bundle.code, bundle.sha256, bundle.file)).toThrow(
      /cannot load the package 'gone'.*gone\.ts.*install it on every host/,
    );
  });
});
