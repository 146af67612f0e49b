import type { TaskContext } from '../../protocol/program.js';
import { CHUNK_ROWS, type Chunks, pairsOf } from '../chunks.js';
import { type Column, joinPairs, Pairs, sameNumbers } from '../columns.js';
import { compareKeys } from '../keys.js';
import { estimateBytes } from '../memory/estimate.js';
import { PairBuffer } from './pair-buffer.js';
import { orderOfNumbers, sortNumbers } from './radix-sort.js';
import { Reservation } from './reservation.js';
import { type SpilledRun, SpillFile } from './spill-file.js';

/** Sorting holds the rows twice, and their order. */
const SORT_FACTOR = 2.5;

/**
 * Sorts pairs of one partition by key, equal keys in the order in which they came. What memory has no room for is sorted in
 * runs on disk, which are merged in the end (external merge sort).
 */
export async function* sortPartition(chunks: Chunks, descending: boolean, name: string, context: TaskContext): Chunks {
  using memory = new Reservation();
  using file = new SpillFile(context);
  const runs: SpilledRun[][] = [];
  let held: Pairs[] = [];
  const spill = () => {
    runs.push(spillRun(sortPairs(joinPairs(held), descending), file));
    held = [];
    memory.reset();
  };
  for await (const chunk of chunks) {
    const pairs = pairsOf(chunk, name);
    if (!memory.grows(SORT_FACTOR * estimateBytes(pairs)) && held.length > 0) spill();
    held.push(pairs);
  }
  if (runs.length === 0) return yield sortPairs(joinPairs(held), descending);
  if (held.length > 0) spill();
  yield* mergeRuns(
    runs.map((run) => new RunReader(run, file)),
    descending,
  );
}

/** In memory; stable. */
function sortPairs({ keys, values }: Pairs, descending: boolean): Pairs {
  // Numbers sorted by themselves need no order.
  if (keys instanceof Float64Array && sameNumbers(keys, values)) {
    const sorted = sortNumbers(keys, descending);
    return new Pairs(sorted, sorted);
  }
  const order = orderOf(keys, descending);
  return new Pairs(inOrder(keys, order), inOrder(values, order));
}

function orderOf(keys: Column, descending: boolean): Uint32Array {
  if (keys instanceof Float64Array) return orderOfNumbers(keys, descending);
  const order = Uint32Array.from({ length: keys.length }, (_, row) => row);
  const sign = descending ? -1 : 1;
  return order.sort((a, b) => sign * compareKeys(keys[a], keys[b]));
}

function inOrder(column: Column, order: Uint32Array): Column {
  if (column instanceof Float64Array) {
    const sorted = new Float64Array(order.length);
    for (let i = 0; i < order.length; i++) sorted[i] = column[order[i]!]!;
    return sorted;
  }
  const sorted = new Array<unknown>(order.length);
  for (let i = 0; i < order.length; i++) sorted[i] = column[order[i]!];
  return sorted;
}

/** Of a piece of a sorted run, at most; a sixteenth of the run where that is less. */
const PIECE_BYTES = 1 << 18;

/** In pieces, so that merging holds one piece of each run: of few rows where these are large. */
function spillRun(sorted: Pairs, file: SpillFile): SpilledRun[] {
  const pieces: SpilledRun[] = [];
  const bytes = estimateBytes(sorted);
  const share = Math.min(PIECE_BYTES, bytes / 16) / bytes;
  const rows = Math.min(CHUNK_ROWS, Math.max(1, Math.floor(share * sorted.length)));
  for (let from = 0; from < sorted.length; from += rows)
    pieces.push(file.append([sorted.slice(from, Math.min(from + rows, sorted.length))]));
  return pieces;
}

/** The rows of a sorted run, one after another. */
class RunReader {
  #pairs: Pairs = new Pairs([], []);
  #at = -1;
  #next = 0;
  key: unknown;

  constructor(
    readonly run: readonly SpilledRun[],
    readonly file: SpillFile,
  ) {}

  /** @returns whether there is another row, whose key is then `key` */
  advance(): boolean {
    if (++this.#at === this.#pairs.length) {
      if (this.#next === this.run.length) return false;
      this.#pairs = this.file.read(this.run[this.#next++]!)[0] as Pairs;
      this.#at = 0;
    }
    this.key = this.#pairs.keys[this.#at];
    return true;
  }

  /** Rows of the piece that is held. */
  get held(): number {
    return this.#pairs.length;
  }

  get value(): unknown {
    return this.#pairs.values[this.#at];
  }
}

/** Merges by a binary heap of the runs' first rows; of equal keys those of earlier runs come first. */
function* mergeRuns(readers: readonly RunReader[], descending: boolean): Generator<Pairs> {
  const sign = descending ? -1 : 1;
  const before = (a: Head, b: Head) => sign * compareKeys(a.reader.key, b.reader.key) || a.index - b.index;
  const heap: Head[] = [];
  for (const [index, reader] of readers.entries()) if (reader.advance()) heap.push({ reader, index });
  heap.sort(before);
  const most = Math.max(...readers.map(({ held }) => held));
  let out = new PairBuffer();
  for (let head = heap[0]; head !== undefined; head = heap[0]) {
    out.add(head.reader.key, head.reader.value);
    if (out.length === most) {
      yield out.take();
      out = new PairBuffer();
    }
    if (!head.reader.advance()) {
      const last = heap.pop()!;
      if (heap.length === 0) break;
      if (last !== head) heap[0] = last;
    }
    sink(heap, before);
  }
  if (out.length > 0) yield out.take();
}

interface Head {
  readonly reader: RunReader;
  readonly index: number;
}

/** Moves the root of a heap down to its place. */
function sink(heap: Head[], before: (a: Head, b: Head) => number): void {
  const root = heap[0]!;
  let place = 0;
  for (;;) {
    let child = 2 * place + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!) < 0) child++;
    if (before(root, heap[child]!) <= 0) break;
    heap[place] = heap[child]!;
    place = child;
  }
  heap[place] = root;
}
