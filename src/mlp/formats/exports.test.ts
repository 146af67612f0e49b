import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PipelineModel } from '../pipeline/pipeline.js';
import { EXAMPLE_MODELS, exampleScaler } from '../testing/example-models.js';
import { exportPlan } from './export-plan.js';
import { exportLayersModel, exportOnnx, exportSavedModel } from './exports.js';
import { ModelProto } from './onnx-schema.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-exports-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const ROWS = Array.from({ length: 40 }, (_, r) => [r / 20 - 1, Math.sin(r), Math.cos(r), (r % 3) - 1]);
/** Near the means of the example scaler. */
const WIDE = ROWS.map(([a, b, c, d]) => [a! + 0.1, 2 * b! - 2, 1000 + c! / 2, d! / 4]);
const named = WIDE.map(([a, b, c, d]) => ({ a, b, c, d }));

async function runOnnx(file: string, rows: readonly (readonly number[])[]) {
  const session = await InferenceSession.create(file);
  const features = new Tensor('float32', Float32Array.from(rows.flat()), [rows.length, 4]);
  return session.run({ features });
}

function difference(found: unknown, expected: readonly (readonly number[])[]): number {
  const flat = expected.flat();
  expect((found as Float32Array).length).toBe(flat.length);
  return Math.max(...flat.map((value, i) => Math.abs(value - (found as Float32Array)[i]!)));
}

describe('exported models', () => {
  it.each(Object.entries(EXAMPLE_MODELS))('%s: answers as the model does', async (name, make) => {
    const model = make();
    const file = join(directory, 'deep', 'model.onnx');
    await exportOnnx(model, file);
    const piped = model instanceof PipelineModel;
    const answers = await runOnnx(file, piped ? WIDE : ROWS);
    const rows = piped ? named : ROWS;
    if (name === 'regressor') {
      expect(difference(answers.values!.data, (await model.predict(rows)) as number[][])).toBeLessThan(1e-5);
      return;
    }
    const classifier = model as ReturnType<typeof EXAMPLE_MODELS.classifier>;
    expect(difference(answers.probabilities!.data, await classifier.predictProba(rows))).toBeLessThan(1e-5);
    if (name === 'classifier of many labels') expect(answers.classes).toBeUndefined();
    else expect(answers.classes!.data).toEqual(await classifier.predict(rows));
  });

  it('hold a scaler that was applied outside', async () => {
    const [scaler, classifier] = [exampleScaler(), EXAMPLE_MODELS.classifier()];
    await exportOnnx(classifier, join(directory, 'scaled.onnx'), { scaler });
    const { probabilities } = await runOnnx(join(directory, 'scaled.onnx'), WIDE);
    const expected = await new PipelineModel([scaler, classifier]).predictProba(WIDE);
    expect(difference(probabilities!.data, expected)).toBeLessThan(1e-5);
  });

  it('say for people what goes in and what comes out', async () => {
    const model = EXAMPLE_MODELS['pipeline of scalers']();
    await exportOnnx(model, join(directory, 'a.onnx'));
    const { metadata_props } = ModelProto.toObject(ModelProto.decode(readFileSync(join(directory, 'a.onnx'))));
    expect(metadata_props).toEqual([
      { key: 'features', value: '["a","b","c","d"]' },
      { key: 'label', value: 'species' },
      { key: 'classes', value: '["ann","bob","cleo"]' },
      { key: 'before', value: 'VectorAssembler' },
      { key: 'plan', value: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ]);
  });

  it('replace nothing unless asked to, and leave nothing half-written', async () => {
    const model = EXAMPLE_MODELS.classifier();
    const writers = { 'a.onnx': exportOnnx, saved: exportSavedModel, layers: exportLayersModel };
    for (const [name, write] of Object.entries(writers)) {
      const path = join(directory, name);
      await write(model, path);
      await expect(write(model, path)).rejects.toThrow(/exists already.*overwrite: true/);
      await write(model, path, { overwrite: true });
    }
    expect(readdirSync(directory).sort()).toEqual(['a.onnx', 'layers', 'saved']);
    expect(readdirSync(join(directory, 'saved')).sort()).toEqual(['_SUCCESS', 'saved_model.pb']);
    await expect(exportOnnx(model, 's3://bucket/a.onnx')).rejects.toThrow(/local file only/);
  });

  it('refuse misspelt options', async () => {
    const options = { overwite: true } as object;
    await expect(exportOnnx(EXAMPLE_MODELS.classifier(), join(directory, 'a'), options)).rejects.toThrow(
      /exportONNX has no option "overwite"; the options are overwrite, storage, scaler/,
    );
  });
});

describe('exportPlan', () => {
  const { json, weights } = (({ weights, ...model }) => ({ json: model, weights }))({
    ...EXAMPLE_MODELS.classifier().toJSON(),
    weights: EXAMPLE_MODELS.classifier().weights,
  });

  it('takes scalers of the features only where they stand just before the network', () => {
    const scaler = exampleScaler().toJSON();
    const kinds = (...stages: object[]) =>
      exportPlan({ json: { stage: 'Pipeline', stages }, weights }).plan.steps.map(({ kind }) => kind);
    const plain = exportPlan({ json, weights }).plan.steps.map(({ kind }) => kind);
    expect(kinds(scaler, json)).toEqual(['standardize', ...plain]);
    expect(kinds({ ...scaler, column: 'others' }, json)).toEqual(plain);
    expect(kinds(scaler, { stage: 'WindowFeatures' }, json)).toEqual(plain);
  });

  it('refuses what is no network, and scalers that do not fit', () => {
    expect(() => exportPlan({ json: { stage: 'StringIndexer' }, weights: [] })).toThrow(/last stage is StringIndexer/);
    expect(() => exportPlan({ json, weights }, [{ stage: 'OneHotEncoder' }])).toThrow(/OneHotEncoder is no scaler/);
    const narrow = { stage: 'StandardScaler', column: 'features', mean: [0], deviation: [1] };
    expect(() => exportPlan({ json, weights }, [narrow])).toThrow(/scaler is of 1 features, the network takes 4/);
  });
});
