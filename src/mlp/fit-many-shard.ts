import type { RecordBatch } from 'apache-arrow';
import type { BlockRef } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import { alignedFloats, bytesOf, floats } from '../ps/float-bytes.js';
import { type Chunks, isBatch } from '../rdd/chunks.js';
import type { ShardData } from './backend.js';
import { listValues } from './columns.js';
import { ShardChecksum } from './shard-checksum.js';
import { rowWeights, type TargetSpec, trainingTargets } from './targets.js';

export interface ShardParameters {
  /** Owns the blocks. */
  readonly scope: string;
  readonly features: string;
  readonly inputs: number;
  readonly target: TargetSpec;
  readonly weight?: string;
}

/** A gradient shard as blocks that any slot can load. */
export interface ShardBlocks {
  readonly features: BlockRef;
  readonly labels: BlockRef;
  readonly labelType: 'int32' | 'float32';
  readonly weights: BlockRef | null;
  /** As of a shard that is loaded to be trained on alone. */
  readonly checksum: number;
}

/** Terminal: writes a gradient shard as blocks, its features straight from Arrow's buffers. */
export async function consume(chunks: Chunks, parameters: Json, { blocks }: TaskContext, shard: number): Promise<Json> {
  const { scope, features, inputs, target, weight } = parameters as unknown as ShardParameters;
  const batches: RecordBatch[] = [];
  for await (const chunk of chunks) if (isBatch(chunk)) batches.push(chunk);
  let before = 0;
  const pieces = batches.map((batch) => {
    before += batch.numRows;
    return listValues(batch, features, inputs, before - batch.numRows);
  });
  const labels = trainingTargets(batches, target);
  const weights = weight === undefined ? undefined : rowWeights(batches, weight);
  const checksum = new ShardChecksum();
  for (const values of [...pieces, labels, weights]) checksum.add(values);
  const put = (name: string, values: readonly (Float32Array | Int32Array)[]) => {
    const bytes = values.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return blocks.put(`${name}:${shard}`, `${scope}/shard-${shard}`, values.map(bytesOf), { bytes });
  };
  const written: ShardBlocks = {
    features: await put('features', pieces),
    labels: await put('labels', [labels]),
    labelType: labels instanceof Int32Array ? 'int32' : 'float32',
    weights: weights ? await put('weights', [weights]) : null,
    checksum: checksum.value,
  };
  return written as unknown as Json;
}

/** Reads it again, into arrays that a network may keep. */
export async function shardData(
  { features, labels, labelType, weights }: ShardBlocks,
  blocks: TaskContext['blocks'],
): Promise<ShardData> {
  const numbers = await blocks.get(labels);
  const read = floats(await blocks.get(features));
  const matrix = alignedFloats(read.length);
  matrix.set(read);
  return {
    features: matrix,
    labels:
      labelType === 'int32' ? new Int32Array(numbers.buffer, numbers.byteOffset, numbers.length / 4) : floats(numbers),
    ...(weights && { weights: floats(await blocks.get(weights)) }),
    given: 'kept',
  };
}
