import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Attribute,
  type Constant,
  type DType,
  type GraphNode,
  reference,
  type Shape,
  type Signature,
} from './graph-builder.js';
import { GraphDef, SavedModel } from './saved-model-schema.js';

/** Tag under which a SavedModel's graph is found. */
export const TAG = 'serve';

/** Numbers of tensorflow/core/framework/types.proto. */
const dtypeNumber: Readonly<Record<DType, number>> = {
  float32: 1,
  float64: 2,
  int32: 3,
  string: 7,
  int64: 9,
  int16: 5,
  bool: 10,
  bfloat16: 14,
  resource: 20,
  uint64: 23,
};

/** Version of the GraphDef's semantics: ops as of TensorFlow 2.18 and later mean what they mean there. */
const GRAPH_PRODUCER = 2000;

/** Writes a graph as a TensorFlow SavedModel without variables: `directory/saved_model.pb`. */
export function writeSavedModel(
  directory: string,
  nodes: readonly GraphNode[],
  signatures: Readonly<Record<string, Signature>>,
): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'saved_model.pb'), encodeSavedModel(nodes, signatures));
}

export function encodeSavedModel(
  nodes: readonly GraphNode[],
  signatures: Readonly<Record<string, Signature>>,
): Uint8Array {
  const model = {
    saved_model_schema_version: 1,
    meta_graphs: [
      {
        meta_info_def: { tags: [TAG] },
        graph_def: graphDef(nodes),
        signature_def: mapValues(signatures, encodeSignature),
      },
    ],
  };
  return SavedModel.encode(model).finish();
}

/** A serialised GraphDef. */
export function encodeGraph(nodes: readonly GraphNode[]): Uint8Array {
  return GraphDef.encode(graphDef(nodes)).finish();
}

function graphDef(nodes: readonly GraphNode[]) {
  return { node: nodes.map(encodeNode), versions: { producer: GRAPH_PRODUCER } };
}

function encodeNode({ name, op, inputs, attributes }: GraphNode) {
  return { name, op, input: inputs, attr: mapValues(attributes, encodeAttribute) };
}

function encodeAttribute(attribute: Attribute) {
  if ('type' in attribute) return { type: dtypeNumber[attribute.type] };
  if ('types' in attribute) return { list: { type: attribute.types.map((dtype) => dtypeNumber[dtype]) } };
  if ('shape' in attribute) return { shape: encodeShape(attribute.shape) };
  if ('bool' in attribute) return { b: attribute.bool };
  if ('int' in attribute) return { i: attribute.int };
  if ('float' in attribute) return { f: attribute.float };
  if ('string' in attribute) return { s: Buffer.from(attribute.string) };
  return { tensor: encodeTensor(attribute.tensor) };
}

const ARRAYS = { float32: Float32Array, float64: Float64Array, int32: Int32Array } as const;

function encodeTensor(tensor: Constant) {
  const { dtype, shape, values } = tensor;
  const head = { dtype: dtypeNumber[dtype], tensor_shape: encodeShape(shape) };
  if (dtype === 'string') return { ...head, string_val: values.map((text) => Buffer.from(text)) };
  const array = ArrayBuffer.isView(values) ? values : ARRAYS[dtype].from(values);
  return { ...head, tensor_content: Buffer.from(array.buffer, array.byteOffset, array.byteLength) };
}

function encodeShape(dimensions: Shape) {
  return { dim: dimensions.map((size) => ({ size })) };
}

function encodeSignature({ inputs, outputs }: Signature) {
  const info = (tensor: Signature['inputs'][string]) => ({
    name: reference(tensor),
    dtype: dtypeNumber[tensor.dtype],
    tensor_shape: tensor.shape ? encodeShape(tensor.shape) : { unknown_rank: true },
  });
  const method_name = 'tensorflow/serving/predict';
  return { inputs: mapValues(inputs, info), outputs: mapValues(outputs, info), method_name };
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, fn: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, fn(value)]));
}
