import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as sheaf from 'sheaf';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runExamples } from '../support/guide.js';
import { root } from '../support/sheaf.js';
import { blobs, TEXT_LABELS } from './blobs.js';

let sc: sheaf.SheafContext;
let directory: string;

beforeAll(async () => {
  sc = await sheaf.SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
  directory = mkdtempSync(join(tmpdir(), 'sheaf-models-guide-'));
  const { x, y } = blobs(200);
  const lines = x.map((row, r) => [r, ...row, TEXT_LABELS[y[r]!]].join(','));
  writeFileSync(join(directory, 'flowers.csv'), `${['id,x0,x1,x2,x3,species', ...lines].join('\n')}\n`);
});
afterAll(async () => {
  await sc.stop();
  rmSync(directory, { recursive: true });
});

it('docs/models.md says what its examples give', async () => {
  const guide = readFileSync(`${root}docs/models.md`, 'utf8');
  const { Pipeline, VectorAssembler, StandardScaler, MLPClassifier, TensorBoard, loadModel } = sheaf;
  const api = { Pipeline, VectorAssembler, StandardScaler, MLPClassifier, TensorBoard, loadModel };
  const known = { sc, ...api, csvFile: join(directory, 'flowers.csv'), folder: join(directory, 'out') };
  const checks = await runExamples(guide, known, (found, value) => expect(found).toEqual(value));
  expect(checks).toBe(3);
  expect(readdirSync(join(directory, 'out')).sort()).toEqual([
    'board',
    'flowers',
    'flowers.onnx',
    'layers-model',
    'report.html',
    'report.png',
    'saved-model',
  ]);
  expect(statSync(join(directory, 'out', 'report.png')).size).toBeGreaterThan(20_000);
});

it('a saved model predicts in a plain Node process, without native TensorFlow, as it did on the executors', async () => {
  const table = sc.csv(join(directory, 'flowers.csv'));
  const { Pipeline, VectorAssembler, StandardScaler, MLPClassifier } = sheaf;
  const stages = [new VectorAssembler({ columns: ['x0', 'x1', 'x2', 'x3'] }), new StandardScaler()];
  const model = await new Pipeline([...stages, new MLPClassifier({ hidden: [8], epochs: 3, seed: 2 })]).fit(table, {
    label: 'species',
  });
  await model.save(join(directory, 'plain'));
  const program = `
    import { readFileSync } from 'node:fs';
    import { loadModel } from 'sheaf';
    const model = await loadModel(process.argv[1]);
    const rows = JSON.parse(readFileSync(0, 'utf8'));
    console.log(JSON.stringify([await model.predict(rows), await model.predictProba(rows)]));`;
  const rows = await table.collect();
  const env = { PATH: process.env.PATH, SHEAF_NATIVE: 'off' };
  const command = ['--input-type=module', '-e', program, join(directory, 'plain')];
  const said = execFileSync(process.execPath, command, { cwd: root, env, input: JSON.stringify(rows) });
  const [predicted, probabilities] = JSON.parse(said.toString()) as [string[], number[][]];

  const there = (await model.transform(table).collect()) as { prediction: string; probability: Iterable<number> }[];
  expect(predicted).toEqual(there.map((row) => row.prediction));
  const apart = there.flatMap((row, r) => [...row.probability].map((p, k) => Math.abs(p - probabilities[r]![k]!)));
  expect(Math.max(...apart)).toBeLessThan(1e-5);
});
