import type { Precision } from '../backend.js';
import type { Layer } from '../layout.js';
import { activate } from './activations.js';
import { type DropoutKeys, dropoutMaskOps } from './dropout.js';
import type { GraphBuilder, Tensor } from './graph-builder.js';
import { cast, columnSums, constant, matMul, matrix, mean, plain, reshape } from './ops.js';

/** What a layer gives for its input, and what a gradient of that gives: nodes nobody fetches cost nothing. */
export interface Applied {
  readonly y: Tensor;
  /** @returns gradients of the layer's parameters in their order, and of its input */
  back(dy: Tensor): { readonly parameters: readonly Tensor[]; readonly dx: () => Tensor };
}

/** What layers need to know in training; absent, they predict. */
export interface TrainingBatch extends DropoutKeys {
  readonly precision: Precision;
  /** How many rows, as float32. */
  readonly rows: Tensor;
  /** Sum of the rows' weights, float32. */
  readonly weight: Tensor;
}

type Of<K extends Layer['kind']> = Extract<Layer, { kind: K }>;

/** A layer is one entry. `parameters` in the order of `parametersOf`. */
type Apply<K extends Layer['kind']> = (
  g: GraphBuilder,
  layer: Of<K>,
  parameters: readonly Tensor[],
  x: Tensor,
  training: TrainingBatch | undefined,
) => Applied;

const layers: { readonly [K in Layer['kind']]: Apply<K> } = {
  dense(g, _layer, [kernel, bias], x, training) {
    const dtype = training?.precision === 'bf16' ? 'bfloat16' : 'float32';
    const [left, right, offset] = [x, kernel!, bias!].map((tensor) => cast(g, tensor, dtype)) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    return {
      y: plain(g, 'BiasAdd', [matMul(g, left, right), offset]),
      back: (dy) => ({
        parameters: [
          cast(g, matMul(g, left, dy, { transposeA: true }), 'float32'),
          columnSums(g, cast(g, dy, 'float32')),
        ],
        dx: () => matMul(g, dy, right, { transposeB: true }),
      }),
    };
  },

  activation(g, { activation }, _parameters, x) {
    const { y, back } = activate(g, x, activation);
    return { y, back: (dy) => ({ parameters: [], dx: () => back(dy) }) };
  },

  dropout(g, layer, _parameters, x, training) {
    if (!training) return { y: x, back: (dy) => ({ parameters: [], dx: () => dy }) };
    const mask = dropoutMaskOps(g, layer, training);
    const masked = (values: Tensor) => plain(g, 'Mul', [values, mask]);
    return { y: masked(x), back: (dy) => ({ parameters: [], dx: () => masked(dy) }) };
  },

  'batch-normalization'(g, layer, [gamma, beta, movingMean, movingVariance], x, training) {
    if (!training) {
      const scale = mul(g, inverseDeviation(g, movingVariance!, layer.epsilon), gamma!);
      const y = add(g, mul(g, sub(g, x, movingMean!), scale), beta!);
      return { y, back: notInPrediction };
    }
    const { y, batchMean, variance, back } = fusedBatchNormalization(g, layer, x, gamma!, beta!, training.rows);
    return {
      y,
      back(dy) {
        const { dx, dGamma, dBeta } = back(dy);
        // Plain descent on (moving - batch) at rate 1 - momentum is the moving average.
        const towards = (moving: Tensor, batch: Tensor) => mul(g, sub(g, moving, batch), training.weight);
        const statistics = [towards(movingMean!, batchMean), towards(movingVariance!, variance)];
        return { parameters: [dGamma, dBeta, ...statistics], dx: () => dx };
      },
    };
  },

  'layer-normalization'(g, layer, [gamma, beta], x) {
    const rowMean = (values: Tensor) => mean(g, values, 1, true);
    const centred = sub(g, x, rowMean(x));
    const inverse = inverseDeviation(g, rowMean(plain(g, 'Square', [centred])), layer.epsilon);
    const normal = mul(g, centred, inverse);
    return {
      y: add(g, mul(g, normal, gamma!), beta!),
      back(dy) {
        const along = mul(g, dy, normal);
        return {
          parameters: [columnSums(g, along), columnSums(g, dy)],
          dx() {
            // Row means of a product with gamma are products with a vector: a pass over the values less.
            const part = matrix(g, mul(g, gamma!, constant(g, 'float32', 1 / layer.gamma.size)));
            const common = add(g, matMul(g, dy, part), mul(g, normal, matMul(g, along, part)));
            return mul(g, sub(g, mul(g, dy, gamma!), common), inverse);
          },
        };
      },
    };
  },
};

/** @param training absent: as in prediction, where only `y` may be used */
export function applyLayer(
  g: GraphBuilder,
  layer: Layer,
  parameters: readonly Tensor[],
  x: Tensor,
  training: TrainingBatch | undefined,
): Applied {
  const input = rounds(layer) ? cast(g, x, 'float32') : x;
  const { y, back } = (layers[layer.kind] as Apply<Layer['kind']>)(g, layer as never, parameters, input, training);
  return { y, back: (dy) => back(cast(g, dy, y.dtype)) };
}

/** Whether a layer computes in float32 because its values would be rounded anew; products choose for themselves. */
function rounds(layer: Layer): boolean {
  if (layer.kind === 'activation') return !['relu', 'linear'].includes(layer.activation.kind);
  return layer.kind !== 'dense';
}

function notInPrediction(): never {
  throw new Error('batch normalization has a gradient in training only');
}

/**
 * TensorFlow's fused op for images, on rows as images of one pixel: half the time of single operations. The variance it
 * gives is that of a sample.
 */
function fusedBatchNormalization(
  g: GraphBuilder,
  { epsilon, gamma: { size: units } }: Of<'batch-normalization'>,
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  rows: Tensor,
) {
  const float = { type: 'float32' } as const;
  const attributes = {
    ...{ T: float, U: float, epsilon: { float: epsilon } },
    ...{ data_format: { string: 'NHWC' }, is_training: { bool: true } },
  } as const;
  const pixels = (values: Tensor) => reshape(g, values, [-1, 1, 1, units]);
  const matrixOf = (values: Tensor) => reshape(g, values, [-1, units]);
  const none = constant(g, 'float32', []);
  const outputs = ['float32', 'float32', 'float32', 'float32', 'float32', 'float32'] as const;
  const inputs = [pixels(x), gamma, beta, none, none];
  const [y, batchMean, sampleVariance, ...reserved] = g.emit('FusedBatchNormV3', inputs, outputs, {
    ...attributes,
    exponential_avg_factor: { float: 1 },
  });
  const ratio = plain(g, 'RealDiv', [sub(g, rows, constant(g, 'float32', 1)), rows]);
  return {
    y: matrixOf(y),
    batchMean,
    // Of one row it may be no number, and the ratio is 0.
    variance: plain(g, 'MulNoNan', [sampleVariance, ratio]),
    back(dy: Tensor) {
      const backInputs = [pixels(dy), pixels(x), gamma, ...reserved];
      const [dx, dGamma, dBeta] = g.emit('FusedBatchNormGradV3', backInputs, outputs.slice(1), attributes);
      return { dx: matrixOf(dx!), dGamma: dGamma!, dBeta: dBeta! };
    },
  };
}

function inverseDeviation(g: GraphBuilder, variance: Tensor, epsilon: number): Tensor {
  return plain(g, 'Rsqrt', [add(g, variance, constant(g, 'float32', epsilon))]);
}

const add = (g: GraphBuilder, a: Tensor, b: Tensor) => plain(g, 'AddV2', [a, b]);
const sub = (g: GraphBuilder, a: Tensor, b: Tensor) => plain(g, 'Sub', [a, b]);
const mul = (g: GraphBuilder, a: Tensor, b: Tensor) => plain(g, 'Mul', [a, b]);
