import { type Layer, layoutOf } from '../layout.js';
import { type CompleteActivation, lossOf, type Network } from '../network.js';

/**
 * What a fitted network computes for one row, as a list of steps that hold their numbers. All that leave training behind
 * stand on it: prediction in plain JavaScript, TensorFlow, TF.js and ONNX. Dropout is no step, and batch normalization
 * uses its moving statistics.
 */
export type InferenceStep =
  | {
      /** (x - mean) / deviation in float64, rounded to float32 once: scaling of features, and back of values. */
      readonly kind: 'standardize';
      readonly mean: Float64Array;
      readonly deviation: Float64Array;
    }
  | {
      /** x · kernel + bias; kernel [inputs, units], row-major. */
      readonly kind: 'dense';
      readonly inputs: number;
      readonly units: number;
      readonly kernel: Float32Array;
      readonly bias: Float32Array;
    }
  | {
      /** gamma (x - mean) / sqrt(variance + epsilon) + beta (Ioffe and Szegedy 2015), a feature at a time. */
      readonly kind: 'batch-normalization';
      readonly gamma: Float32Array;
      readonly beta: Float32Array;
      readonly mean: Float32Array;
      readonly variance: Float32Array;
      readonly epsilon: number;
    }
  | {
      /** The same by mean and variance of the row's own values (Ba, Kiros and Hinton 2016). */
      readonly kind: 'layer-normalization';
      readonly gamma: Float32Array;
      readonly beta: Float32Array;
      readonly epsilon: number;
    }
  | { readonly kind: 'activation'; readonly activation: CompleteActivation }
  | { readonly kind: 'softmax' };

export interface InferencePlan {
  readonly inputs: number;
  readonly outputs: number;
  readonly steps: readonly InferenceStep[];
  /** What the outputs are: probabilities of classes of which a row has one, or of labels of which it has any, or values. */
  readonly task: 'classes' | 'labels' | 'values';
  /** Names of the outputs. */
  readonly names?: readonly string[];
}

/** What must be known of a fitted network to predict with it. */
export interface FittedWeights {
  readonly network: Network;
  /** In the network's layout. */
  readonly theta: Float32Array;
  readonly classes?: readonly string[];
}

/**
 * Two classes by one output become two probabilities, so that every classifier has one a class.
 * @throws RangeError when theta or classes have another size than the network
 */
export function inferencePlan({ network, theta, classes }: FittedWeights): InferencePlan {
  const layout = layoutOf(network);
  if (theta.length !== layout.length)
    throw new RangeError(`the network has ${layout.length} parameters, theta has ${theta.length}`);
  const steps = layout.layers.flatMap((layer) => stepsOf(layer, theta));
  const { inputs, outputs } = network;
  const names = classes && classes.length > 0 ? { names: classes } : {};
  switch (lossOf(network.loss).kind) {
    case 'softmax-cross-entropy':
      return checked({ inputs, outputs, steps: [...steps, { kind: 'softmax' }], task: 'classes', ...names });
    case 'binary-cross-entropy': {
      const probabilities: InferenceStep[] = [...steps, { kind: 'activation', activation: { kind: 'sigmoid' } }];
      if (outputs > 1 || classes?.length !== 2)
        return checked({ inputs, outputs, steps: probabilities, task: 'labels', ...names });
      return { inputs, outputs: 2, steps: [...probabilities, COMPLEMENT], task: 'classes', ...names };
    }
    default:
      return { inputs, outputs, steps, task: 'values' };
  }
}

/** p becomes [1 - p, p]. */
const COMPLEMENT: InferenceStep = {
  kind: 'dense',
  inputs: 1,
  units: 2,
  kernel: Float32Array.of(-1, 1),
  bias: Float32Array.of(1, 0),
};

function checked(plan: InferencePlan): InferencePlan {
  if (plan.names && plan.names.length !== plan.outputs)
    throw new RangeError(`the network has ${plan.outputs} outputs, and there are names of ${plan.names.length}`);
  return plan;
}

/** None for what acts in training only. */
function stepsOf(layer: Layer, theta: Float32Array): InferenceStep[] {
  const numbers = ({ offset, size }: { offset: number; size: number }) => theta.subarray(offset, offset + size);
  switch (layer.kind) {
    case 'dense': {
      const [inputs, units] = layer.kernel.shape as [number, number];
      return [{ kind: 'dense', inputs, units, kernel: numbers(layer.kernel), bias: numbers(layer.bias) }];
    }
    case 'batch-normalization': {
      const { kind, epsilon } = layer;
      const statistics = { mean: numbers(layer.mean), variance: numbers(layer.variance) };
      return [{ kind, gamma: numbers(layer.gamma), beta: numbers(layer.beta), ...statistics, epsilon }];
    }
    case 'layer-normalization':
      return [{ kind: layer.kind, gamma: numbers(layer.gamma), beta: numbers(layer.beta), epsilon: layer.epsilon }];
    case 'activation':
      return layer.activation.kind === 'linear' ? [] : [{ kind: 'activation', activation: layer.activation }];
    case 'dropout':
      return [];
  }
}
