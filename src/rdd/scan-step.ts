import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import type { StepContext } from './assemble-step.js';
import { CHUNK_ROWS, type Chunks, piecesOf, rowsOf } from './chunks.js';
import { operatorFailure } from './operator-failure.js';

/** Called with the number of a partition, then with its rows, a few thousand at a time; answers with the new rows. */
export type Scan<T, U> = (partition: number) => (rows: readonly T[]) => U[];

/** Step of the engine's own functions that keep something from row to row; no more than a chunk is in memory. */
export async function* transform(
  chunks: Chunks,
  _parameters: Json,
  _task: TaskContext,
  { name, partition, fn }: StepContext,
): Chunks {
  const each: ReturnType<Scan<unknown, unknown>> = fn!.call(partition);
  for await (const chunk of chunks)
    for (const piece of piecesOf(chunk, CHUNK_ROWS)) {
      const rows = called(each, rowsOf(piece), name);
      if (rows.length > 0) yield rows;
    }
}

function called(each: ReturnType<Scan<unknown, unknown>>, rows: readonly unknown[], name: string): unknown[] {
  try {
    return each(rows);
  } catch (error) {
    throw operatorFailure(error, name);
  }
}
