import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import type { Network } from '../network.js';
import { GraphBuilder } from './graph-builder.js';
import { networkGraph } from './network-graph.js';
import { constant, placeholder, plain } from './ops.js';
import { encodeSavedModel } from './saved-model.js';

const network: Network = {
  inputs: 4,
  hidden: [{ units: 3, activation: 'relu' }],
  outputs: 2,
  loss: 'softmax-cross-entropy',
  l2: 0.1,
};

describe('networkGraph', () => {
  const { nodes, signatures } = networkGraph(network, { kind: 'adam', learningRate: 0.1 });

  it('names every node once, and refers only to nodes that exist', () => {
    const names = nodes.map((node) => node.name);
    expect(new Set(names).size).toBe(names.length);
    for (const node of nodes)
      for (const input of node.inputs) expect(names).toContain(input.replace(/^\^/, '').replace(/:\d+$/, ''));
    for (const { inputs, outputs } of Object.values(signatures))
      for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) expect(names).toContain(tensor.node);
  });

  it('keeps the state in one variable of theta and one a slot', () => {
    const variables = nodes.filter((node) => node.op === 'VarHandleOp').map((node) => node.name);
    expect(variables).toEqual(['theta', 'slot0', 'slot1']);
  });

  it('feeds rows by number: features enter a session once', () => {
    expect(Object.keys(signatures.gradient.inputs)).toEqual(['shard', 'rows', 'step']);
    expect(Object.keys(signatures.gradient.outputs)).toEqual(['gradient', 'losses']);
  });
});

describe('GraphBuilder', () => {
  it('emits nodes as data', () => {
    const g = new GraphBuilder();
    const x = placeholder(g, 'x', 'float32', [-1, 3]);
    const first = plain(g, 'Relu', [x]);
    const second = plain(g, 'Relu', [first], { after: [constant(g, 'int32', [1, 2])] });
    expect(second).toEqual({ node: 'Relu_1', port: 0, dtype: 'float32' });
    expect(g.nodes).toEqual([
      {
        name: 'x',
        op: 'Placeholder',
        inputs: [],
        attributes: { dtype: { type: 'float32' }, shape: { shape: [-1, 3] } },
      },
      { name: 'Relu', op: 'Relu', inputs: ['x:0'], attributes: { T: { type: 'float32' } } },
      {
        name: 'Const',
        op: 'Const',
        inputs: [],
        attributes: { dtype: { type: 'int32' }, value: { tensor: { dtype: 'int32', shape: [2], values: [1, 2] } } },
      },
      { name: 'Relu_1', op: 'Relu', inputs: ['Relu:0', '^Const'], attributes: { T: { type: 'float32' } } },
    ]);
  });
});

describe('encodeSavedModel', () => {
  it('is read back by the protobuf classes of tfjs-node', () => {
    const { nodes, signatures } = networkGraph(network, { kind: 'sgd', learningRate: 0.1 });
    const { SavedModel } = createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js');
    const [meta] = SavedModel.deserializeBinary(encodeSavedModel(nodes, signatures)).toObject().metaGraphsList;
    expect(meta.metaInfoDef.tagsList).toEqual(['serve']);
    expect(meta.graphDef.nodeList.map((node: { name: string }) => node.name)).toEqual(nodes.map((node) => node.name));
    expect(meta.signatureDefMap.map(([name]: [string]) => name).sort()).toEqual(Object.keys(signatures).sort());
    const theta = meta.graphDef.nodeList.find((node: { name: string }) => node.name === 'theta');
    const sharedName = theta.attrMap.find(([key]: [string]) => key === 'shared_name')[1].s;
    expect(Buffer.from(sharedName, 'base64').toString()).toBe('theta');
  });
});
