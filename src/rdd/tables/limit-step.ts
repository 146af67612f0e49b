import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../assemble-step.js';
import type { Chunks } from '../chunks.js';
import { batches } from './batches.js';

/** Step of `limit`: the first rows of a partition; nothing more is computed. */
export async function* transform(chunks: Chunks, parameters: Json, _task: TaskContext, { name }: StepContext): Chunks {
  let left = (parameters as { rows: number }).rows;
  if (left === 0) return;
  for await (const batch of batches(chunks, name)) {
    yield batch.numRows <= left ? batch : batch.slice(0, left);
    left -= batch.numRows;
    if (left <= 0) return;
  }
}
