import { Float64, makeData } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../assemble-step.js';
import type { Chunks } from '../chunks.js';
import { Reservation } from '../shuffle/reservation.js';
import type { GroupParameters } from './aggregates.js';
import { alike, batchFrom } from './batches.js';
import { BucketFile, MAX_LEVEL } from './bucket-file.js';
import { Groups, shapeOfStates } from './groups.js';

/** Step that merges the states of groups to results. Groups that memory has no room for are cut into buckets on disk. */
export async function* transform(chunks: Chunks, parameters: Json, task: TaskContext, { name }: StepContext): Chunks {
  const options = parameters as unknown as GroupParameters;
  const whole = options.keys?.length === 0;
  let any = false;
  for await (const batch of merged(chunks, options, task, name, 0)) {
    any = true;
    yield batch;
  }
  if (whole && !any) yield emptyTotals(options);
}

async function* merged(
  chunks: Chunks,
  options: GroupParameters,
  task: TaskContext,
  name: string,
  level: number,
): Chunks {
  using memory = new Reservation();
  let groups: Groups | undefined;
  let spilled: BucketFile | undefined;
  try {
    for await (const states of alike(chunks, name)) {
      if (spilled) {
        spilled.add(states);
        continue;
      }
      groups ??= new Groups(shapeOfStates(states.schema, options));
      groups.merge(states);
      if (memory.holds(groups.bytes) || level === MAX_LEVEL) continue;
      const width = groups.shape.keys.length;
      spilled = new BucketFile([...Array(width).keys()], level, task);
      spilled.add(groups.states());
      groups = undefined;
      memory.reset();
    }
    if (groups) yield groups.results();
    for (const bucket of spilled ?? []) yield* merged(spilled!.read(bucket), options, task, name, level + 1);
  } finally {
    spilled?.[Symbol.dispose]();
  }
}

/** As in SQL, a table without rows has one group without keys: counts are 0, all else is null. */
function emptyTotals(options: GroupParameters) {
  const groups = new Groups({
    keys: [],
    aggregates: options.aggregates.map((each) => ({ ...each, type: new Float64() })),
  });
  const none = makeData({
    type: new Float64(),
    length: 1,
    nullCount: 1,
    nullBitmap: new Uint8Array(1),
    data: new Float64Array(1),
  });
  groups.update(
    [],
    options.aggregates.map(() => none),
    1,
  );
  const { schema, data } = groups.results();
  const children = data.children.map((column, k) => {
    const counts = options.aggregates[k]!.aggregate.startsWith('count');
    return counts ? makeData({ type: new Float64(), length: 1, nullCount: 0, data: new Float64Array(1) }) : column;
  });
  return batchFrom(schema, 1, children);
}
