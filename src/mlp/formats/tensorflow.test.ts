import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TAG, writeSavedModel } from '../graph/saved-model.js';
import { argmaxRows } from '../metrics/confusion.js';
import { loadNative, type TensorFlow } from '../native.js';
import { EXAMPLE_PLANS, exampleFeatures } from '../testing/example-plans.js';
import { forward } from './forward.js';
import { layersModelFiles } from './layers-model.js';
import { SERVING, tensorFlowGraph } from './tensorflow-graph.js';

const ROWS = 50;
const plans = Object.entries(EXAMPLE_PLANS);

let tf: TensorFlow;
let directory: string;
beforeAll(async () => {
  tf = await loadNative();
  directory = mkdtempSync(join(tmpdir(), 'sheaf-exports-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('tensorFlowGraph', () => {
  it.each(plans)('gives, as a SavedModel in TensorFlow, what plain JavaScript gives: %s', async (name, plan) => {
    const features = exampleFeatures(plan, ROWS);
    const expected = forward(plan, features, ROWS);
    const folder = join(directory, name);
    const { graph, signature } = tensorFlowGraph(plan);
    writeSavedModel(folder, graph.nodes, { [SERVING]: signature });
    const model = await tf.node.loadSavedModel(folder, [TAG], SERVING);
    const answers = model.predict({ features: tf.tensor2d(features, [ROWS, plan.inputs]) }) as Record<string, any>;
    expectClose(answers[plan.task === 'values' ? 'values' : 'probabilities'].dataSync(), expected);
    const classes =
      plan.task === 'classes' ? [...argmaxRows(expected, plan.outputs)].map((k) => plan.names![k]!) : undefined;
    expect(answers.classes?.arraySync()).toEqual(classes);
    model.dispose();
  });
});

describe('layersModelFiles', () => {
  it.each(plans)('gives, in TensorFlow.js, what plain JavaScript gives: %s', async (_name, plan) => {
    const features = exampleFeatures(plan, ROWS);
    for (const [file, content] of Object.entries(layersModelFiles(plan))) writeFileSync(join(directory, file), content);
    const model = await tf.loadLayersModel(`file://${join(directory, 'model.json')}`);
    const answer = model.predict(tf.tensor2d(features, [ROWS, plan.inputs])) as { dataSync(): Float32Array };
    expectClose(answer.dataSync(), forward(plan, features, ROWS));
    expect(model.getUserDefinedMetadata()).toEqual(plan.names ? { classes: plan.names } : {});
    model.dispose();
  });
});

function expectClose(found: Float32Array, expected: Float32Array): void {
  expect(found.length).toBe(expected.length);
  expect(Math.max(...found.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-5);
}
