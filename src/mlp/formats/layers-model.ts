import { bytesOf } from '../../ps/float-bytes.js';
import type { CompleteActivation } from '../network.js';
import type { InferencePlan, InferenceStep } from './inference.js';

/** The files of a TensorFlow.js LayersModel. */
export interface LayersModelFiles {
  readonly 'model.json': string;
  readonly 'weights.bin': Uint8Array;
}

/**
 * A plan as a model that `tf.loadLayersModel` reads, of TensorFlow.js' own layers: features in, class probabilities or
 * values out. Names of classes are in its `userDefinedMetadata`, as layers give numbers only.
 */
export function layersModelFiles(
  plan: InferencePlan,
  metadata: Readonly<Record<string, unknown>> = {},
): LayersModelFiles {
  const graph = new LayerGraph();
  const features = graph.input('features', plan.inputs);
  const last = plan.steps.reduce((x, step) => emit(graph, step, x), features);
  const layers = {
    name: 'network',
    layers: graph.layers,
    input_layers: [[features.name, 0, 0]],
    output_layers: [[last.name, 0, 0]],
  };
  const weights = graph.weights.map(({ name, shape }) => ({ name, shape, dtype: 'float32' }));
  const model = {
    format: 'layers-model',
    generatedBy: 'sheaf',
    convertedBy: null,
    modelTopology: {
      class_name: 'Model',
      config: layers,
      keras_version: 'tfjs-layers 4.22.0',
      backend: 'tensor_flow.js',
    },
    weightsManifest: [{ paths: ['weights.bin'], weights }],
    userDefinedMetadata: { ...metadata, ...(plan.names && { classes: plan.names }) },
  };
  const bytes = Buffer.concat(graph.weights.map(({ values }) => bytesOf(values)));
  return { 'model.json': JSON.stringify(model), 'weights.bin': bytes };
}

function emit(g: LayerGraph, step: InferenceStep, x: Output): Output {
  switch (step.kind) {
    case 'standardize': {
      // By the mean's two halves: a single float32 mean would lose the digits of features far from 0.
      const high = Float32Array.from(step.mean);
      const low = Float32Array.from(step.mean, (mean, i) => mean - high[i]!);
      const factors = Float32Array.from(step.deviation, (deviation) => 1 / deviation);
      return affine(g, affine(g, x, { mean: high }), { mean: low, gamma: factors });
    }
    case 'dense': {
      const { inputs, units, kernel, bias } = step;
      const config = {
        units,
        activation: 'linear',
        use_bias: true,
        kernel_initializer: ZEROS,
        bias_initializer: ZEROS,
      };
      const weights = { kernel: { shape: [inputs, units], values: kernel }, bias: vector(bias) };
      return { ...g.layer('Dense', [x], config, weights), width: units };
    }
    case 'batch-normalization':
      return affine(g, x, step);
    case 'layer-normalization': {
      const config = { axis: -1, epsilon: step.epsilon, center: true, scale: true };
      return g.layer('LayerNormalization', [x], config, { gamma: vector(step.gamma), beta: vector(step.beta) });
    }
    case 'activation':
      return activate(g, step.activation, x);
    case 'softmax':
      return g.layer('Activation', [x], { activation: 'softmax' });
  }
}

function activate(g: LayerGraph, activation: CompleteActivation, x: Output): Output {
  const named = (name: string) => g.layer('Activation', [x], { activation: name });
  const all = (value: number) => new Float32Array(x.width).fill(value);
  switch (activation.kind) {
    case 'leaky-relu':
      return g.layer('LeakyReLU', [x], { alpha: activation.negativeSlope });
    case 'elu': {
      const { alpha } = activation;
      if (alpha === 1) return named('elu');
      // The layer knows an alpha of 1 only: alpha elu(x) + (1 - alpha) relu(x) has any.
      return g.layer('Add', [
        affine(g, named('elu'), { gamma: all(alpha) }),
        affine(g, named('relu'), { gamma: all(1 - alpha) }),
      ]);
    }
    case 'gelu': {
      if (!activation.approximate) return named('gelu');
      // 0.5 x (1 + tanh(y)) = x sigmoid(2 y); the layer's own name of it is misread on loading.
      const k = 2 * Math.sqrt(2 / Math.PI);
      // Never one tensor twice: TensorFlow.js disposes of it after the first.
      const square = g.layer('Multiply', [x, affine(g, x, { gamma: all(0.044715 * k) })]);
      const factor = affine(g, square, { beta: all(k) });
      const gate = g.layer('Activation', [g.layer('Multiply', [x, factor])], { activation: 'sigmoid' });
      return g.layer('Multiply', [x, gate]);
    }
    default:
      return named(activation.kind);
  }
}

interface Affine {
  readonly gamma?: Float32Array;
  readonly beta?: Float32Array;
  readonly mean?: Float32Array;
  readonly variance?: Float32Array;
  readonly epsilon?: number;
}

/** Batch normalization, which is also the one layer that multiplies by constants and adds them. */
function affine(g: LayerGraph, x: Output, { gamma, beta, mean, variance, epsilon = 0 }: Affine): Output {
  const all = (value: number) => new Float32Array(x.width).fill(value);
  return g.layer(
    'BatchNormalization',
    [x],
    { axis: -1, epsilon, center: true, scale: true },
    {
      gamma: vector(gamma ?? all(1)),
      beta: vector(beta ?? all(0)),
      moving_mean: vector(mean ?? all(0)),
      moving_variance: vector(variance ?? all(1)),
    },
  );
}

interface Weight {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

const vector = (values: Float32Array): Weight => ({ shape: [values.length], values });

const ZEROS = { class_name: 'Zeros', config: {} };

/** What a layer gives: a matrix with `width` columns. */
interface Output {
  readonly name: string;
  readonly width: number;
}

class LayerGraph {
  readonly layers: object[] = [];
  /** In the order of the file. */
  readonly weights: (Weight & { readonly name: string })[] = [];

  input(name: string, width: number): Output {
    const config = { name, batch_input_shape: [null, width], dtype: 'float32', sparse: false };
    this.layers.push({ class_name: 'InputLayer', name, config, inbound_nodes: [] });
    return { name, width };
  }

  /** Adds a layer that gives as many columns as it takes. */
  layer(
    className: string,
    inputs: readonly [Output, ...Output[]],
    config: Readonly<Record<string, unknown>> = {},
    weights: Readonly<Record<string, Weight>> = {},
  ): Output {
    const name = `${snake(className)}_${this.layers.length}`;
    const inbound_nodes = [inputs.map((input) => [input.name, 0, 0, {}])];
    this.layers.push({ class_name: className, name, config: { name, trainable: true, ...config }, inbound_nodes });
    for (const [key, weight] of Object.entries(weights)) this.weights.push({ name: `${name}/${key}`, ...weight });
    return { name, width: inputs[0].width };
  }
}

/** `BatchNormalization` becomes `batch_normalization`. */
const snake = (name: string) => name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase();
