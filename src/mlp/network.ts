import type { Initializer } from './initializers.js';

/**
 * A multilayer perceptron as data.
 *
 * The hidden layers are a list; the output layer, dense, without activation, comes after them: the loss says what its
 * values mean. Most networks need blocks only (`{ units, activation, normalization, dropout }`); layers with a `kind`
 * stand where a block would not put them, say dropout of the inputs or a normalisation after the activation.
 *
 * @example { inputs: 228, hidden: [{ units: 128, activation: 'relu' }], outputs: 6, loss: 'softmax-cross-entropy' }
 * @example
 * { inputs: 43, outputs: 1, loss: { kind: 'huber', delta: 2 }, l2: 1e-4,
 *   hidden: [{ kind: 'dropout', rate: 0.1 }, { units: 64, activation: 'gelu', normalization: 'batch', dropout: 0.3 }] }
 */
export interface Network {
  /** Features of a row. */
  readonly inputs: number;
  readonly hidden: readonly HiddenLayer[];
  /** Classes, labels (many-label) or values; 1 for two classes by binary cross-entropy. */
  readonly outputs: number;
  readonly loss: Loss;
  /**
   * Weights of the classes, in their order: a row counts as much as its class (times its own weight, where rows have
   * weights). For softmax cross-entropy, and binary cross-entropy with one output. Default: 1 each.
   */
  readonly classWeights?: readonly number[];
  /** L1 penalty, l1 * |W| (kernels only). Default 0. As L2 part of the update: losses are told without it. */
  readonly l1?: number;
  /** L2 penalty, 0.5 * l2 * |W|² beside the mean loss (kernels only). Default 0. */
  readonly l2?: number;
  /** Of kernels that name none themselves. Default: `he-uniform` below relu and its relatives, `glorot-uniform` else. */
  readonly kernelInitializer?: Initializer;
  /** Of biases whose layer names none. Default `zeros`. */
  readonly biasInitializer?: Initializer;
}

export type HiddenLayer = DenseBlock | BatchNormalization | LayerNormalization | ActivationLayer | Dropout;

/** `dropout(activation(normalization(x · kernel + bias)))`; what is not named is left out. */
export interface DenseBlock {
  readonly kind?: 'dense';
  readonly units: number;
  /** Default `linear`. */
  readonly activation?: Activation;
  readonly normalization?: 'batch' | 'layer' | BatchNormalization | LayerNormalization;
  /** Rate, in [0, 1). Default 0. */
  readonly dropout?: number;
  readonly kernelInitializer?: Initializer;
  readonly biasInitializer?: Initializer;
}

/**
 * Ioffe and Szegedy 2015, names and defaults as Keras. In training by mean and (biased) variance of the rows that one
 * shard gives to a step, in prediction by moving averages of them, which lie in theta as `statistic`s.
 */
export interface BatchNormalization {
  readonly kind: 'batch-normalization';
  /** Of the moving averages. Default 0.99. */
  readonly momentum?: number;
  /** Added to the variance. Default 1e-3. */
  readonly epsilon?: number;
}

/** Ba, Kiros and Hinton 2016: over the values of each row; defaults as Keras. */
export interface LayerNormalization {
  readonly kind: 'layer-normalization';
  /** Added to the variance. Default 1e-3. */
  readonly epsilon?: number;
}

export interface ActivationLayer {
  readonly kind: 'activation';
  readonly activation: Activation;
}

/**
 * Srivastava et al. 2014: in training a value becomes 0 with probability `rate`, the others are divided by 1 - rate.
 * Which ones depends on (seed, step, shard, layer) alone.
 */
export interface Dropout {
  readonly kind: 'dropout';
  /** In [0, 1). */
  readonly rate: number;
}

export const ACTIVATIONS = ['relu', 'leaky-relu', 'elu', 'gelu', 'tanh', 'sigmoid', 'softplus', 'linear'] as const;
export type ActivationName = (typeof ACTIVATIONS)[number];
/** A name stands for the activation with its defaults. */
export type Activation = ActivationName | ActivationSpec;

export type ActivationSpec =
  | { readonly kind: 'relu' | 'tanh' | 'sigmoid' | 'softplus' | 'linear' }
  /** Below 0: `negativeSlope` * x. Default 0.2, as Keras' `leaky_relu`. */
  | { readonly kind: 'leaky-relu'; readonly negativeSlope?: number }
  /** Below 0: `alpha` * (e^x - 1). Default 1. */
  | { readonly kind: 'elu'; readonly alpha?: number }
  /** x * Phi(x) by the error function (default), or its approximation by tanh (Hendrycks and Gimpel 2016). */
  | { readonly kind: 'gelu'; readonly approximate?: boolean };

/** Every parameter filled in. */
export type CompleteActivation =
  | { readonly kind: 'relu' | 'tanh' | 'sigmoid' | 'softplus' | 'linear' }
  | { readonly kind: 'leaky-relu'; readonly negativeSlope: number }
  | { readonly kind: 'elu'; readonly alpha: number }
  | { readonly kind: 'gelu'; readonly approximate: boolean };

export function activationOf(activation: Activation = 'linear'): CompleteActivation {
  const spec: ActivationSpec = typeof activation === 'string' ? { kind: activation } : activation;
  switch (spec.kind) {
    case 'leaky-relu':
      return { kind: spec.kind, negativeSlope: spec.negativeSlope ?? 0.2 };
    case 'elu':
      return { kind: spec.kind, alpha: spec.alpha ?? 1 };
    case 'gelu':
      return { kind: spec.kind, approximate: spec.approximate ?? false };
    default:
      return { kind: spec.kind };
  }
}

export const LOSSES = [
  'softmax-cross-entropy',
  'binary-cross-entropy',
  'mean-squared-error',
  'mean-absolute-error',
  'huber',
] as const;
export type LossName = (typeof LOSSES)[number];
/** A name stands for the loss with its defaults. Losses of several outputs are means over them, as in Keras and PyTorch. */
export type Loss = LossName | LossSpec;

export type LossSpec =
  | {
      /** One class of many: outputs are logits, labels class numbers. */
      readonly kind: 'softmax-cross-entropy';
      /** s in [0, 1): the target is 1 - s + s / K at the class, s / K elsewhere (Szegedy et al. 2016). Default 0. */
      readonly labelSmoothing?: number;
    }
  | {
      /** Two classes (one output), or any of many labels: outputs are logits, labels 0, 1 or a probability. */
      readonly kind: 'binary-cross-entropy';
      /** s in [0, 1): a target y becomes y (1 - s) + s / 2. Default 0. */
      readonly labelSmoothing?: number;
      /** An output's positive part counts this often: PyTorch's `pos_weight`, one an output. Default 1 each. */
      readonly positiveWeights?: readonly number[];
    }
  | { readonly kind: 'mean-squared-error' | 'mean-absolute-error' }
  | {
      /** 0.5 d² for |d| <= delta, delta (|d| - 0.5 delta) beyond (Huber 1964). */
      readonly kind: 'huber';
      /** Default 1. */
      readonly delta?: number;
    };

/** Every parameter filled in but `positiveWeights`. */
export type CompleteLoss =
  | { readonly kind: 'softmax-cross-entropy'; readonly labelSmoothing: number }
  | {
      readonly kind: 'binary-cross-entropy';
      readonly labelSmoothing: number;
      readonly positiveWeights?: readonly number[];
    }
  | { readonly kind: 'mean-squared-error' | 'mean-absolute-error' }
  | { readonly kind: 'huber'; readonly delta: number };

export function lossOf(loss: Loss): CompleteLoss {
  const spec: LossSpec = typeof loss === 'string' ? { kind: loss } : loss;
  switch (spec.kind) {
    case 'softmax-cross-entropy':
    case 'binary-cross-entropy':
      return { ...spec, labelSmoothing: spec.labelSmoothing ?? 0 };
    case 'huber':
      return { kind: spec.kind, delta: spec.delta ?? 1 };
    default:
      return spec;
  }
}

/**
 * What a network's labels are: `classes`, one class number a row, or `values`, one float32 an output and row
 * (probabilities for binary cross-entropy; class numbers are taken there too, where there is one output).
 */
export function labelKindOf(network: Network): 'classes' | 'values' {
  return lossOf(network.loss).kind === 'softmax-cross-entropy' ? 'classes' : 'values';
}
