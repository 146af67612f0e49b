import { MLPClassificationModel } from '../classification-model.js';
import { initialTheta } from '../layout.js';
import type { FittedNetwork } from '../model.js';
import type { Network } from '../network.js';
import { numericalPlan } from '../numerical-plan.js';
import { MinMaxScalerModel } from '../pipeline/min-max-scaler.js';
import { PipelineModel } from '../pipeline/pipeline.js';
import { VectorAssembler } from '../pipeline/vector-assembler.js';
import { MLPRegressionModel } from '../regression-model.js';
import { StandardScalerModel } from '../scaler.js';
import { FittedScaler } from '../standard-scaler.js';
import type { TargetSpec } from '../targets.js';

const CLASSES = ['ann', 'bob', 'cleo'];

function fitted(outputs: number, loss: Network['loss'], target: TargetSpec): FittedNetwork {
  const network: Network = {
    inputs: 4,
    hidden: [{ units: 8, activation: 'gelu', normalization: 'batch', dropout: 0.5 }],
    ...{ outputs, loss },
  };
  const optimizer = { kind: 'adam', learningRate: 0.01 } as const;
  const plan = numericalPlan({ rows: 150, batchSize: 32, epochs: 2, seed: 1, network, optimizer });
  const theta = initialTheta(network, 3);
  return { network, theta, target, features: 'features', plan, losses: [1.1, 0.6], backend: 'TensorFlow 2.21.0 (CPU)' };
}

const classifier = () =>
  new MLPClassificationModel(
    fitted(3, 'softmax-cross-entropy', { kind: 'class', column: 'species', classes: CLASSES }),
  );

const scaler = () =>
  new FittedScaler(
    'features',
    new StandardScalerModel(Float64Array.of(0.1, -2, 1000, 0), Float64Array.of(1, 2, 0.5, 0.25)),
  );

/** Untrained models of every kind, which take four features a row. */
export const EXAMPLE_MODELS = {
  classifier,
  'classifier of two': () =>
    new MLPClassificationModel(
      fitted(1, 'binary-cross-entropy', { kind: 'class', column: 'species', classes: CLASSES.slice(0, 2) }),
    ),
  'classifier of many labels': () =>
    new MLPClassificationModel(fitted(3, 'binary-cross-entropy', { kind: 'labels', column: 'tags', classes: CLASSES })),
  regressor: () =>
    new MLPRegressionModel(
      fitted(2, 'mean-squared-error', {
        ...{ kind: 'values', columns: ['width', 'height'], width: 2 },
        ...{ mean: [10, -3], deviation: [4, 0.5] },
      }),
    ),
  'pipeline of scalers': () =>
    new PipelineModel([
      new VectorAssembler({ columns: ['a', 'b', 'c', 'd'] }),
      scaler(),
      new MinMaxScalerModel('features', Float64Array.of(-1, -1, -2, -3), Float64Array.of(1, 2, 2, 3), -1, 1),
      classifier(),
    ]),
} as const;

export const exampleScaler = scaler;
