import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { transformSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Outcome } from './conformance.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const executor = join(here, 'executor.mjs');
const api = pathToFileURL(join(here, '../../dist/executor/closure/index.js')).href;
const bundler = pathToFileURL(join(here, '../../dist/executor/bundle.js')).href;
/** Below `dist`, so that packages are found and nothing is left among the sources. */
const scratch = join(here, `../../dist/test-closures-${process.pid}`);

/** The suite's files as Node runs them without any tool. */
function transpile(folder: string, format: 'esm' | 'cjs'): void {
  mkdirSync(folder, { recursive: true });
  for (const name of ['cases', 'helpers', 'conformance']) {
    const source = readFileSync(join(here, `${name}.ts`), 'utf8');
    const { code } = transformSync(source, { loader: 'ts', format, target: 'node20', platform: 'node' });
    writeFileSync(join(folder, `${name}.js`), code);
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: format === 'esm' ? 'module' : 'commonjs' }));
}

function run(file: string, text: string, ...flags: string[]): Outcome[] {
  writeFileSync(file, text);
  const output = execFileSync(process.execPath, [...flags, file], {
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return JSON.parse(output.toString());
}

const environments: Record<string, () => Outcome[]> = {
  'a plain ES module': () => {
    const folder = join(scratch, 'esm');
    transpile(folder, 'esm');
    return run(
      join(folder, 'driver.mjs'),
      `import * as api from '${api}';
       import { cases, refused } from './cases.js';
       import { runConformance } from './conformance.js';
       console.log(JSON.stringify(runConformance(api, { cases, refused }, ${JSON.stringify(executor)})));`,
    );
  },
  'a plain CommonJS script': () => {
    const folder = join(scratch, 'cjs');
    transpile(folder, 'cjs');
    return run(
      join(folder, 'driver.cjs'),
      `const suite = require('./cases.js');
       const { runConformance } = require('./conformance.js');
       import('${api}').then((api) => {
         console.log(JSON.stringify(runConformance(api, suite, ${JSON.stringify(executor)})));
       });`,
    );
  },
  'a TypeScript file under tsx': () =>
    run(
      join(scratch, 'driver.ts'),
      `import * as api from '${api}';
       import { cases, refused } from ${JSON.stringify(join(here, 'cases.ts'))};
       import { runConformance } from ${JSON.stringify(join(here, 'conformance.ts'))};
       console.log(JSON.stringify(runConformance(api, { cases, refused }, ${JSON.stringify(executor)})));`,
      '--import',
      'tsx',
    ),
  'a TypeScript file of a CommonJS package under tsx': () => {
    const folder = join(scratch, 'tsx-cjs');
    mkdirSync(folder, { recursive: true });
    for (const name of ['cases.ts', 'helpers.ts', 'conformance.ts']) copyFileSync(join(here, name), join(folder, name));
    writeFileSync(join(folder, 'package.json'), '{"type":"commonjs"}');
    return run(
      join(folder, 'driver.ts'),
      `import * as suite from './cases.js';
       import { runConformance } from './conformance.js';
       import('${api}').then((api) => {
         console.log(JSON.stringify(runConformance(api, suite, ${JSON.stringify(executor)})));
       });`,
      '--import',
      'tsx',
    );
  },
  'a bundled job': () => {
    transpile(join(scratch, 'esm'), 'esm');
    return run(
      join(scratch, 'bundle.mjs'),
      `import * as api from '${api}';
       import { bundleJob, loadBundle } from '${bundler}';
       import { runConformance } from './esm/conformance.js';
       const bundle = await bundleJob(${JSON.stringify(join(here, 'job.ts'))});
       const { exports } = loadBundle(bundle.code, bundle.sha256, bundle.file);
       console.log(JSON.stringify(runConformance(api, exports, ${JSON.stringify(executor)}, bundle)));`,
    );
  },
};

beforeAll(() => {
  mkdirSync(scratch, { recursive: true });
});
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

describe.each(Object.keys(environments))('closures from %s', (name) => {
  test('conform', () => {
    const problems = environments[name]!().filter(({ problem }) => problem !== undefined);
    expect(problems).toEqual([]);
  });
});
