import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportSavedModel } from '../../src/mlp/formats/exports.js';
import { forward } from '../../src/mlp/formats/forward.js';
import { SERVING, tensorFlowGraph } from '../../src/mlp/formats/tensorflow-graph.js';
import { writeSavedModel } from '../../src/mlp/graph/saved-model.js';
import { argmaxRows } from '../../src/mlp/metrics/confusion.js';
import { TensorBoard } from '../../src/mlp/report/tensor-board.js';
import { EXAMPLE_MODELS } from '../../src/mlp/testing/example-models.js';
import { EXAMPLE_PLANS } from '../../src/mlp/testing/example-plans.js';
import { root } from '../support/sheaf.js';

/** Rows of five features, as of four: 20 divides by both. */
const VALUES = 400;
const plans = Object.entries(EXAMPLE_PLANS);
const features = Float32Array.from({ length: VALUES }, (_, i) => 2 * Math.sin(i * i + 1));

interface Read {
  readonly inputs: [string, (number | null)[]];
  readonly outputs: Readonly<Record<string, number[][] | string[]>>;
}

let directory: string;
let read: { readonly answers: Readonly<Record<string, Read>>; readonly scalars: unknown[] };

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-python-'));
  writeFileSync(join(directory, 'features.f32'), features);
  for (const [name, plan] of plans) {
    const { graph, signature } = tensorFlowGraph(plan);
    writeSavedModel(join(directory, 'models', name), graph.nodes, { [SERVING]: signature });
  }
  await exportSavedModel(EXAMPLE_MODELS.classifier(), join(directory, 'models', 'a whole model'));
  const board = new TensorBoard(join(directory, 'board'));
  board.write({ epoch: 1, loss: 0.5, validationLoss: 0.75 });
  board.write({ epoch: 2, loss: 0.25 });
  board.close();
  const command = [
    join(root, 'scripts', 'python-tensorflow.mjs'),
    join(root, 'test', 'mlp', 'python_reads.py'),
    directory,
  ];
  const { stdout } = await promisify(execFile)(process.execPath, command, { maxBuffer: 2 ** 26 });
  read = JSON.parse(stdout);
  // The first run on a machine downloads TensorFlow.
}, 600_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('TensorFlow for Python', () => {
  it.each(plans)('computes an exported network as plain JavaScript does: %s', (name, plan) => {
    const { inputs, outputs } = read.answers[name]!;
    expect(inputs).toEqual(['float32', [null, plan.inputs]]);
    const expected = forward(plan, features, VALUES / plan.inputs);
    const found = (outputs[plan.task === 'values' ? 'values' : 'probabilities'] as number[][]).flat();
    expect(found.length).toBe(expected.length);
    expect(Math.max(...found.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-5);
    const classes = [...argmaxRows(expected, plan.outputs)].map((k) => plan.names?.[k]);
    expect(outputs.classes).toEqual(plan.task === 'classes' ? classes : undefined);
  });

  it('loads a model that was exported', async () => {
    const rows = Array.from({ length: VALUES / 4 }, (_, row) => features.subarray(4 * row, 4 * row + 4));
    const { outputs } = read.answers['a whole model']!;
    expect(outputs.classes).toEqual(await EXAMPLE_MODELS.classifier().predict(rows));
  });

  it('reads scalars written for TensorBoard', () => {
    expect(read.scalars).toEqual([
      ['.', 1, 'loss', 0.5],
      ['.', 2, 'loss', 0.25],
      ['validation', 1, 'loss', 0.75],
    ]);
  });
});
