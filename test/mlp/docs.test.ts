import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transform } from 'esbuild';
import * as sheaf from 'sheaf';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runExamples } from '../support/guide.js';
import { blobs, TEXT_LABELS } from './blobs.js';

const globalEval: (text: string) => any = eval;
let sc: sheaf.SheafContext;
let directory: string;

beforeAll(async () => {
  sc = await sheaf.SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
  directory = mkdtempSync(join(tmpdir(), 'sheaf-training-docs-'));
  const { x, y } = blobs(200);
  const lines = x.map((row, r) => [r, ...row, TEXT_LABELS[y[r]!], `b${r % 7}`].join(','));
  writeFileSync(join(directory, 'flowers.csv'), `${['id,x0,x1,x2,x3,species,box', ...lines].join('\n')}\n`);
});
afterAll(async () => {
  await sc.stop();
  rmSync(directory, { recursive: true });
});

it('docs/estimators.md says what its examples give', async () => {
  const guide = readFileSync(new URL('../../docs/estimators.md', import.meta.url), 'utf8');
  const { CrossValidator, MLPClassifier, MLPRegressor, OneHotEncoder, Pipeline, paramGrid } = sheaf;
  const { StandardScaler, StringIndexer, VectorAssembler } = sheaf;
  const estimators = { CrossValidator, MLPClassifier, MLPRegressor, OneHotEncoder, Pipeline, paramGrid };
  const known = {
    sc,
    csvFile: join(directory, 'flowers.csv'),
    ...estimators,
    StandardScaler,
    StringIndexer,
    VectorAssembler,
  };
  expect(await runExamples(guide, known, (found, value) => expect(found).toEqual(value))).toBe(11);
});

it('docs/training.md says what its examples give', async () => {
  const guide = readFileSync(new URL('../../docs/training.md', import.meta.url), 'utf8');
  const examples = [...guide.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code).join('\n');
  // `expression; // => value` becomes a comparison; all blocks are one program, as a reader reads them.
  const program = examples.replace(
    /^(.*); \/\/ => (.*)$/gm,
    (_, expression, value) => `check(${expression}, ${value});`,
  );
  const { code } = await transform(
    `async (sc, { fitMany, MLPClassifier, StandardScaler }, csvFile, checkpoints, check) => {\n${program}\n}`,
    {
      loader: 'ts',
    },
  );
  let checks = 0;
  const paths = ['flowers.csv', 'checkpoints'].map((name) => join(directory, name));
  await globalEval(code)(sc, sheaf, ...paths, (found: unknown, value: unknown) => {
    checks++;
    expect(found).toEqual(value);
  });
  expect(checks).toBe(9);
});
