import { crc32 } from 'node:zlib';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import { bytesOf } from '../ps/float-bytes.js';
import { nativeAddon } from '../ps/native-addon.js';
import { type Chunks, isBatch } from '../rdd/chunks.js';
import { slotMemory } from '../rdd/memory/slot-memory.js';
import { listValues } from './columns.js';
import { shardRows } from './numerical-plan.js';
import { Replica } from './replica.js';
import { matrixInFile, matrixInMemory } from './shard-matrix.js';
import { rowWeights, trainingTargets } from './targets.js';
import type { TrainingSpec } from './training-spec.js';

/**
 * Terminal of the stage that makes a gradient shard resident: chunk by chunk, features in one copy out of Arrow's buffers
 * into the matrix that the network computes with.
 * @returns a checksum of what was loaded
 */
export async function consume(chunks: Chunks, parameters: Json, context: TaskContext, shard: number): Promise<Json> {
  const spec = parameters as unknown as TrainingSpec;
  const replica = await Replica.resident(spec, context);
  const { inputs } = spec.plan.network;
  const rows = shardRows(spec.plan, shard);
  const streamed = streams(spec, replica, shard, 4 * rows * inputs);
  const matrix = streamed ? matrixInFile(rows, inputs, context.directory) : matrixInMemory(rows, inputs);
  const labels: (Float32Array | Int32Array)[] = [];
  const weights: Float32Array[] = [];
  let before = 0;
  for await (const batch of chunks) {
    if (!isBatch(batch)) continue;
    matrix.append(listValues(batch, spec.features, inputs, before));
    labels.push(trainingTargets([batch], spec.target));
    if (spec.weight !== undefined) weights.push(rowWeights([batch], spec.weight, before));
    before += batch.numRows;
  }
  const features = matrix.finish();
  const data = {
    features,
    labels: labels.length > 0 ? joined(labels) : trainingTargets([], spec.target),
    ...(spec.weight !== undefined && { weights: joined(weights) as Float32Array }),
  };
  const checksum = [features, data.labels, data.weights].reduce(
    (sum, values) => (values ? crc32(bytesOf(values), sum) : sum),
    0,
  );
  replica.loadShard(shard, { ...data, given: streamed ? 'streamed' : 'kept' });
  return checksum;
}

/** Without the native add-on files cannot be mapped: features stay in memory. */
function streams({ residency = 'auto' }: TrainingSpec, replica: Replica, shard: number, bytes: number): boolean {
  if (!nativeAddon() || replica.backend.name !== 'tensorflow') return false;
  if (residency !== 'auto') return residency === 'stream';
  return replica.residentBytes(shard) + bytes > slotMemory().budget / 2;
}

function joined(parts: readonly (Float32Array | Int32Array)[]): Float32Array | Int32Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const all = parts[0] instanceof Int32Array ? new Int32Array(length) : new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
