import { mergeNodes } from '../../ps/tree.js';
import { type Layout, layoutOf, type Parameter, parametersOf } from '../layout.js';
import type { Network } from '../network.js';
import { activate } from './activations.js';
import { dropoutMaskOps } from './dropout.js';
import { GraphBuilder, type GraphNode, type Signature, type Tensor } from './graph-builder.js';
import { lossOps } from './losses.js';
import { hasDropout, storeOf } from './network-graph.js';
import { addition, batchMatMul, cast, columnSums, gather, pack, placeholder, plain, reshape, unpack } from './ops.js';

/** M networks that all compute on as many rows of the same shards. */
export interface StackedShape {
  /** M. */
  readonly networks: number;
  readonly batches: readonly { readonly shard: number; readonly weighted: boolean }[];
  /** Whether all take the same rows. */
  readonly sameRows: boolean;
  /** G, over which the canonical tree stands. */
  readonly shards: number;
}

/** Layers that M networks can go through as one tensor [M, rows, units]. */
export function isStackable({ layers }: Layout): boolean {
  return layers.every(({ kind }) => kind === 'dense' || kind === 'activation' || kind === 'dropout');
}

/**
 * What `sumsGraph` computes, for M networks at once: an operation handles all of them, which pays where they are so small that
 * starting one takes longer than its arithmetic. Only products and what is exact, element by element, are stacked: all else
 * is computed one by one. Where a product of stacked matrices has the bits it has one by one (found so for TensorFlow's CPU
 * kernels; the caller makes sure) so have all results.
 *
 * Inputs, in order: step; of each batch its shard, its rows ([1, rows], or [M, rows] where networks take rows of their own),
 * the same for labels ([M x rows]), and, with dropout, how many there are; of each network its dropout's key; the parameters,
 * each [M, …its shape]. Outputs: for each subtree sum the parameters' gradients, each [M, …]; of each batch, of each network
 * the rows' losses.
 */
export function stackedGraph(
  network: Network,
  shape: StackedShape,
): { readonly nodes: readonly GraphNode[]; readonly signature: Signature } {
  const g = new GraphBuilder();
  const layout = layoutOf(network);
  const { store } = storeOf(g, network, 'float32');
  const M = shape.networks;
  const keyed = hasDropout(layout);
  const inputs: Record<string, Tensor> = {};
  const input = (name: string, dtype: 'float32' | 'int32', dimensions: readonly number[]) => {
    inputs[name] = placeholder(g, name, dtype, dimensions);
    return inputs[name];
  };
  const step = input('step', 'int32', []);
  const batches = shape.batches.map(({ weighted }, i) => {
    const shard = input(`shard${i}`, 'int32', []);
    const rows = input(`rows${i}`, 'int32', [shape.sameRows ? 1 : M, -1]);
    const all = input(`all${i}`, 'int32', [-1]);
    const count = keyed ? cast(g, input(`count${i}`, 'int32', []), 'float32') : undefined;
    const { features, labels, weights } = store.peek(shard);
    return {
      ...{ shard, count, x: gather(g, features, rows), labels: gather(g, labels, all) },
      weights: weighted ? gather(g, weights, all) : undefined,
    };
  });
  const keys = keyed ? Array.from({ length: M }, (_, m) => input(`key${m}`, 'int32', [2])) : [];
  const parameters = new Map(
    layout.parameters.map((parameter) => [parameter, input(parameter.name, 'float32', [M, ...parameter.shape])]),
  );

  const losses: Tensor[] = [];
  const leaves = batches.map(({ x, labels, weights, shard, count }, i) => {
    const masks = (layer: Parameters<typeof dropoutMaskOps>[1]) =>
      pack(
        g,
        keys.map((key) => dropoutMaskOps(g, layer, { key, shard, step, rows: count! })),
      );
    const applied = forward(g, layout, parameters, x, M, masks);
    const own = (tensor: Tensor, inner: readonly number[]) => unpack(g, reshape(g, tensor, [M, -1, ...inner]), M);
    const values = unpack(g, applied.at(-1)!.y, M);
    const targets = own(labels, labels.dtype === 'int32' ? [] : [network.outputs]);
    const rowWeights = weights && own(weights, []);
    const compared = values.map((each, m) => lossOps(g, network, each, targets[m]!, rowWeights?.[m]));
    losses.push(...compared.map(({ perRow }) => perRow));
    const pieces: Tensor[] = [];
    let dy = () =>
      pack(
        g,
        compared.map(({ gradient }) => gradient),
      );
    for (const { back } of applied.toReversed()) {
      const own = back(dy());
      pieces.unshift(...own.parameters);
      dy = own.dx;
    }
    return { level: 0, index: shape.batches[i]!.shard, value: pieces };
  });
  const add = (left: Tensor[], right: Tensor[]) => left.map((piece, k) => addition(g, piece, right[k]!));
  const sums = mergeNodes(leaves, shape.shards, add).flatMap(({ value }) => value);
  const outputs = Object.fromEntries([...sums, ...losses].map((tensor, i) => [`${i}`, tensor]));
  return { nodes: g.nodes, signature: { inputs, outputs } };
}

/**
 * Activations whose every value is one rounded operation at most. Others are approximated, by one formula in vector registers
 * and another for the elements that are left over at a tensor's end: their bits depend on the tensor's length.
 */
const EXACT: readonly string[] = ['relu', 'leaky-relu', 'linear'];

interface Applied {
  readonly y: Tensor;
  back(dy: Tensor): { readonly parameters: readonly Tensor[]; readonly dx: () => Tensor };
}

function forward(
  g: GraphBuilder,
  layout: Layout,
  parameters: ReadonlyMap<Parameter, Tensor>,
  features: Tensor,
  M: number,
  masks: (layer: Parameters<typeof dropoutMaskOps>[1]) => Tensor,
): Applied[] {
  let x = features;
  return layout.layers.map((layer) => {
    const own = parametersOf(layer).map((parameter) => parameters.get(parameter)!);
    const applied = apply(layer, own, x);
    x = applied.y;
    return applied;
  });

  function apply(layer: Layout['layers'][number], [kernel, bias]: readonly Tensor[], x: Tensor): Applied {
    switch (layer.kind) {
      case 'dense':
        return {
          y: plain(g, 'AddV2', [batchMatMul(g, x, kernel!), reshape(g, bias!, [M, 1, layer.bias.size])]),
          back: (dy) => ({
            parameters: [
              batchMatMul(g, x, dy, { transposeA: true }),
              // One by one, as a network alone sums them: TensorFlow's sum over the middle of three axes has another order.
              pack(
                g,
                unpack(g, dy, M).map((each) => columnSums(g, each)),
              ),
            ],
            dx: () => batchMatMul(g, dy, kernel!, { transposeB: true }),
          }),
        };
      case 'activation': {
        if (EXACT.includes(layer.activation.kind)) {
          const { y, back } = activate(g, x, layer.activation);
          return { y, back: (dy) => ({ parameters: [], dx: () => back(dy) }) };
        }
        const each = unpack(g, x, M).map((own) => activate(g, own, layer.activation));
        const back = (dy: Tensor) => unpack(g, dy, M).map((own, m) => each[m]!.back(own));
        const y = pack(
          g,
          each.map((own) => own.y),
        );
        return { y, back: (dy) => ({ parameters: [], dx: () => pack(g, back(dy)) }) };
      }
      case 'dropout': {
        const mask = masks(layer);
        const masked = (values: Tensor) => plain(g, 'Mul', [values, mask]);
        return { y: masked(x), back: (dy) => ({ parameters: [], dx: () => masked(dy) }) };
      }
      default:
        throw new Error(`networks with ${layer.kind} are not stacked`);
    }
  }
}
