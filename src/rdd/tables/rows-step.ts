import { inspect } from 'node:util';
import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../assemble-step.js';
import { type Chunks, rowsOf } from '../chunks.js';
import { userError } from '../operator-failure.js';
import { own } from '../sources/arrow-values.js';
import { BATCH_ROWS, batchFrom } from './batches.js';
import { schemaOfTypes, type TableTypes } from './to-table.js';
import { columnFrom, isMisfit } from './types.js';

interface RowsParameters {
  readonly types: TableTypes;
  /** By the user: other properties of rows are not wanted. */
  readonly given: boolean;
}

/** Step of `toTable`: rows that are objects become record batches. */
export async function* transform(chunks: Chunks, parameters: Json, _task: TaskContext, { name }: StepContext): Chunks {
  const options = parameters as unknown as RowsParameters;
  let before = 0;
  let rows: unknown[] = [];
  for await (const chunk of chunks) {
    for (const row of rowsOf(chunk)) {
      rows.push(row);
      if (rows.length < BATCH_ROWS) continue;
      yield batchOfRows(rows, options, name, before);
      before += rows.length;
      rows = [];
    }
  }
  if (rows.length > 0) yield batchOfRows(rows, options, name, before);
}

function batchOfRows(rows: readonly unknown[], { types, given }: RowsParameters, name: string, before: number) {
  for (const [k, row] of rows.entries()) {
    const where = `row ${before + k + 1} of the partition`;
    if (typeof row !== 'object' || row === null || Array.isArray(row))
      throw userError(
        `${name}: ${where} is ${inspect(row, { depth: 0, breakLength: 80 })}; a table's rows are objects`,
      );
    if (!given)
      for (const key of Object.keys(row))
        if (!Object.hasOwn(types, key))
          throw userError(`${name}: ${where} has a property "${key}", which the first rows lack; ${GIVE}`);
  }
  const columns = Object.entries(types).map(([column, type]) => {
    const data = columnFrom(
      type,
      rows.map((row) => own(row, column)),
    );
    if (!isMisfit(data)) return data;
    const advice = given ? '' : `; the type was taken from the first rows: ${GIVE}`;
    throw userError(
      `${name}: column "${column}", row ${before + data.row + 1} of the partition: ${data.what}${advice}`,
    );
  });
  return batchFrom(schemaOfTypes(types), rows.length, columns);
}

const GIVE = "give a schema, such as toTable({ id: 'int32', name: 'utf8' })";
