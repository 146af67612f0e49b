import type { RecordBatch } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { StepContext } from '../assemble-step.js';
import { CHUNK_ROWS, type Chunks } from '../chunks.js';
import { estimateBytes } from '../memory/estimate.js';
import { Reservation } from '../shuffle/reservation.js';
import { type SpilledRun, SpillFile } from '../shuffle/spill-file.js';
import { takeRows } from '../take-rows.js';
import { alike, BATCH_ROWS } from './batches.js';
import { readerOf } from './column-reader.js';
import { concatBatches } from './concat.js';
import { columnsAt } from './key-table.js';
import { indexOf } from './schema-rules.js';
import { compareRows, orderOf, type SortKey } from './sort-order.js';

/** Sorting holds the rows three times, and their order. */
const SORT_FACTOR = 3;

/** Step that sorts a partition; what memory has no room for is sorted in runs on disk, which are merged in the end. */
export async function* transform(chunks: Chunks, parameters: Json, task: TaskContext, { name }: StepContext): Chunks {
  const { by } = parameters as unknown as { by: readonly SortKey[] };
  using memory = new Reservation();
  using file = new SpillFile(task);
  const runs: SpilledRun[][] = [];
  let held: RecordBatch[] = [];
  for await (const batch of alike(chunks, name)) {
    if (!memory.grows(SORT_FACTOR * estimateBytes(batch)) && held.length > 0) {
      runs.push([...sorted(held, by, name, CHUNK_ROWS)].map((piece) => file.append([piece])));
      held = [];
      memory.reset();
    }
    held.push(batch);
  }
  if (runs.length === 0) {
    if (held.length > 0) yield* sorted(held, by, name, BATCH_ROWS);
    return;
  }
  runs.push([...sorted(held, by, name, CHUNK_ROWS)].map((piece) => file.append([piece])));
  held = [];
  yield* mergeRuns(
    runs.map((run) => new Run(run, file, by, name)),
    by,
  );
}

function* sorted(held: readonly RecordBatch[], by: readonly SortKey[], name: string, rows: number) {
  const batch = concatBatches(held);
  const columns = columnsAt(
    batch,
    by.map(({ column }) => indexOf(batch.schema, column, name)),
  );
  const order = orderOf(columns, by, batch.numRows);
  for (let from = 0; from < order.length; from += rows) yield takeRows(batch, order.subarray(from, from + rows));
}

/** The rows of a sorted run, piece by piece. */
class Run {
  #next = 0;
  #read: (row: number) => unknown[] = () => [];
  piece: RecordBatch | undefined;
  row = 0;
  key: unknown[] = [];

  constructor(
    readonly pieces: readonly SpilledRun[],
    readonly file: SpillFile,
    readonly by: readonly SortKey[],
    readonly name: string,
  ) {
    this.load();
  }

  /** The next piece; `piece` is undefined after the last one. */
  load(): void {
    const place = this.pieces[this.#next++];
    this.piece = place && (this.file.read(place)[0] as RecordBatch);
    this.row = 0;
    if (!this.piece) return;
    const { schema } = this.piece;
    const indices = this.by.map(({ column }) => indexOf(schema, column, this.name));
    const readers = columnsAt(this.piece, indices).map(readerOf);
    this.#read = (row) => readers.map((read) => read(row));
    this.key = this.#read(0);
  }

  /** @returns whether the piece has another row, whose key is then `key` */
  advance(): boolean {
    if (++this.row === this.piece!.numRows) return false;
    this.key = this.#read(this.row);
    return true;
  }
}

/** Rows are picked from the runs' pieces at hand, and copied whenever one of these has come to its end. */
function* mergeRuns(runs: readonly Run[], by: readonly SortKey[]): Generator<RecordBatch> {
  const compare = compareRows(by);
  let open = runs.filter(({ piece }) => piece);
  while (open.length > 0) {
    const starts: number[] = [];
    let rows = 0;
    for (const { piece } of open) {
      starts.push(rows);
      rows += piece!.numRows;
    }
    const at = concatBatches(open.map(({ piece }) => piece!));
    const picked: number[] = [];
    let ended: Run | undefined;
    while (!ended) {
      let least = 0;
      for (let k = 1; k < open.length; k++) if (compare(open[k]!.key, open[least]!.key) < 0) least = k;
      const run = open[least]!;
      picked.push(starts[least]! + run.row);
      if (!run.advance()) ended = run;
    }
    yield takeRows(at, picked);
    ended.load();
    open = open.filter(({ piece }) => piece);
  }
}
