import { keyedRandom } from '../../rdd/random.js';
import type { InferencePlan, InferenceStep } from '../formats/inference.js';
import type { CompleteActivation } from '../network.js';

const INPUTS = 5;
const UNITS = 7;
const CLASSES = ['walk', 'café ☕', 'run'];

const ELEMENTWISE: readonly CompleteActivation[] = [
  { kind: 'relu' },
  { kind: 'leaky-relu', negativeSlope: 0.2 },
  { kind: 'elu', alpha: 1 },
  { kind: 'elu', alpha: 0.5 },
  { kind: 'gelu', approximate: false },
  { kind: 'gelu', approximate: true },
  { kind: 'tanh' },
  { kind: 'sigmoid' },
  { kind: 'softplus' },
];

/** Uniform in ±2, keyed by a name. */
function numbers(length: number, name: string): Float32Array {
  const random = keyedRandom(7, name);
  return Float32Array.from({ length }, () => 4 * random.uniform() - 2);
}

const positive = (values: Float32Array) => values.map((value) => Math.abs(value) + 0.1);

function dense(inputs: number, units: number, key: string): InferenceStep {
  return {
    kind: 'dense',
    inputs,
    units,
    kernel: numbers(inputs * units, `${key}/kernel`),
    bias: numbers(units, `${key}/bias`),
  };
}

const batchNormalization: InferenceStep = {
  kind: 'batch-normalization',
  gamma: numbers(UNITS, 'gamma'),
  beta: numbers(UNITS, 'beta'),
  mean: numbers(UNITS, 'mean'),
  variance: positive(numbers(UNITS, 'variance')),
  epsilon: 1e-3,
};

const layerNormalization: InferenceStep = {
  kind: 'layer-normalization',
  gamma: numbers(UNITS, 'gamma'),
  beta: numbers(UNITS, 'beta'),
  epsilon: 1e-3,
};

/** Of features as sensors give them: far from 0, narrow or wide. */
const SCALES = { mean: Float64Array.of(1013.25, -3, 0, 2e4, 0.001), deviation: Float64Array.of(0.5, 2, 1, 30, 1e-4) };

function plan(hidden: readonly InferenceStep[], last: readonly InferenceStep[], task: InferencePlan['task']) {
  const outputs = CLASSES.length;
  const steps = [dense(INPUTS, UNITS, 'first'), ...hidden, dense(UNITS, outputs, 'last'), ...last];
  return { inputs: INPUTS, outputs, steps, task, ...(task !== 'values' && { names: CLASSES }) } satisfies InferencePlan;
}

const softmax: InferenceStep = { kind: 'softmax' };
const standardize: InferenceStep = { kind: 'standardize', ...SCALES };
const scaled = (inner: InferencePlan): InferencePlan => ({ ...inner, steps: [standardize, ...inner.steps] });

/** One plan for each kind of step, activation and output, for the tests of what reads plans. */
export const EXAMPLE_PLANS: Readonly<Record<string, InferencePlan>> = {
  ...Object.fromEntries(
    ELEMENTWISE.map((activation) => [
      Object.values(activation).join(' '),
      plan([{ kind: 'activation', activation }], [softmax], 'classes'),
    ]),
  ),
  'no activation': plan([], [softmax], 'classes'),
  values: plan([{ kind: 'activation', activation: { kind: 'relu' } }], [], 'values'),
  'many labels': plan([], [{ kind: 'activation', activation: { kind: 'sigmoid' } }], 'labels'),
  'batch normalization': plan([batchNormalization], [softmax], 'classes'),
  'layer normalization': plan([layerNormalization], [softmax], 'classes'),
  'a scaler': scaled(plan([{ kind: 'activation', activation: { kind: 'tanh' } }], [softmax], 'classes')),
};

/** Features for a plan, such that a scaler's outputs are of order one. */
export function exampleFeatures(plan: InferencePlan, rows: number): Float32Array {
  const values = numbers(rows * plan.inputs, 'features');
  if (plan.steps[0]?.kind !== 'standardize') return values;
  const { mean, deviation } = plan.steps[0];
  return values.map((value, i) => mean[i % plan.inputs]! + value * deviation[i % plan.inputs]!);
}
