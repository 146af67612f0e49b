import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { type Layout, type Parameter, parametersOf } from '../layout.js';
import type { Network } from '../network.js';
import type { Tfjs } from './activations.js';
import { type CustomLoss, compareBy } from './custom-loss.js';
import { type Applied, applyLayer, type TrainingBatch } from './layers.js';
import { compare, output } from './losses.js';

/** A network's parameters as tensors of their shapes. */
export type ParameterTensors = ReadonlyMap<Parameter, Tensor>;

/** The rows of one gradient. */
export interface Batch extends TrainingBatch {
  readonly features: Tensor2D;
  /** [rows, outputs]: values, or ones at the classes. */
  readonly labels: Tensor2D;
  /** Of the rows, [rows]; absent: each counts once. */
  readonly weights?: Tensor1D;
  /** In the place of the network's. */
  readonly loss?: CustomLoss;
}

/** Class probabilities, probabilities of labels, or values. */
export function tfjsPredict(
  tf: Tfjs,
  network: Network,
  layout: Layout,
  theta: ParameterTensors,
  features: Tensor2D,
): Tensor2D {
  return output(tf, network, forward(tf, layout, theta, features, undefined).at(-1)!.y);
}

/** Weighted losses of the rows, for those who differentiate themselves. */
export function tfjsLosses(
  tf: Tfjs,
  network: Network,
  layout: Layout,
  theta: ParameterTensors,
  { features, labels, weights, ...training }: Batch,
): Tensor1D {
  const values = forward(tf, layout, theta, features, training).at(-1)!.y;
  return compare(tf, network, values, labels, weights).perRow;
}

/** What one gradient comes to, to be read. */
export interface GradientTensors {
  /** Of each parameter. */
  readonly parameters: ReadonlyMap<Parameter, Tensor>;
  /** Weighted losses of the rows. */
  readonly perRow: Tensor1D;
}

/** Weighted sums over the rows. To be called inside `tf.tidy`; computes nothing by itself where a device computes later. */
export function tfjsGradient(
  tf: Tfjs,
  network: Network,
  layout: Layout,
  theta: ParameterTensors,
  { features, labels, weights, loss, ...training }: Batch,
): GradientTensors {
  const applied = forward(tf, layout, theta, features, training);
  const values = applied.at(-1)!.y;
  const compared = loss
    ? compareBy(loss, tf, network, values, labels, weights)
    : compare(tf, network, values, labels, weights);
  const gradient = new Map<Parameter, Tensor>();
  let dy = () => compared.gradient;
  layout.layers.toReversed().forEach((layer, i) => {
    const { parameters, dx } = applied.at(-1 - i)!.back(dy());
    parametersOf(layer).forEach((parameter, k) => {
      gradient.set(parameter, parameters[k]!);
    });
    dy = dx;
  });
  return { parameters: gradient, perRow: compared.perRow };
}

/** In theta's layout, once the tensors can be read. */
export function readGradient(layout: Layout, { parameters, perRow }: GradientTensors) {
  const gradient = new Float32Array(layout.length);
  for (const [{ offset }, tensor] of parameters) gradient.set(tensor.dataSync<'float32'>(), offset);
  const lossSum = perRow.dataSync<'float32'>().reduce((sum, loss) => sum + loss, 0);
  return { gradient, lossSum };
}

function forward(
  tf: Tfjs,
  layout: Layout,
  theta: ParameterTensors,
  features: Tensor2D,
  training: TrainingBatch | undefined,
): Applied[] {
  let x = features;
  return layout.layers.map((layer) => {
    const parameters = parametersOf(layer).map((parameter) => theta.get(parameter)!);
    const applied = applyLayer(tf, layer, parameters, x, training);
    x = applied.y;
    return applied;
  });
}
