import type { Precision } from '../backend.js';
import { type Layout, type Parameter, parametersOf } from '../layout.js';
import type { Network } from '../network.js';
import type { GraphBuilder, Tensor } from './graph-builder.js';
import { type Applied, applyLayer, type TrainingBatch } from './layers.js';
import { lossOps, outputOps } from './losses.js';
import { cast, size, sum } from './ops.js';

/** A network's parameters as tensors of their shapes. */
export type ParameterTensors = ReadonlyMap<Parameter, Tensor>;

/** The rows of one gradient. */
export interface BatchTensors {
  readonly features: Tensor;
  readonly labels: Tensor;
  /** Their numbers. */
  readonly rows: Tensor;
  /** Of the rows, [rows]; absent: each counts once. */
  readonly weights?: Tensor;
  /** What keys dropout: int32 scalars, and a vector of two words. */
  readonly shard: Tensor;
  readonly step: Tensor;
  readonly key?: Tensor;
}

/** Class probabilities, or values. */
export function predictionOps(
  g: GraphBuilder,
  network: Network,
  layout: Layout,
  parameters: ParameterTensors,
  features: Tensor,
): Tensor {
  const applied = forward(g, layout, parameters, features, undefined);
  return outputOps(g, network, applied.at(-1)!.y);
}

/**
 * Weighted loss of each row, and the gradient of their sum, a piece a parameter in theta's order; penalties on the weights are
 * the update's.
 */
export function gradientOps(
  g: GraphBuilder,
  network: Network,
  layout: Layout,
  parameters: ParameterTensors,
  batch: BatchTensors,
  precision: Precision,
): { gradient: Tensor[]; perRow: Tensor } {
  const { features, labels, weights, shard, step, key } = batch;
  const rows = size(g, batch.rows);
  const weight = weights ? sum(g, weights, 0) : rows;
  const applied = forward(g, layout, parameters, features, { key, shard, step, rows, weight, precision });
  const compared = lossOps(g, network, cast(g, applied.at(-1)!.y, 'float32'), labels, weights);

  const gradient: Tensor[] = [];
  let dy = () => compared.gradient;
  for (const { back } of applied.toReversed()) {
    const { parameters, dx } = back(dy());
    gradient.unshift(...parameters);
    dy = dx;
  }
  return { gradient, perRow: compared.perRow };
}

function forward(
  g: GraphBuilder,
  layout: Layout,
  parameters: ParameterTensors,
  features: Tensor,
  training: TrainingBatch | undefined,
): Applied[] {
  let x = features;
  return layout.layers.map((layer) => {
    const own = parametersOf(layer).map((parameter) => parameters.get(parameter)!);
    const applied = applyLayer(g, layer, own, x, training);
    x = applied.y;
    return applied;
  });
}
