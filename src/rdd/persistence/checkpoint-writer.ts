import { join } from 'node:path';
import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { Chunks } from '../chunks.js';
import { writePartFile } from './part-file.js';

/** What a reader of the checkpoint needs of one partition. */
export type CheckpointPart = { readonly file: string; readonly bytes: number };

/** Terminal of a checkpoint's job: saves one partition, whose file replaces one that an earlier attempt saved. */
export async function consume(
  chunks: Chunks,
  { directory }: { directory: string },
  { metrics }: TaskContext,
  partition: number,
): Promise<Json> {
  const file = `part-${String(partition).padStart(5, '0')}`;
  const bytes = await writePartFile(join(directory, file), chunks);
  metrics.bytesOut += bytes;
  return { file, bytes } satisfies CheckpointPart;
}
