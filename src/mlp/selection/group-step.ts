import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../../rdd/assemble-step.js';
import type { Chunks } from '../../rdd/chunks.js';
import { batches } from '../../rdd/tables/batches.js';
import { indexOf } from '../../rdd/tables/schema-rules.js';
import { takeRows } from '../../rdd/take-rows.js';

export interface GroupParameters {
  readonly column: string;
  /** Of the validation part, as text. */
  readonly groups: readonly string[];
  readonly part: 'train' | 'validation';
}

/** Step that keeps one side of a split by groups. */
export async function* transform(chunks: Chunks, parameters: Json, _task: TaskContext, { name }: StepContext): Chunks {
  const { column, groups, part } = parameters as unknown as GroupParameters;
  const held = new Set(groups);
  for await (const batch of batches(chunks, name)) {
    const values = batch.getChildAt(indexOf(batch.schema, column, name))!;
    const taken = Array.from({ length: batch.numRows }, (_, row) => row).filter(
      (row) => held.has(String(values.get(row))) === (part === 'validation'),
    );
    if (taken.length > 0) yield takeRows(batch, taken);
  }
}
