import type { Network } from './network.js';

/** What is known of a resident shard. */
export interface ShardShape {
  readonly rows: number;
  /** Dimensions of the labels: `[rows]` class numbers, or `[rows, outputs]` values. */
  readonly labels: readonly number[];
}

/**
 * Checks a shard before it is made resident: lengths that agree, class numbers the network has.
 *
 * @throws TypeError, RangeError saying which shard and what is wrong with it
 */
export function checkShard(
  network: Network,
  shard: number,
  features: Float32Array,
  labels: Int32Array | Float32Array,
): ShardShape {
  const rows = features.length / network.inputs;
  if (!Number.isInteger(rows))
    throw new RangeError(`shard ${shard}: ${features.length} features are not rows of ${network.inputs} inputs`);
  const classes = network.loss === 'softmax-cross-entropy';
  if (classes !== labels instanceof Int32Array)
    throw new TypeError(
      `shard ${shard}: loss ${network.loss} needs labels in a ${classes ? 'Int32Array' : 'Float32Array'}`,
    );
  const shape = classes ? [rows] : [rows, network.outputs];
  const expected = classes ? rows : rows * network.outputs;
  if (labels.length !== expected)
    throw new RangeError(`shard ${shard}: ${rows} rows need ${expected} labels, got ${labels.length}`);
  if (classes) {
    const row = labels.findIndex((label) => label < 0 || label >= network.outputs);
    if (row >= 0)
      throw new RangeError(
        `shard ${shard}: row ${row} has class ${labels[row]}, the network has ${network.outputs} classes`,
      );
  }
  return { rows, labels: shape };
}

/** @throws RangeError when the shard is not resident or lacks one of the rows */
export function checkRows(shards: ReadonlyMap<number, ShardShape>, shard: number, rows: Int32Array): void {
  const held = shards.get(shard);
  if (!held) throw new RangeError(`shard ${shard} is not loaded (loaded: ${[...shards.keys()].join(', ') || 'none'})`);
  for (let i = 0; i < rows.length; i++)
    if (rows[i]! < 0 || rows[i]! >= held.rows)
      throw new RangeError(`shard ${shard} has ${held.rows} rows, row ${rows[i]} was asked for`);
}

/** @throws RangeError naming the array that has another length than it must have */
export function checkLength(name: string, values: ArrayLike<number>, expected: number): void {
  if (values.length !== expected) throw new RangeError(`${name} must have ${expected} values, got ${values.length}`);
}
