import { mergeNodes } from '../../ps/tree.js';
import type { Precision } from '../backend.js';
import { type Layout, layoutOf, type Parameter } from '../layout.js';
import { labelKindOf, type Network } from '../network.js';
import { gradientOps, type ParameterTensors, predictionOps } from './gradient.js';
import { GraphBuilder, type GraphNode, type Signature, type Tensor } from './graph-builder.js';
import { addition, afterwards, cast, constant, gather, placeholder } from './ops.js';
import { shardStore } from './shard-store.js';

/** What needs no gradients: the shards' coming and going, and predictions. */
export interface ResidentGraph {
  readonly nodes: readonly GraphNode[];
  readonly signatures: {
    /** shard, features, labels, weights (none: of length 0) -> done */
    readonly loadShard: Signature;
    /** The same of arrays that their owner keeps and never changes, without copies. */
    readonly holdShard: Signature;
    /** The same, features in float32 whatever the precision: rows are taken from the array when they are needed. */
    readonly streamShard: Signature;
    /** shard -> done */
    readonly dropShard: Signature;
    readonly dropStreamed: Signature;
    /** features, then the parameters -> outputs */
    readonly predict: Signature;
  };
}

/** The part of the graph compiler that all calls share. */
export function residentGraph(network: Network, precision: Precision): ResidentGraph {
  const g = new GraphBuilder();
  const layout = layoutOf(network);
  const { store, labelType } = storeOf(g, network, precision);
  const streamed = storeOf(g, network, 'float32').store;
  const done = constant(g, 'int32', 0);
  const shard = placeholder(g, 'shard', 'int32', []);
  const features = placeholder(g, 'features', 'float32', [-1, network.inputs]);
  const labels = placeholder(g, 'labels', labelType, labelType === 'int32' ? [-1] : [-1, network.outputs]);
  const weights = placeholder(g, 'weights', 'float32', [-1]);
  const parameters = parameterInputs(g, layout, '');
  const data = { features: cast(g, features, featureType(precision)), labels, weights };
  const putting = (put: Tensor): Signature => ({
    inputs: { shard, features, labels, weights },
    outputs: { done: afterwards(g, done, [put]) },
  });
  const removing = (remove: Tensor): Signature => ({
    inputs: { shard },
    outputs: { done: afterwards(g, done, [remove]) },
  });
  return {
    nodes: g.nodes,
    signatures: {
      loadShard: putting(store.put(shard, data, 'copied')),
      holdShard: putting(store.put(shard, data)),
      streamShard: putting(streamed.put(shard, { features, labels, weights })),
      dropShard: removing(store.remove(shard)),
      dropStreamed: removing(streamed.remove(shard)),
      predict: {
        inputs: { features, ...named(layout, parameters) },
        outputs: { outputs: predictionOps(g, network, layout, parameters, features) },
      },
    },
  };
}

/** What a call computes: rows of shards, and the networks whose gradients on some of them are summed. */
export interface SumsShape {
  readonly batches: readonly { readonly shard: number; readonly weighted: boolean; readonly streamed?: boolean }[];
  /** Of each network, the places of its batches among them. */
  readonly networks: readonly (readonly number[])[];
  /** G, over which the canonical tree stands. */
  readonly shards: number;
}

/**
 * A call's graph, to be added to the resident one. Inputs, in order: step; of each batch its shard and rows; of each
 * network its dropout's key, if it has dropout, and its parameters. Outputs: of each network, for each of its subtree sums
 * in ascending order, the parameters' gradients; then of each network and batch the rows' losses.
 *
 * Every shard's gradient is computed by operations of its own, of the shapes it has alone, so its bits are those it has alone.
 */
export function sumsGraph(
  network: Network,
  shape: SumsShape,
  precision: Precision,
): { readonly nodes: readonly GraphNode[]; readonly signature: Signature } {
  const g = new GraphBuilder();
  const layout = layoutOf(network);
  const { store } = storeOf(g, network, precision);
  const { store: streams } = storeOf(g, network, 'float32');
  const step = placeholder(g, 'step', 'int32', []);
  const inputs: Record<string, Tensor> = { step };
  const batches = shape.batches.map(({ weighted, streamed }, i) => {
    const shard = placeholder(g, `shard${i}`, 'int32', []);
    const rows = placeholder(g, `rows${i}`, 'int32', [-1]);
    inputs[`shard${i}`] = shard;
    inputs[`rows${i}`] = rows;
    const resident = (streamed ? streams : store).peek(shard);
    return {
      ...{ rows, shard, step },
      features: gather(g, resident.features, rows),
      labels: gather(g, resident.labels, rows),
      ...(weighted && { weights: gather(g, resident.weights, rows) }),
    };
  });
  const sums: Tensor[] = [];
  const losses: Tensor[] = [];
  shape.networks.forEach((own, m) => {
    const key = hasDropout(layout) ? placeholder(g, `key${m}`, 'int32', [2]) : undefined;
    if (key) inputs[`key${m}`] = key;
    const parameters = parameterInputs(g, layout, `network${m}/`);
    Object.assign(inputs, named(layout, parameters, `network${m}/`));
    const leaves = own.map((i) => {
      const { gradient, perRow } = gradientOps(g, network, layout, parameters, { ...batches[i]!, key }, precision);
      losses.push(perRow);
      return { level: 0, index: shape.batches[i]!.shard, value: gradient };
    });
    const add = (left: Tensor[], right: Tensor[]) => left.map((piece, k) => addition(g, piece, right[k]!));
    for (const { value } of mergeNodes(leaves, shape.shards, add)) sums.push(...value);
  });
  const outputs = Object.fromEntries([...sums, ...losses].map((tensor, i) => [`${i}`, tensor]));
  return { nodes: g.nodes, signature: { inputs, outputs } };
}

export function hasDropout({ layers }: Layout): boolean {
  return layers.some(({ kind }) => kind === 'dropout');
}

function parameterInputs(g: GraphBuilder, { parameters }: Layout, prefix: string): ParameterTensors {
  return new Map(
    parameters.map((parameter) => [parameter, placeholder(g, prefix + parameter.name, 'float32', parameter.shape)]),
  );
}

function named({ parameters }: Layout, tensors: ReadonlyMap<Parameter, Tensor>, prefix = ''): Record<string, Tensor> {
  return Object.fromEntries(parameters.map((parameter) => [prefix + parameter.name, tensors.get(parameter)!]));
}

const featureType = (precision: Precision) => (precision === 'bf16' ? 'bfloat16' : 'float32');

/** The shards' store, the same resource in every part of the graph. */
export function storeOf(g: GraphBuilder, network: Network, precision: Precision) {
  const labelType = labelKindOf(network) === 'classes' ? 'int32' : 'float32';
  return { labelType, store: shardStore(g, featureType(precision), labelType) } as const;
}
