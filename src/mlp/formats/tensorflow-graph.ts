import {
  type Constant,
  type DType,
  GraphBuilder,
  type Shape,
  type Signature,
  type Tensor,
} from '../graph/graph-builder.js';
import { cast, matMul, placeholder, plain } from '../graph/ops.js';
import type { CompleteActivation } from '../network.js';
import type { InferencePlan, InferenceStep } from './inference.js';

/** Name of a SavedModel's signature that TensorFlow Serving and others call unless told otherwise. */
export const SERVING = 'serving_default';

/**
 * The graph of a plan: `features` float32 [rows, inputs] goes in; `probabilities`, or `values`, float32 [rows, outputs]
 * come out, and for classes `classes`, the likeliest's name, string [rows].
 */
export function tensorFlowGraph(plan: InferencePlan): { graph: GraphBuilder; signature: Signature } {
  const graph = new GraphBuilder();
  const features = { ...placeholder(graph, 'features', 'float32', [-1, plan.inputs]), shape: [-1, plan.inputs] };
  const values = plan.steps.reduce<Tensor>((x, step) => emit(graph, step, x), features);
  const outputs = { ...plain(graph, 'Identity', [values], { name: 'outputs' }), shape: [-1, plan.outputs] };
  const name = plan.task === 'values' ? 'values' : 'probabilities';
  if (plan.task !== 'classes' || !plan.names)
    return { graph, signature: { inputs: { features }, outputs: { [name]: outputs } } };
  const likeliest = argmax(graph, outputs);
  const names = constantOf(graph, { dtype: 'string', shape: [plan.names.length], values: plan.names });
  const classes = { ...gatherByInt64(graph, names, likeliest), shape: [-1] };
  return { graph, signature: { inputs: { features }, outputs: { [name]: outputs, classes } } };
}

function emit(g: GraphBuilder, step: InferenceStep, x: Tensor): Tensor {
  switch (step.kind) {
    case 'standardize': {
      // In float64, as the scaler: a float32 mean would lose the digits of features far from 0.
      const centred = plain(g, 'Sub', [asFloat64(g, x), vector(g, 'float64', step.mean)]);
      return asFloat32(g, plain(g, 'RealDiv', [centred, vector(g, 'float64', step.deviation)]));
    }
    case 'dense': {
      const { inputs, units, kernel } = step;
      const weights = constantOf(g, { dtype: 'float32', shape: [inputs, units], values: kernel });
      return plain(g, 'BiasAdd', [matMul(g, x, weights), vector(g, 'float32', step.bias)]);
    }
    case 'batch-normalization': {
      const { gamma, beta, mean, variance, epsilon } = step;
      const scale = gamma.map((value, i) => value / Math.sqrt(variance[i]! + epsilon));
      const centred = plain(g, 'Sub', [x, vector(g, 'float32', mean)]);
      return plain(g, 'AddV2', [plain(g, 'Mul', [centred, vector(g, 'float32', scale)]), vector(g, 'float32', beta)]);
    }
    case 'layer-normalization': {
      const centred = plain(g, 'Sub', [x, rowMean(g, x)]);
      const variance = rowMean(g, plain(g, 'Square', [centred]));
      const scale = plain(g, 'Rsqrt', [plain(g, 'AddV2', [variance, scalar(g, step.epsilon)])]);
      const normal = plain(g, 'Mul', [plain(g, 'Mul', [centred, scale]), vector(g, 'float32', step.gamma)]);
      return plain(g, 'AddV2', [normal, vector(g, 'float32', step.beta)]);
    }
    case 'activation':
      return activate(g, step.activation, x);
    case 'softmax':
      return plain(g, 'Softmax', [x]);
  }
}

function activate(g: GraphBuilder, activation: CompleteActivation, x: Tensor): Tensor {
  const times = (a: Tensor, b: Tensor | number) => plain(g, 'Mul', [a, typeof b === 'number' ? scalar(g, b) : b]);
  const plus = (a: Tensor, b: Tensor | number) => plain(g, 'AddV2', [a, typeof b === 'number' ? scalar(g, b) : b]);
  switch (activation.kind) {
    case 'relu':
      return plain(g, 'Relu', [x]);
    case 'tanh':
      return plain(g, 'Tanh', [x]);
    case 'sigmoid':
      return plain(g, 'Sigmoid', [x]);
    case 'softplus':
      return plain(g, 'Softplus', [x]);
    case 'linear':
      return x;
    case 'leaky-relu':
      return g.emit('LeakyRelu', [x], ['float32'], {
        T: { type: 'float32' },
        alpha: { float: activation.negativeSlope },
      })[0];
    case 'elu':
      // TensorFlow's Elu has an alpha of 1, which matters below 0 only.
      if (activation.alpha === 1) return plain(g, 'Elu', [x]);
      return plus(
        plain(g, 'Relu', [x]),
        times(plain(g, 'Expm1', [plain(g, 'Minimum', [x, scalar(g, 0)])]), activation.alpha),
      );
    case 'gelu': {
      const inner = activation.approximate
        ? plain(g, 'Tanh', [times(plus(x, times(times(times(x, x), x), 0.044715)), Math.sqrt(2 / Math.PI))])
        : plain(g, 'Erf', [times(x, Math.SQRT1_2)]);
      return times(times(x, 0.5), plus(inner, 1));
    }
  }
}

function constantOf(g: GraphBuilder, tensor: Constant): Tensor {
  return g.emit('Const', [], [tensor.dtype as DType], { dtype: { type: tensor.dtype }, value: { tensor } })[0]!;
}

function vector(g: GraphBuilder, dtype: 'float32', values: Float32Array): Tensor;
function vector(g: GraphBuilder, dtype: 'float64', values: Float64Array): Tensor;
function vector(g: GraphBuilder, dtype: 'float32' | 'float64', values: Float32Array | Float64Array): Tensor {
  return constantOf(g, { dtype, shape: [values.length] as Shape, values } as Constant);
}

const scalar = (g: GraphBuilder, value: number) => constantOf(g, { dtype: 'float32', shape: [], values: [value] });

const asFloat64 = (g: GraphBuilder, x: Tensor) =>
  g.emit('Cast', [x], ['float64'], { SrcT: { type: x.dtype }, DstT: { type: 'float64' } })[0];
const asFloat32 = (g: GraphBuilder, x: Tensor) => cast(g, x, 'float32');

/** Of each row, as a column. */
function rowMean(g: GraphBuilder, x: Tensor): Tensor {
  const axis = constantOf(g, { dtype: 'int32', shape: [1], values: [-1] });
  const attributes = { T: { type: 'float32' }, Tidx: { type: 'int32' }, keep_dims: { bool: true } } as const;
  return g.emit('Mean', [x, axis], ['float32'], attributes)[0];
}

/** The first of equals, as `argmaxRows`. */
function argmax(g: GraphBuilder, x: Tensor): Tensor {
  const axis = constantOf(g, { dtype: 'int32', shape: [], values: [1] });
  const attributes = { T: { type: 'float32' }, Tidx: { type: 'int32' }, output_type: { type: 'int64' } } as const;
  return g.emit('ArgMax', [x, axis], ['int64'], attributes)[0];
}

function gatherByInt64(g: GraphBuilder, from: Tensor, indices: Tensor): Tensor {
  const axis = constantOf(g, { dtype: 'int32', shape: [], values: [0] });
  const attributes = {
    Tparams: { type: from.dtype },
    Tindices: { type: 'int64' },
    Taxis: { type: 'int32' },
    batch_dims: { int: 0 },
  } as const;
  return g.emit('GatherV2', [from, indices, axis], [from.dtype], attributes)[0]!;
}
