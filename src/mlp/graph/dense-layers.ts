import type { Layout } from '../layout.js';
import type { Activation, Loss, Network } from '../network.js';
import type { GraphBuilder, Tensor } from './graph-builder.js';
import { concat, constant, matMul, plain, reshape, size, split } from './ops.js';

/** An activation is one entry: its op, and the op that takes a gradient back through it (y is its output). */
interface ActivationOps {
  forward(g: GraphBuilder, z: Tensor): Tensor;
  gradient(g: GraphBuilder, dy: Tensor, y: Tensor): Tensor;
}

const activations: Readonly<Record<Activation, ActivationOps>> = {
  relu: {
    forward: (g, z) => plain(g, 'Relu', [z]),
    gradient: (g, dy, y) => plain(g, 'ReluGrad', [dy, y]),
  },
  tanh: {
    forward: (g, z) => plain(g, 'Tanh', [z]),
    gradient: (g, dy, y) => plain(g, 'TanhGrad', [y, dy]),
  },
  sigmoid: {
    forward: (g, z) => plain(g, 'Sigmoid', [z]),
    gradient: (g, dy, y) => plain(g, 'SigmoidGrad', [y, dy]),
  },
  linear: {
    forward: (_g, z) => z,
    gradient: (_g, dy) => dy,
  },
};

/** A loss is one entry: the loss of each row with its gradient, and what the network's last values mean to a user. */
interface LossOps {
  readonly labelType: 'int32' | 'float32';
  /** `perRow` has shape [rows]; `gradient`, of the sum over rows, the shape of `values`. */
  compare(g: GraphBuilder, values: Tensor, labels: Tensor, outputs: number): { perRow: Tensor; gradient: Tensor };
  output(g: GraphBuilder, values: Tensor): Tensor;
}

const losses: Readonly<Record<Loss, LossOps>> = {
  'softmax-cross-entropy': {
    labelType: 'int32',
    compare(g, values, labels) {
      const attributes = { T: { type: 'float32' }, Tlabels: { type: 'int32' } } as const;
      const op = 'SparseSoftmaxCrossEntropyWithLogits';
      const [perRow, gradient] = g.emit(op, [values, labels], ['float32', 'float32'], attributes);
      return { perRow, gradient };
    },
    output: (g, values) => plain(g, 'Softmax', [values]),
  },
  'mean-squared-error': {
    labelType: 'float32',
    compare(g, values, labels, outputs) {
      const difference = plain(g, 'Sub', [values, labels]);
      const attributes = { T: { type: 'float32' }, Tidx: { type: 'int32' }, keep_dims: { bool: false } } as const;
      const squares = plain(g, 'Square', [difference]);
      const [perRow] = g.emit('Mean', [squares, constant(g, 'int32', 1)], ['float32'], attributes);
      return { perRow, gradient: plain(g, 'Mul', [difference, constant(g, 'float32', 2 / outputs)]) };
    },
    output: (_g, values) => values,
  },
};

export function labelTypeOf(loss: Loss): 'int32' | 'float32' {
  return losses[loss].labelType;
}

interface Layer {
  readonly kernel: Tensor;
  readonly bias: Tensor;
  readonly activation: ActivationOps;
}

function layersOf(g: GraphBuilder, network: Network, layout: Layout, theta: Tensor): Layer[] {
  const pieces = split(
    g,
    theta,
    layout.parameters.map((parameter) => parameter.size),
  );
  return layout.layers.map(({ kernel }, i) => ({
    kernel: reshape(g, pieces[2 * i]!, kernel.shape),
    bias: pieces[2 * i + 1]!,
    activation: activations[network.hidden[i]?.activation ?? 'linear'],
  }));
}

/** Outputs of all layers, that of the features first. */
function forward(g: GraphBuilder, layers: readonly Layer[], features: Tensor): Tensor[] {
  const values = [features];
  for (const { kernel, bias, activation } of layers)
    values.push(activation.forward(g, plain(g, 'BiasAdd', [matMul(g, values.at(-1)!, kernel), bias])));
  return values;
}

/** Class probabilities, or values. */
export function predictionOps(
  g: GraphBuilder,
  network: Network,
  layout: Layout,
  theta: Tensor,
  features: Tensor,
): Tensor {
  const values = forward(g, layersOf(g, network, layout, theta), features);
  return losses[network.loss].output(g, values.at(-1)!);
}

/**
 * Loss of each row, and the gradient of their sum in theta's layout. With an L2 penalty every row carries the penalty
 * once: the mean over rows is then the mean loss plus 0.5 * l2 * |W|², however the rows are divided.
 */
export function gradientOps(
  g: GraphBuilder,
  network: Network,
  layout: Layout,
  theta: Tensor,
  batch: { readonly features: Tensor; readonly labels: Tensor; readonly rows: Tensor },
): { gradient: Tensor; perRow: Tensor } {
  const layers = layersOf(g, network, layout, theta);
  const values = forward(g, layers, batch.features);
  const compared = losses[network.loss].compare(g, values.at(-1)!, batch.labels, network.outputs);
  const penalty = network.l2 ? l2Penalty(g, network.l2, layers, batch.rows) : undefined;

  const pieces: Tensor[] = [];
  let dz = compared.gradient;
  for (let i = layers.length - 1; i >= 0; i--) {
    const { kernel } = layers[i]!;
    const input = values[i]!;
    const product = matMul(g, input, dz, { transposeA: true });
    const dKernel = penalty ? plain(g, 'Add', [product, penalty.gradient(kernel)]) : product;
    pieces.unshift(reshape(g, dKernel, [-1]), plain(g, 'BiasAddGrad', [dz]));
    if (i > 0) dz = layers[i - 1]!.activation.gradient(g, matMul(g, dz, kernel, { transposeB: true }), input);
  }
  const perRow = penalty ? plain(g, 'Add', [compared.perRow, penalty.loss]) : compared.perRow;
  return { gradient: concat(g, pieces), perRow };
}

function l2Penalty(g: GraphBuilder, l2: number, layers: readonly Layer[], rows: Tensor) {
  const halfSquares = layers.map(({ kernel }) => plain(g, 'L2Loss', [kernel]));
  const sum = halfSquares.reduce((left, right) => plain(g, 'Add', [left, right]));
  const weight = plain(g, 'Mul', [size(g, rows), constant(g, 'float32', l2)]);
  return {
    loss: plain(g, 'Mul', [sum, constant(g, 'float32', l2)]),
    gradient: (kernel: Tensor) => plain(g, 'Mul', [kernel, weight]),
  };
}
