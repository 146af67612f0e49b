import { join } from 'node:path';
import { FailureError } from '../../protocol/failure.js';
import type { Json } from '../../protocol/json.js';
import type { Chunk } from '../chunks.js';
import type { CheckpointPart } from './checkpoint-writer.js';
import { readPartFile } from './part-file.js';

/** Source of an RDD that has been checkpointed: a partition's file. @param directory of the checkpoint */
export async function* read(directory: Json, split: Json): AsyncGenerator<Chunk> {
  const { file, bytes } = split as unknown as CheckpointPart;
  try {
    yield* readPartFile(join(directory as string, file), bytes);
  } catch (error) {
    const why = (error as Error).message;
    const message = `a checkpoint cannot be read: ${why} (its directory must be one that every executor sees, and stay as it is)`;
    throw new FailureError({ kind: 'user-error', message });
  }
}
