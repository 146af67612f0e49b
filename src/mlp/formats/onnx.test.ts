import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { argmaxRows } from '../metrics/confusion.js';
import { EXAMPLE_PLANS, exampleFeatures } from '../testing/example-plans.js';
import { forward } from './forward.js';
import { encodeOnnx, OPSET } from './onnx.js';
import { ModelProto } from './onnx-schema.js';

const ROWS = 50;

describe('encodeOnnx', () => {
  it.each(Object.entries(EXAMPLE_PLANS))('gives, in ONNX Runtime, what plain JavaScript gives: %s', async (_, plan) => {
    const features = exampleFeatures(plan, ROWS);
    const expected = forward(plan, features, ROWS);
    const session = await InferenceSession.create(encodeOnnx(plan));
    const answers = await session.run({ features: new Tensor('float32', features, [ROWS, plan.inputs]) });
    const found = answers[plan.task === 'values' ? 'values' : 'probabilities']!.data as Float32Array;
    expect(found.length).toBe(expected.length);
    expect(Math.max(...found.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-5);
    const classes =
      plan.task === 'classes' ? [...argmaxRows(expected, plan.outputs)].map((k) => plan.names![k]!) : undefined;
    expect(answers.classes?.data).toEqual(classes);
  });

  it('states its opset and carries metadata', () => {
    const bytes = encodeOnnx(EXAMPLE_PLANS.values!, { features: 'a, b' });
    const model = ModelProto.toObject(ModelProto.decode(bytes), { longs: Number });
    expect(model.opset_import).toEqual([{ domain: '', version: OPSET }]);
    expect(model.metadata_props).toEqual([{ key: 'features', value: 'a, b' }]);
  });
});
