import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Attribute, type DType, type GraphNode, reference, type Signature } from './graph-builder.js';

/** Tag under which a SavedModel's graph is found. */
export const TAG = 'serve';

/** Numbers of tensorflow/core/framework/types.proto. */
const dtypeNumber: Readonly<Record<DType, number>> = { float32: 1, int32: 3, int64: 9, resource: 20 };

/** Version of the GraphDef's semantics: ops as of TensorFlow 2.18 and later mean what they mean there. */
const GRAPH_PRODUCER = 2000;

/**
 * Writes a graph as a TensorFlow SavedModel without variables: `directory/saved_model.pb`, by the protobuf classes that
 * tfjs-node carries.
 */
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
  const pb = protobufClasses();
  const graph = new pb.GraphDef();
  for (const node of nodes) graph.addNode(encodeNode(pb, node));
  const versions = new pb.VersionDef();
  versions.setProducer(GRAPH_PRODUCER);
  graph.setVersions(versions);

  const info = new pb.MetaGraphDef.MetaInfoDef();
  info.addTags(TAG);
  const meta = new pb.MetaGraphDef();
  meta.setMetaInfoDef(info);
  meta.setGraphDef(graph);
  for (const [name, signature] of Object.entries(signatures))
    meta.getSignatureDefMap().set(name, encodeSignature(pb, signature));

  const model = new pb.SavedModel();
  model.setSavedModelSchemaVersion(1);
  model.addMetaGraphs(meta);
  return model.serializeBinary();
}

function encodeNode(pb: Protobuf, { name, op, inputs, attributes }: GraphNode): Message {
  const node = new pb.NodeDef();
  node.setName(name);
  node.setOp(op);
  for (const input of inputs) node.addInput(input);
  for (const [key, attribute] of Object.entries(attributes)) node.getAttrMap().set(key, encodeAttribute(pb, attribute));
  return node;
}

function encodeAttribute(pb: Protobuf, attribute: Attribute): Message {
  const value = new pb.AttrValue();
  if ('type' in attribute) value.setType(dtypeNumber[attribute.type]);
  else if ('types' in attribute) {
    const list = new pb.AttrValue.ListValue();
    for (const dtype of attribute.types) list.addType(dtypeNumber[dtype]);
    value.setList(list);
  } else if ('shape' in attribute) value.setShape(encodeShape(pb, attribute.shape));
  else if ('bool' in attribute) value.setB(attribute.bool);
  else if ('int' in attribute) value.setI(attribute.int);
  else if ('string' in attribute) value.setS(Buffer.from(attribute.string).toString('base64'));
  else {
    const { dtype, shape, values } = attribute.tensor;
    const tensor = new pb.Tensor();
    tensor.setDtype(dtypeNumber[dtype]);
    tensor.setTensorShape(encodeShape(pb, shape));
    for (const element of values) dtype === 'float32' ? tensor.addFloatVal(element) : tensor.addIntVal(element);
    value.setTensor(tensor);
  }
  return value;
}

function encodeShape(pb: Protobuf, dimensions: readonly number[]): Message {
  const shape = new pb.TensorShape();
  for (const size of dimensions) {
    const dimension = new pb.TensorShape.Dim();
    dimension.setSize(size);
    shape.addDim(dimension);
  }
  return shape;
}

function encodeSignature(pb: Protobuf, { inputs, outputs }: Signature): Message {
  const signature = new pb.SignatureDef();
  signature.setMethodName('tensorflow/serving/predict');
  for (const [tensors, map] of [
    [inputs, signature.getInputsMap()],
    [outputs, signature.getOutputsMap()],
  ] as const)
    for (const [key, tensor] of Object.entries(tensors)) {
      const info = new pb.TensorInfo();
      info.setName(reference(tensor));
      info.setDtype(dtypeNumber[tensor.dtype]);
      map.set(key, info);
    }
  return signature;
}

/** The generated classes have no types of their own; this file is the only one that touches them. */
type Message = any;
type Protobuf = any;

function protobufClasses(): Protobuf {
  return createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js');
}
