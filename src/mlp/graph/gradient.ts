import { type Layout, parametersOf } from '../layout.js';
import type { Network } from '../network.js';
import type { GraphBuilder, Tensor } from './graph-builder.js';
import { type Applied, applyLayer, type TrainingBatch } from './layers.js';
import { lossOps, outputOps } from './losses.js';
import { concat, reshape, size, split, sum } from './ops.js';

/** The rows of one gradient. */
export interface Batch {
  readonly features: Tensor;
  readonly labels: Tensor;
  /** Their numbers. */
  readonly rows: Tensor;
  /** Of the rows, [rows]; absent: each counts once. */
  readonly weights?: Tensor;
  /** What keys dropout: int32 scalars. */
  readonly shard: Tensor;
  readonly step: Tensor;
}

/** Class probabilities, or values. */
export function predictionOps(
  g: GraphBuilder,
  network: Network,
  layout: Layout,
  theta: Tensor,
  features: Tensor,
): Tensor {
  const applied = forward(g, layout, theta, features, undefined);
  return outputOps(g, network, applied.at(-1)!.y);
}

/**
 * Weighted loss of each row, and the gradient of their sum in theta's layout; penalties on the weights are the update's.
 */
export function gradientOps(
  g: GraphBuilder,
  network: Network,
  layout: Layout,
  theta: Tensor,
  batch: Batch,
  seed: number,
): { gradient: Tensor; perRow: Tensor } {
  const { features, labels, weights, shard, step } = batch;
  const rows = size(g, batch.rows);
  const weight = weights ? sum(g, weights, 0) : rows;
  const applied = forward(g, layout, theta, features, { seed, shard, step, rows, weight });
  const compared = lossOps(g, network, applied.at(-1)!.y, labels, weights);

  const pieces: Tensor[] = [];
  let dy = () => compared.gradient;
  for (const { back } of applied.toReversed()) {
    const { parameters, dx } = back(dy());
    pieces.unshift(...parameters.map((piece) => reshape(g, piece, [-1])));
    dy = dx;
  }
  return { gradient: concat(g, pieces), perRow: compared.perRow };
}

function forward(
  g: GraphBuilder,
  layout: Layout,
  theta: Tensor,
  features: Tensor,
  training: TrainingBatch | undefined,
): Applied[] {
  const pieces = split(
    g,
    theta,
    layout.parameters.map((parameter) => parameter.size),
  );
  const values = new Map(layout.parameters.map((parameter, i) => [parameter, pieces[i]!]));
  let x = features;
  return layout.layers.map((layer) => {
    const parameters = parametersOf(layer).map((parameter) =>
      parameter.shape.length === 1 ? values.get(parameter)! : reshape(g, values.get(parameter)!, parameter.shape),
    );
    const applied = applyLayer(g, layer, parameters, x, training);
    x = applied.y;
    return applied;
  });
}
