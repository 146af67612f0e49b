import { describe, expect, it } from 'vitest';
import { applyStep, slotCount } from './optimizer-step.js';
import type { OptimizerSpec } from './optimizers.js';
import { referenceApply } from './reference.js';

const specs: OptimizerSpec[] = [
  { kind: 'sgd', learningRate: 0.1 },
  { kind: 'sgd', learningRate: 0.1, momentum: 0.9 },
  { kind: 'sgd', learningRate: 0.1, momentum: 0.9, nesterov: true },
  { kind: 'adam', learningRate: 0.01 },
];

describe('applyStep', () => {
  it.each(specs.map((spec) => [JSON.stringify(spec), spec] as const))(
    'is the reference in float32: %s',
    (_name, spec) => {
      const n = 50;
      const state = new Float32Array(n * (1 + slotCount(spec)));
      state.set(Float32Array.from({ length: n }, (_, i) => Math.cos(i)));
      let expected: Float64Array = Float64Array.from(state);
      for (let step = 1; step <= 20; step++) {
        const gradient = Float32Array.from({ length: n }, (_, i) => Math.sin(i * step));
        applyStep(spec, state, gradient, step);
        expected = referenceApply(spec, expected, gradient, step);
      }
      expected.forEach((value, i) => {
        expect(state[i]).toBeCloseTo(value, 5);
      });
    },
  );
});
