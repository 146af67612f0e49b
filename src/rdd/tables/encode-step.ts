import { RecordBatchStreamWriter } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../assemble-step.js';
import type { Chunks } from '../chunks.js';
import { batches } from './batches.js';

/** Step that makes an Arrow stream of each record batch, one a row. */
export async function* transform(chunks: Chunks, _none: Json, _task: TaskContext, { name }: StepContext): Chunks {
  for await (const batch of batches(chunks, name)) yield [RecordBatchStreamWriter.writeAll([batch]).toUint8Array(true)];
}
