import { crc32 } from 'node:zlib';
import type { RecordBatch } from 'apache-arrow';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import { type Chunks, isBatch } from '../rdd/chunks.js';
import { featureMatrix } from './columns.js';
import { bytesOf } from './float-bytes.js';
import { Replica } from './replica.js';
import { rowWeights, trainingTargets } from './targets.js';
import type { TrainingSpec } from './training-spec.js';

/**
 * Terminal of the stage that makes a gradient shard resident: one copy out of Arrow's buffers, then into the session.
 * @returns a checksum of what was loaded
 */
export async function consume(chunks: Chunks, parameters: Json, context: TaskContext, shard: number): Promise<Json> {
  const spec = parameters as unknown as TrainingSpec;
  const batches: RecordBatch[] = [];
  for await (const chunk of chunks) if (isBatch(chunk)) batches.push(chunk);
  const features = featureMatrix(batches, spec.features, spec.plan.network.inputs);
  const labels = trainingTargets(batches, spec.target);
  const weights = spec.weight === undefined ? undefined : rowWeights(batches, spec.weight);
  const replica = await Replica.resident(spec, context);
  replica.loadShard(shard, { features, labels, weights });
  return [features, labels, weights].reduce((sum, values) => (values ? crc32(bytesOf(values), sum) : sum), 0);
}
