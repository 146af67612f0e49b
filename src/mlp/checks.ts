import type { ShardData } from './backend.js';
import { labelKindOf, lossOf, type Network } from './network.js';

/** A shard as it is made resident: checked, labels of the type that the loss takes, classes' weights in the rows'. */
export interface PreparedShard {
  readonly rows: number;
  readonly features: Float32Array;
  readonly labels: Int32Array | Float32Array;
  /** Dimensions of the labels: `[rows]` class numbers, or `[rows, outputs]` values. */
  readonly labelShape: readonly number[];
  /** One a row; absent: 1 each. Never an array of the caller's. */
  readonly weights: Float32Array | undefined;
}

/** What a backend must know of a resident shard to check a call. */
export type HeldShard = Pick<PreparedShard, 'rows' | 'weights'>;

/**
 * Checks a shard: lengths that agree, classes the network has, weights that are amounts.
 *
 * @throws TypeError, RangeError saying which shard and what is wrong with it
 */
export function prepareShard(network: Network, shard: number, data: ShardData): PreparedShard {
  const { features } = data;
  const rows = features.length / network.inputs;
  if (!Number.isInteger(rows))
    throw new RangeError(`shard ${shard}: ${features.length} features are not rows of ${network.inputs} inputs`);
  const { labels, labelShape } = prepareLabels(network, shard, rows, data.labels);
  return { rows, features, labels, labelShape, weights: prepareWeights(network, shard, rows, data) };
}

function prepareLabels(network: Network, shard: number, rows: number, given: ShardData['labels']) {
  const kind = labelKindOf(network);
  const binary = kind === 'values' && isBinary(network);
  const fits = given instanceof Int32Array ? kind === 'classes' || binary : kind === 'values';
  if (!fits)
    throw new TypeError(
      `shard ${shard}: loss ${lossOf(network.loss).kind} needs labels in ${kind === 'classes' ? 'an Int32Array' : 'a Float32Array'}`,
    );
  const expected = kind === 'classes' ? rows : rows * network.outputs;
  if (given.length !== expected)
    throw new RangeError(`shard ${shard}: ${rows} rows need ${expected} labels, got ${given.length}`);
  if (given instanceof Int32Array) checkClasses(shard, given, binary ? 2 : network.outputs);
  else checkValues(network, shard, given);
  const labels = binary && given instanceof Int32Array ? Float32Array.from(given) : given;
  return { labels, labelShape: kind === 'classes' ? [rows] : [rows, network.outputs] };
}

function checkClasses(shard: number, labels: Int32Array, classes: number): void {
  const row = labels.findIndex((label) => label < 0 || label >= classes);
  if (row >= 0)
    throw new RangeError(`shard ${shard}: row ${row} has class ${labels[row]}, the network has ${classes} classes`);
}

function checkValues(network: Network, shard: number, labels: Float32Array): void {
  const probabilities = lossOf(network.loss).kind === 'binary-cross-entropy';
  const bad = labels.findIndex((label) => !(Number.isFinite(label) && !(probabilities && (label < 0 || label > 1))));
  if (bad >= 0)
    throw new RangeError(
      `shard ${shard}: label ${bad} is ${labels[bad]}; ${probabilities ? 'binary cross-entropy takes 0 to 1' : 'labels must be finite'}`,
    );
}

function prepareWeights(network: Network, shard: number, rows: number, { labels, weights }: ShardData) {
  if (weights && weights.length !== rows)
    throw new RangeError(`shard ${shard}: ${rows} rows need ${rows} weights, got ${weights.length}`);
  const bad = weights?.findIndex((weight) => !(Number.isFinite(weight) && weight >= 0)) ?? -1;
  if (bad >= 0)
    throw new RangeError(`shard ${shard}: row ${bad} has weight ${weights![bad]}; weights are finite and at least 0`);
  const { classWeights } = network;
  if (!classWeights) return weights?.slice();
  if (labels instanceof Float32Array && labels.some((label) => label !== 0 && label !== 1))
    throw new RangeError(`shard ${shard}: with classWeights every label must be 0 or 1`);
  return Float32Array.from(labels, (label, row) => classWeights[label]! * (weights?.[row] ?? 1));
}

/** Whether labels are two classes, told by one output. */
function isBinary(network: Network): boolean {
  return lossOf(network.loss).kind === 'binary-cross-entropy' && network.outputs === 1;
}

/** @throws RangeError when the shard is not resident or lacks one of the rows */
export function checkRows<Held extends HeldShard>(
  shards: ReadonlyMap<number, Held>,
  shard: number,
  rows: Int32Array,
): Held {
  const held = shards.get(shard);
  if (!held) throw new RangeError(`shard ${shard} is not loaded (loaded: ${[...shards.keys()].join(', ') || 'none'})`);
  for (let i = 0; i < rows.length; i++)
    if (rows[i]! < 0 || rows[i]! >= held.rows)
      throw new RangeError(`shard ${shard} has ${held.rows} rows, row ${rows[i]} was asked for`);
  return held;
}

/** Sum of the rows' weights, in float64. */
export function weightOf({ weights }: HeldShard, rows: Int32Array): number {
  if (!weights) return rows.length;
  let sum = 0;
  for (let i = 0; i < rows.length; i++) sum += weights[rows[i]!]!;
  return sum;
}

/** @throws RangeError naming the array that has another length than it must have */
export function checkLength(name: string, values: ArrayLike<number>, expected: number): void {
  if (values.length !== expected) throw new RangeError(`${name} must have ${expected} values, got ${values.length}`);
}
