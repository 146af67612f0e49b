import { type CompleteLoss, lossOf, type Network } from '../network.js';
import type { GraphBuilder, Tensor } from './graph-builder.js';
import { clip, constant, matrix, mean, plain, sum } from './ops.js';

/** `perRow` has shape [rows]; `gradient`, of the sum over rows, the shape of the outputs. */
export interface Compared {
  readonly perRow: Tensor;
  readonly gradient: Tensor;
}

/** A loss is one entry: the loss of each row with its gradient, and what the network's last values mean to a user. */
interface LossOps<L> {
  compare(g: GraphBuilder, values: Tensor, labels: Tensor, loss: L, outputs: number): Compared;
  output(g: GraphBuilder, values: Tensor): Tensor;
}

/** A loss of each value, averaged over a row's outputs. `of` gives the loss and its derivative. */
function meanOverOutputs<L>(
  of: (g: GraphBuilder, values: Tensor, labels: Tensor, loss: L) => { loss: Tensor; derivative: Tensor },
): LossOps<L>['compare'] {
  return (g, values, labels, loss, outputs) => {
    const each = of(g, values, labels, loss);
    return {
      perRow: mean(g, each.loss, 1),
      gradient: outputs === 1 ? each.derivative : times(g, each.derivative, 1 / outputs),
    };
  };
}

let softmax: 'fused' | 'composed' = 'fused';

/**
 * How softmax cross-entropy is computed in this process. TensorFlow's fused ops add in whatever order on a GPU, and refuse to
 * where `TF_DETERMINISTIC_OPS` is set; composed of other ops it has the same bits each time, and others than on the CPU.
 */
export function computeSoftmax(how: typeof softmax): void {
  softmax = how;
}

const losses: { readonly [K in CompleteLoss['kind']]: LossOps<Extract<CompleteLoss, { kind: K }>> } = {
  'softmax-cross-entropy': {
    compare(g, values, labels, { labelSmoothing }, outputs) {
      if (labelSmoothing === 0 && softmax === 'fused') {
        const attributes = { T: { type: 'float32' }, Tlabels: { type: 'int32' } } as const;
        const op = 'SparseSoftmaxCrossEntropyWithLogits';
        const [perRow, gradient] = g.emit(op, [values, labels], ['float32', 'float32'], attributes);
        return { perRow, gradient };
      }
      const off = labelSmoothing / outputs;
      const scalars = [constant(g, 'float32', 1 - labelSmoothing + off), constant(g, 'float32', off)];
      const attributes = { T: { type: 'float32' }, TI: { type: 'int32' }, axis: { int: -1 } } as const;
      const [targets] = g.emit('OneHot', [labels, constant(g, 'int32', outputs), ...scalars], ['float32'], attributes);
      if (softmax === 'composed') return composed(g, values, targets);
      const float = { T: { type: 'float32' } } as const;
      const [perRow, gradient] = g.emit(
        'SoftmaxCrossEntropyWithLogits',
        [values, targets],
        ['float32', 'float32'],
        float,
      );
      return { perRow, gradient };
    },
    output: (g, values) => plain(g, 'Softmax', [values]),
  },
  'binary-cross-entropy': {
    // (1 - y) z + q softplus(-z) with q = 1 + (p - 1) y, p the weight of the positive part; derivative q sigmoid(z) - p y.
    compare: meanOverOutputs((g, values, labels, { labelSmoothing: s, positiveWeights }) => {
      const targets = s === 0 ? labels : plus(g, times(g, labels, 1 - s), s / 2);
      const rest = plain(g, 'Sub', [constant(g, 'float32', 1), targets]);
      const positive = positiveWeights ? plain(g, 'Mul', [targets, constant(g, 'float32', positiveWeights)]) : targets;
      const weighted = (x: Tensor) => (positiveWeights ? plain(g, 'Mul', [x, plain(g, 'Add', [rest, positive])]) : x);
      const softplus = plain(g, 'Softplus', [plain(g, 'Neg', [values])]);
      return {
        loss: plain(g, 'Add', [plain(g, 'Mul', [rest, values]), weighted(softplus)]),
        derivative: plain(g, 'Sub', [weighted(plain(g, 'Sigmoid', [values])), positive]),
      };
    }),
    output: (g, values) => plain(g, 'Sigmoid', [values]),
  },
  'mean-squared-error': {
    compare: meanOverOutputs((g, values, labels) => {
      const difference = plain(g, 'Sub', [values, labels]);
      return { loss: plain(g, 'Square', [difference]), derivative: times(g, difference, 2) };
    }),
    output: (_g, values) => values,
  },
  'mean-absolute-error': {
    compare: meanOverOutputs((g, values, labels) => {
      const difference = plain(g, 'Sub', [values, labels]);
      return { loss: plain(g, 'Abs', [difference]), derivative: plain(g, 'Sign', [difference]) };
    }),
    output: (_g, values) => values,
  },
  huber: {
    // m (|d| - m / 2) with m = min(|d|, delta): both cases in one.
    compare: meanOverOutputs((g, values, labels, { delta }) => {
      const difference = plain(g, 'Sub', [values, labels]);
      const size = plain(g, 'Abs', [difference]);
      const cut = plain(g, 'Minimum', [size, constant(g, 'float32', delta)]);
      const loss = plain(g, 'Mul', [cut, plain(g, 'Sub', [size, times(g, cut, 0.5)])]);
      return { loss, derivative: clip(g, difference, -delta, delta) };
    }),
    output: (_g, values) => values,
  },
};

/** Softmax cross-entropy with targets that add up to 1 in each row. */
function composed(g: GraphBuilder, values: Tensor, targets: Tensor): Compared {
  const logarithms = plain(g, 'LogSoftmax', [values]);
  return {
    perRow: plain(g, 'Neg', [sum(g, plain(g, 'Mul', [targets, logarithms]), 1)]),
    gradient: plain(g, 'Sub', [plain(g, 'Exp', [logarithms]), targets]),
  };
}

const opsOf = (loss: CompleteLoss) => losses[loss.kind] as LossOps<CompleteLoss>;

/** @param weights of the rows, [rows]; absent: each counts once */
export function lossOps(
  g: GraphBuilder,
  network: Network,
  values: Tensor,
  labels: Tensor,
  weights: Tensor | undefined,
): Compared {
  const loss = lossOf(network.loss);
  const { perRow, gradient } = opsOf(loss).compare(g, values, labels, loss, network.outputs);
  if (!weights) return { perRow, gradient };
  return {
    perRow: plain(g, 'Mul', [perRow, weights]),
    gradient: plain(g, 'Mul', [gradient, matrix(g, weights)]),
  };
}

/** Class probabilities, probabilities of labels, or values. */
export function outputOps(g: GraphBuilder, network: Network, values: Tensor): Tensor {
  return opsOf(lossOf(network.loss)).output(g, values);
}

function times(g: GraphBuilder, x: Tensor, factor: number): Tensor {
  return plain(g, 'Mul', [x, constant(g, 'float32', factor)]);
}

function plus(g: GraphBuilder, x: Tensor, term: number): Tensor {
  return plain(g, 'Add', [x, constant(g, 'float32', term)]);
}
