import { encodeValue } from '../../executor/closure/index.js';
import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { Chunks } from '../chunks.js';
import { keyedRandom } from '../random.js';
import { batches } from './batches.js';
import { readerOf } from './column-reader.js';
import { columnsAt } from './key-table.js';
import { indexOf } from './schema-rules.js';

export interface SampleKeys {
  readonly columns: readonly string[];
  readonly size: number;
  readonly name: string;
}

/** Terminal: a uniform sample of a partition's keys (reservoir sampling), each an array of values, and the number of rows. */
export async function consume(chunks: Chunks, parameters: Json, _task: TaskContext, partition: number): Promise<Json> {
  const { columns, size, name } = parameters as unknown as SampleKeys;
  const random = keyedRandom(0, 'table-key-sample', partition);
  const keys: unknown[][] = [];
  let rows = 0;
  for await (const batch of batches(chunks, name)) {
    const readers = columnsAt(
      batch,
      columns.map((column) => indexOf(batch.schema, column, name)),
    ).map(readerOf);
    for (let row = 0; row < batch.numRows; row++, rows++) {
      const place = rows < size ? rows : Math.floor(random.uniform() * (rows + 1));
      if (place < size) keys[place] = readers.map((read) => read(row));
    }
  }
  return { keys: encodeValue(keys).toString('base64'), rows };
}
