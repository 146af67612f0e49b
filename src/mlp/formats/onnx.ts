import type { CompleteActivation } from '../network.js';
import type { InferencePlan, InferenceStep } from './inference.js';
import { ModelProto } from './onnx-schema.js';

/** Of 2022: the first with LayerNormalization, read by ONNX Runtime from 1.13 on. */
export const OPSET = 17;
const IR_VERSION = 8;

/** Numbers of TensorProto.DataType and AttributeProto.AttributeType. */
const TYPE = { float32: 1, string: 8, float64: 11 } as const;
const FLOAT = 1;
const INT = 2;

/**
 * A plan as an ONNX model of opset 17: `features` float32 [rows, inputs] goes in; `probabilities`, or `values`, float32
 * [rows, outputs] come out, and for classes `classes`, the likeliest's name, string [rows].
 * @param metadata written into the model's `metadata_props`
 */
export function encodeOnnx(plan: InferencePlan, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  const graph = new OnnxGraph();
  const last = plan.steps.reduce((x, step) => emit(graph, step, x), 'features');
  const name = plan.task === 'values' ? 'values' : 'probabilities';
  graph.node('Identity', [last], {}, name);
  const output = [valueInfo(name, 'float32', ['rows', plan.outputs])];
  if (plan.task === 'classes' && plan.names) {
    const likeliest = graph.node('ArgMax', [name], { axis: 1, keepdims: 0 });
    graph.node('Gather', [graph.strings(plan.names), likeliest], { axis: 0 }, 'classes');
    output.push(valueInfo('classes', 'string', ['rows']));
  }
  const { nodes: node, initializers: initializer } = graph;
  const input = [valueInfo('features', 'float32', ['rows', plan.inputs])];
  return ModelProto.encode({
    ir_version: IR_VERSION,
    producer_name: 'sheaf',
    opset_import: [{ domain: '', version: OPSET }],
    graph: { name: 'network', node, initializer, input, output },
    metadata_props: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  }).finish();
}

function emit(g: OnnxGraph, step: InferenceStep, x: string): string {
  switch (step.kind) {
    case 'standardize': {
      // In float64, as the scaler: a float32 mean would lose the digits of features far from 0.
      const wide = g.node('Cast', [x], { to: TYPE.float64 });
      const centred = g.node('Sub', [wide, g.tensor('float64', step.mean)]);
      const scaled = g.node('Div', [centred, g.tensor('float64', step.deviation)]);
      return g.node('Cast', [scaled], { to: TYPE.float32 });
    }
    case 'dense': {
      const kernel = g.tensor('float32', step.kernel, [step.inputs, step.units]);
      return g.node('Gemm', [x, kernel, g.tensor('float32', step.bias)]);
    }
    case 'batch-normalization': {
      const parameters = [step.gamma, step.beta, step.mean, step.variance];
      const inputs = [x, ...parameters.map((values) => g.tensor('float32', values))];
      return g.node('BatchNormalization', inputs, { epsilon: float(step.epsilon) });
    }
    case 'layer-normalization': {
      const inputs = [x, g.tensor('float32', step.gamma), g.tensor('float32', step.beta)];
      return g.node('LayerNormalization', inputs, { axis: -1, epsilon: float(step.epsilon) });
    }
    case 'activation':
      return activate(g, step.activation, x);
    case 'softmax':
      return g.node('Softmax', [x], { axis: -1 });
  }
}

function activate(g: OnnxGraph, activation: CompleteActivation, x: string): string {
  const times = (a: string, b: string | number) => g.node('Mul', [a, typeof b === 'number' ? g.scalar(b) : b]);
  const plus = (a: string, b: string | number) => g.node('Add', [a, typeof b === 'number' ? g.scalar(b) : b]);
  switch (activation.kind) {
    case 'relu':
      return g.node('Relu', [x]);
    case 'tanh':
      return g.node('Tanh', [x]);
    case 'sigmoid':
      return g.node('Sigmoid', [x]);
    case 'softplus':
      return g.node('Softplus', [x]);
    case 'linear':
      return x;
    case 'leaky-relu':
      return g.node('LeakyRelu', [x], { alpha: float(activation.negativeSlope) });
    case 'elu':
      return g.node('Elu', [x], { alpha: float(activation.alpha) });
    case 'gelu': {
      const inner = activation.approximate
        ? g.node('Tanh', [times(plus(x, times(times(times(x, x), x), 0.044715)), Math.sqrt(2 / Math.PI))])
        : g.node('Erf', [times(x, Math.SQRT1_2)]);
      return times(times(x, 0.5), plus(inner, 1));
    }
  }
}

interface Float {
  readonly float: number;
}

const float = (value: number): Float => ({ float: value });

class OnnxGraph {
  readonly nodes: object[] = [];
  readonly initializers: object[] = [];

  /** Adds a node and returns its output's name. @param attributes numbers are integers */
  node(
    op: string,
    input: readonly string[],
    attributes: Readonly<Record<string, number | Float>> = {},
    name = `${op}_${this.nodes.length}`,
  ): string {
    const attribute = Object.entries(attributes).map(([key, value]) =>
      typeof value === 'number' ? { name: key, i: value, type: INT } : { name: key, f: value.float, type: FLOAT },
    );
    this.nodes.push({ op_type: op, name, input, output: [name], attribute });
    return name;
  }

  tensor(type: 'float32' | 'float64', values: Float32Array | Float64Array, dims: readonly number[] = [values.length]) {
    const raw_data = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
    return this.#initializer({ dims, data_type: TYPE[type], raw_data });
  }

  scalar(value: number): string {
    return this.tensor('float32', Float32Array.of(value), []);
  }

  strings(values: readonly string[]): string {
    const string_data = values.map((text) => Buffer.from(text));
    return this.#initializer({ dims: [values.length], data_type: TYPE.string, string_data });
  }

  #initializer(tensor: object): string {
    const name = `constant_${this.initializers.length}`;
    this.initializers.push({ ...tensor, name });
    return name;
  }
}

function valueInfo(name: string, type: keyof typeof TYPE, dimensions: readonly (string | number)[]) {
  const dim = dimensions.map((size) => (typeof size === 'string' ? { dim_param: size } : { dim_value: size }));
  return { name, type: { tensor_type: { elem_type: TYPE[type], shape: { dim } } } };
}
