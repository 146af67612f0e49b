import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../assemble-step.js';
import type { Chunks } from '../chunks.js';
import { isPromise, refusePromise } from '../operator-failure.js';
import { takeRows } from '../take-rows.js';
import { batches } from './batches.js';
import { callByColumns } from './column-loop.js';
import { indexOf } from './schema-rules.js';

/** Step of `where` on several columns: keeps the rows for which the function is true. */
export async function* transform(
  chunks: Chunks,
  parameters: Json,
  _task: TaskContext,
  { name, fn }: StepContext,
): Chunks {
  const { columns } = parameters as unknown as { columns: readonly string[] };
  for await (const batch of batches(chunks, name)) {
    const given = columns.map((column) => batch.data.children[indexOf(batch.schema, column, name)]!);
    const keeps = callByColumns(fn!, given, batch.numRows, name);
    const rows: number[] = [];
    for (let row = 0; row < keeps.length; row++) {
      if (isPromise(keeps[row])) refusePromise(name);
      if (keeps[row]) rows.push(row);
    }
    if (rows.length > 0) yield rows.length === batch.numRows ? batch : takeRows(batch, rows);
  }
}
