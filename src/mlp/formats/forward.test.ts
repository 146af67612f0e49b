import { describe, expect, it } from 'vitest';
import { EXAMPLE_PLANS, exampleFeatures } from '../testing/example-plans.js';
import { elementwise, forward } from './forward.js';

const plans = Object.entries(EXAMPLE_PLANS);

describe('forward', () => {
  it.each(plans)('gives a row the same bits, whatever rows are around it: %s', (_, plan) => {
    const features = exampleFeatures(plan, 70);
    const all = forward(plan, features, 70);
    for (const rows of [1, 3, 6])
      for (const first of [0, 31, 64]) {
        const some = features.subarray(first * plan.inputs, (first + rows) * plan.inputs);
        expect(forward(plan, some, rows)).toEqual(all.subarray(first * plan.outputs, (first + rows) * plan.outputs));
      }
  });

  it('takes no rows, and refuses a matrix of another size', () => {
    const plan = EXAMPLE_PLANS.values!;
    expect(forward(plan, new Float32Array(0), 0)).toHaveLength(0);
    expect(() => forward(plan, new Float32Array(9), 2)).toThrow(/2 rows of 5 features need 10 values, got 9/);
  });

  it('has probabilities that add up to one, however large the values are', () => {
    const softmax = { inputs: 3, outputs: 3, steps: [{ kind: 'softmax' }], task: 'classes' } as const;
    const [a, b, c] = forward(softmax, Float32Array.of(1000, 1000, -1000), 1);
    expect([a, b, c]).toEqual([0.5, 0.5, 0]);
  });
});

/** Of scipy.special.erf and of PyTorch, in float64. */
describe('elementwise', () => {
  it.each([
    [{ kind: 'gelu', approximate: false }, 1, 0.8413447460685429],
    [{ kind: 'gelu', approximate: false }, -3, -0.0040496940948],
    [{ kind: 'gelu', approximate: true }, 1, 0.8411919906082768],
    [{ kind: 'softplus' }, 0, Math.LN2],
    [{ kind: 'softplus' }, 1000, 1000],
    [{ kind: 'softplus' }, -1000, 0],
    [{ kind: 'sigmoid' }, -1000, 0],
    [{ kind: 'elu', alpha: 0.5 }, -1e-9, -5e-10],
    [{ kind: 'leaky-relu', negativeSlope: 0.2 }, -1, -0.2],
  ] as const)('%o of %d', (activation, x, y) => expect(elementwise(activation)(x)).toBeCloseTo(y, 8));
});
