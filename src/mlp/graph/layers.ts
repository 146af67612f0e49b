import type { Layer } from '../layout.js';
import { activate } from './activations.js';
import { type DropoutKeys, dropoutMaskOps } from './dropout.js';
import type { GraphBuilder, Tensor } from './graph-builder.js';
import { constant, matMul, mean, plain, sum } from './ops.js';

/** What a layer gives for its input, and what a gradient of that gives: nodes nobody fetches cost nothing. */
export interface Applied {
  readonly y: Tensor;
  /** @returns gradients of the layer's parameters in their order, and of its input */
  back(dy: Tensor): { readonly parameters: readonly Tensor[]; readonly dx: () => Tensor };
}

/** What layers need to know in training; absent, they predict. */
export interface TrainingBatch extends DropoutKeys {
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
  dense(g, _layer, [kernel, bias], x) {
    return {
      y: plain(g, 'BiasAdd', [matMul(g, x, kernel!), bias!]),
      back: (dy) => ({
        parameters: [matMul(g, x, dy, { transposeA: true }), plain(g, 'BiasAddGrad', [dy])],
        dx: () => matMul(g, dy, kernel!, { transposeB: true }),
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

  'batch-normalization'(g, { epsilon }, [gamma, beta, movingMean, movingVariance], x, training) {
    if (!training) {
      const scale = mul(g, inverseDeviation(g, movingVariance!, epsilon), gamma!);
      const y = add(g, mul(g, sub(g, x, movingMean!), scale), beta!);
      return { y, back: notInPrediction };
    }
    const batchMean = mean(g, x, 0);
    const centred = sub(g, x, batchMean);
    const variance = mean(g, plain(g, 'Square', [centred]), 0);
    const inverse = inverseDeviation(g, variance, epsilon);
    const normal = mul(g, centred, inverse);
    return {
      y: add(g, mul(g, normal, gamma!), beta!),
      back(dy) {
        const dGamma = sum(g, mul(g, dy, normal), 0);
        const dBeta = sum(g, dy, 0);
        // Plain descent on (moving - batch) at rate 1 - momentum is the moving average.
        const towards = (moving: Tensor, batch: Tensor) => mul(g, sub(g, moving, batch), training.weight);
        const statistics = [towards(movingMean!, batchMean), towards(movingVariance!, variance)];
        return {
          parameters: [dGamma, dBeta, ...statistics],
          dx() {
            const common = plain(g, 'RealDiv', [add(g, mul(g, normal, dGamma), dBeta), training.rows]);
            return mul(g, sub(g, dy, common), mul(g, inverse, gamma!));
          },
        };
      },
    };
  },

  'layer-normalization'(g, { epsilon }, [gamma, beta], x) {
    const rowMean = (values: Tensor) => mean(g, values, 1, true);
    const centred = sub(g, x, rowMean(x));
    const inverse = inverseDeviation(g, rowMean(plain(g, 'Square', [centred])), epsilon);
    const normal = mul(g, centred, inverse);
    return {
      y: add(g, mul(g, normal, gamma!), beta!),
      back: (dy) => ({
        parameters: [sum(g, mul(g, dy, normal), 0), sum(g, dy, 0)],
        dx() {
          const dNormal = mul(g, dy, gamma!);
          const common = add(g, rowMean(dNormal), mul(g, normal, rowMean(mul(g, dNormal, normal))));
          return mul(g, sub(g, dNormal, common), inverse);
        },
      }),
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
  return (layers[layer.kind] as Apply<Layer['kind']>)(g, layer as never, parameters, x, training);
}

function notInPrediction(): never {
  throw new Error('batch normalization has a gradient in training only');
}

function inverseDeviation(g: GraphBuilder, variance: Tensor, epsilon: number): Tensor {
  return plain(g, 'Rsqrt', [add(g, variance, constant(g, 'float32', epsilon))]);
}

const add = (g: GraphBuilder, a: Tensor, b: Tensor) => plain(g, 'AddV2', [a, b]);
const sub = (g: GraphBuilder, a: Tensor, b: Tensor) => plain(g, 'Sub', [a, b]);
const mul = (g: GraphBuilder, a: Tensor, b: Tensor) => plain(g, 'Mul', [a, b]);
