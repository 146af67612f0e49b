import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import type { Precision } from '../backend.js';
import type { Network } from '../network.js';
import { GraphBuilder, type Signature } from './graph-builder.js';
import { residentGraph, sumsGraph } from './network-graph.js';
import { constant, placeholder, plain } from './ops.js';
import { encodeSavedModel } from './saved-model.js';

const network: Network = {
  inputs: 4,
  hidden: [{ units: 3, activation: 'relu' }],
  outputs: 2,
  loss: 'softmax-cross-entropy',
  l2: 0.1,
};

const shape = { batches: [0, 1].map((shard) => ({ shard, weighted: true })), networks: [[0, 1], [1]], shards: 2 };

describe.each([
  ['residentGraph', residentGraph(network, 'float32')],
  ['sumsGraph', sumsOf('float32')],
  ['sumsGraph in bfloat16', sumsOf('bf16')],
])('%s', (_name, { nodes, signatures }) => {
  it('names every node once, and refers only to nodes that exist', () => {
    const names = nodes.map((node) => node.name);
    expect(new Set(names).size).toBe(names.length);
    for (const node of nodes)
      for (const input of node.inputs) expect(names).toContain(input.replace(/^\^/, '').replace(/:\d+$/, ''));
    for (const { inputs, outputs } of Object.values<Signature>({ ...signatures }))
      for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) expect(names).toContain(tensor.node);
  });
});

function sumsOf(precision: Precision) {
  const { nodes, signature } = sumsGraph(network, shape, precision);
  return { nodes, signatures: { sums: signature } };
}

describe('sumsGraph', () => {
  it('takes rows by number, and the parameters of each network', () => {
    const { signature } = sumsGraph(network, shape, 'float32');
    const parameters = ['layer0/kernel', 'layer0/bias', 'layer1/kernel', 'layer1/bias'];
    const own = [0, 1].flatMap((m) => parameters.map((name) => `network${m}/${name}`));
    expect(Object.keys(signature.inputs)).toEqual(['step', 'shard0', 'rows0', 'shard1', 'rows1', ...own]);
    // Two networks, each with one sum of four pieces; then the losses of three batches.
    expect(Object.keys(signature.outputs)).toHaveLength(2 * 4 + 3);
  });

  it('casts features when they are loaded, and a kernel once for all its batches', () => {
    const casts = sumsGraph(network, shape, 'bf16').nodes.filter(({ op }) => op === 'Cast');
    const kernels = casts.filter(({ inputs }) => inputs[0]!.includes('kernel'));
    expect(kernels).toHaveLength(4);
    expect(casts.some(({ inputs }) => inputs[0]!.startsWith('Gather'))).toBe(false);
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
    const { nodes, signatures } = residentGraph(network, 'float32');
    const { SavedModel } = createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js');
    const [meta] = SavedModel.deserializeBinary(encodeSavedModel(nodes, signatures)).toObject().metaGraphsList;
    expect(meta.metaInfoDef.tagsList).toEqual(['serve']);
    expect(meta.graphDef.nodeList.map((node: { name: string }) => node.name)).toEqual(nodes.map((node) => node.name));
    expect(meta.signatureDefMap.map(([name]: [string]) => name).sort()).toEqual(Object.keys(signatures).sort());
    const map = meta.graphDef.nodeList.find((node: { name: string }) => node.name === 'MapStage');
    const sharedName = map.attrMap.find(([key]: [string]) => key === 'shared_name')[1].s;
    expect(Buffer.from(sharedName, 'base64').toString()).toBe('shards-float32');
  });
});
