import { nativeAddon } from '../native/addon.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import { alignedFloats } from '../ps/float-bytes.js';
import { type Chunks, isBatch } from '../rdd/chunks.js';
import { slotMemory } from '../rdd/memory/slot-memory.js';
import { listValues } from './columns.js';
import { shardRows } from './numerical-plan.js';
import { Replica } from './replica.js';
import { ShardChecksum } from './shard-checksum.js';
import { matrixInFile, matrixInMemory } from './shard-matrix.js';
import { rowWeights, trainingTargets } from './targets.js';
import type { TrainingSpec } from './training-spec.js';

/**
 * Terminal of the stage that makes a gradient shard resident: chunk by chunk, features in one copy out of Arrow's buffers
 * into the matrix that the network computes with. What goes into a file is counted as spilled. A slot that holds the shard
 * from a former generation keeps it, and reads nothing.
 * @returns a checksum of what was loaded
 */
export async function consume(chunks: Chunks, parameters: Json, context: TaskContext, shard: number): Promise<Json> {
  const spec = parameters as unknown as TrainingSpec;
  const replica = await Replica.resident(spec, context);
  const kept = replica.checksum(shard);
  if (kept !== undefined) return kept;
  const { inputs } = spec.plan.network;
  const rows = shardRows(spec.plan, shard);
  const { matrix, streamed } = room(spec, replica, rows, context.directory);
  const labels = labelColumn(spec, rows);
  const weights = spec.weight === undefined ? undefined : new Column(new Float32Array(rows));
  const checksum = new ShardChecksum();
  let before = 0;
  for await (const batch of chunks) {
    if (!isBatch(batch)) continue;
    const features = listValues(batch, spec.features, inputs, before);
    matrix.append(features);
    checksum.add(features);
    labels.append(trainingTargets([batch], spec.target));
    weights?.append(rowWeights([batch], spec.weight!, before));
    before += batch.numRows;
  }
  if (streamed) context.metrics.bytesSpilled = (context.metrics.bytesSpilled ?? 0) + 4 * rows * inputs;
  const data = {
    features: matrix.finish(),
    labels: labels.values,
    ...(weights && { weights: weights.values as Float32Array }),
  };
  checksum.add(data.labels);
  checksum.add(data.weights);
  replica.loadShard(shard, { ...data, given: streamed ? 'streamed' : 'kept' }, checksum.value);
  return checksum.value;
}

/** Class numbers, or so many values a row as the network gives. */
function labelColumn({ target, plan }: TrainingSpec, rows: number): Column {
  if (target.kind !== 'class') return new Column(alignedFloats(rows * plan.network.outputs));
  return new Column(new Int32Array(alignedFloats(rows).buffer, 0, rows));
}

/** Values of all rows, piece after piece. */
class Column {
  #at = 0;
  constructor(readonly values: Float32Array | Int32Array) {}

  append(piece: Float32Array | Int32Array): void {
    this.values.set(piece, this.#at);
    this.#at += piece.length;
  }
}

/** Where a shard's features are to lie: as asked for; else in memory as far as it goes, the rest in files. */
function room(spec: TrainingSpec, replica: Replica, rows: number, directory: string) {
  const { residency = 'auto' } = spec;
  const { inputs } = spec.plan.network;
  const inFile = () => ({ matrix: matrixInFile(rows, inputs, directory), streamed: true });
  // Without the native add-on files cannot be mapped.
  const mapped = nativeAddon() !== undefined && replica.backend.name === 'tensorflow';
  const full = replica.residentBytes + 4 * rows * inputs > slotMemory().budget / 2;
  if (mapped && (residency === 'stream' || (residency === 'auto' && full))) return inFile();
  try {
    return { matrix: matrixInMemory(rows, inputs), streamed: false };
  } catch (error) {
    if (mapped && residency === 'auto') return inFile();
    const message = `there is ${(error as Error).message} of features: give more slots or machines, or take residency 'stream', which needs the native part`;
    throw new Error(message, { cause: error });
  }
}
