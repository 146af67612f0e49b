import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../assemble-step.js';
import type { Chunks } from '../chunks.js';
import { Reservation } from '../shuffle/reservation.js';
import { type GroupParameters, keysOf } from './aggregates.js';
import { alike } from './batches.js';
import { Groups, shapeOfRows } from './groups.js';
import { indexOf } from './schema-rules.js';

/** Step that groups a partition's rows, as far as memory allows: key columns and states of the aggregates, a row a group. */
export async function* transform(chunks: Chunks, parameters: Json, _task: TaskContext, { name }: StepContext): Chunks {
  const options = parameters as unknown as GroupParameters;
  using memory = new Reservation();
  let groups: Groups | undefined;
  for await (const { schema, data, numRows } of alike(chunks, name)) {
    groups ??= new Groups(shapeOfRows(schema, options, name));
    const column = (key: string) => data.children[indexOf(schema, key, name)]!;
    const columns = options.aggregates.map((each) => (each.column === null ? undefined : column(each.column)));
    groups.update(keysOf(schema, options).map(column), columns, numRows);
    if (memory.holds(groups.bytes)) continue;
    // What was grouped so far goes on; groups that come again are merged where all parts of a group meet.
    yield groups.states();
    groups = undefined;
    memory.reset();
  }
  if (groups) yield groups.states();
}
