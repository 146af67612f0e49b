import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeModelFolder } from './formats/model-folder.js';
import { loadModel } from './load-model.js';
import { EXAMPLE_MODELS } from './testing/example-models.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-load-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const ROWS = [
  { a: 0.5, b: -2.5, c: 1000, d: 0 },
  { a: -1, b: 0, c: 1001, d: 0.5 },
];

it.each(Object.entries(EXAMPLE_MODELS))('%s: predicts, when loaded, the same bits', async (name, make) => {
  const model = make();
  await model.save(join(directory, 'model'));
  const loaded = await loadModel(join(directory, 'model'));
  expect(loaded.constructor).toBe(model.constructor);
  const rows = name === 'pipeline of scalers' ? ROWS : ROWS.map((row) => Object.values(row));
  expect(await loaded.predict(rows)).toEqual(await model.predict(rows));
  if ('predictProba' in model && 'predictProba' in loaded)
    expect(await loaded.predictProba(rows)).toEqual(await model.predictProba(rows));
  expect(JSON.stringify(loaded)).toBe(JSON.stringify(model));
});

it('keeps plan, losses and weights', async () => {
  const model = EXAMPLE_MODELS.classifier();
  await model.save(join(directory, 'model'));
  const loaded = (await loadModel(join(directory, 'model'))) as typeof model;
  expect([loaded.plan, loaded.losses, loaded.weightsHash]).toEqual([model.plan, model.losses, model.weightsHash]);
});

it('says what is wrong with the rows given, and nothing of a cluster', async () => {
  const bad = [ROWS[0]!, { ...ROWS[1]!, c: Number.NaN }];
  const arrays = bad.map((row) => Object.values(row));
  const refused = (predicted: Promise<unknown>) => predicted.then(() => expect.unreachable(), String);
  const own = EXAMPLE_MODELS.classifier();
  for (const predict of [() => own.predict(arrays), () => own.predictProba(arrays)])
    expect(await refused(predict())).toMatch(/^TypeError: column "features": feature 2 of row 2 is NaN; features must/);
  const pipeline = EXAMPLE_MODELS['pipeline of scalers']();
  for (const predict of [() => pipeline.predict(bad), () => pipeline.predictProba(bad)])
    expect(await refused(predict())).toMatch(/^TypeError: .*column "c" has the value NaN in row 2; features must/);
  await expect(loadModel(join(directory, 'none'))).rejects.toThrow(
    /none is no saved model: model\.json cannot be read\. .*none\/model\.json: no such file$/,
  );
});

it('names a stage that this version does not know', async () => {
  await writeModelFolder(join(directory, 'model'), { json: { stage: 'Word2Vec' }, weights: [] });
  await expect(loadModel(join(directory, 'model'))).rejects.toThrow(/there is no stage "Word2Vec"/);
});
