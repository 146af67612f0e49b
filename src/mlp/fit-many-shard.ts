import type { RecordBatch } from 'apache-arrow';
import type { BlockRef } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import { bytesOf, floats } from '../ps/float-bytes.js';
import { type Chunks, isBatch } from '../rdd/chunks.js';
import type { ShardData } from './backend.js';
import { featureMatrix } from './columns.js';
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
}

/** Terminal: writes a gradient shard as blocks. */
export async function consume(chunks: Chunks, parameters: Json, { blocks }: TaskContext, shard: number): Promise<Json> {
  const { scope, features, inputs, target, weight } = parameters as unknown as ShardParameters;
  const batches: RecordBatch[] = [];
  for await (const chunk of chunks) if (isBatch(chunk)) batches.push(chunk);
  const labels = trainingTargets(batches, target);
  const put = (name: string, values: Float32Array | Int32Array) =>
    blocks.put(`${name}:${shard}`, `${scope}/shard-${shard}`, bytesOf(values));
  const written: ShardBlocks = {
    features: await put('features', featureMatrix(batches, features, inputs)),
    labels: await put('labels', labels),
    labelType: labels instanceof Int32Array ? 'int32' : 'float32',
    weights: weight === undefined ? null : await put('weights', rowWeights(batches, weight)),
  };
  return written as unknown as Json;
}

/** Reads it again. */
export async function shardData(
  { features, labels, labelType, weights }: ShardBlocks,
  blocks: TaskContext['blocks'],
): Promise<ShardData> {
  const numbers = await blocks.get(labels);
  return {
    features: floats(await blocks.get(features)),
    labels:
      labelType === 'int32' ? new Int32Array(numbers.buffer, numbers.byteOffset, numbers.length / 4) : floats(numbers),
    ...(weights && { weights: floats(await blocks.get(weights)) }),
  };
}
