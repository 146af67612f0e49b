import { randomUUID } from 'node:crypto';
import type { RecordBatch } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import type { TaskContext } from '../../protocol/program.js';
import type { MapOutput } from '../../scheduler/map-outputs.js';
import type { Partitioner, ShuffleSpec } from '../../scheduler/shuffle-spec.js';
import { type Chunk, type Chunks, chunkLength, isBatch, rowsOf } from '../chunks.js';
import { engineModule } from '../engine-module.js';
import { estimateBytes } from '../memory/estimate.js';
import { takeRows } from '../take-rows.js';
import type { MergePairs } from './combination.js';
import { Combining } from './combining.js';
import { MapOutputWriter } from './map-output-writer.js';
import { PairBuffer } from './pair-buffer.js';
import type { Place } from './place.js';
import { Reservation } from './reservation.js';

/** Where a map task's output goes. */
export interface MapTask {
  readonly shuffle: ShuffleSpec;
  /** Number of the task. */
  readonly map: number;
  readonly scope: string;
  readonly context: TaskContext;
}

/** Each run of a task leaves a block of its own: another run of it may cut other segments, by chance or because less memory is free. */
function finish(output: MapOutputWriter, { shuffle, map, scope }: MapTask): Promise<MapOutput> {
  return output.finish(`shuffle:${shuffle.id}:${map}:${randomUUID()}`, `${scope}/shuffle-${shuffle.id}`);
}

/** Spreads rows by their number, or chunks whole: whatever they are. */
export async function writeChunks(chunks: Chunks, task: MapTask): Promise<MapOutput> {
  const { shuffle, map, context } = task;
  const { partitions, partitioner } = shuffle;
  using output = new MapOutputWriter(partitions, context);
  using memory = new Reservation();
  let parts = emptyParts(partitions);
  let bytes = 0;
  const flush = (toDisk: boolean) => {
    for (const [partition, part] of parts.entries()) output.append(partition, part, toDisk);
    parts = emptyParts(partitions);
    bytes = 0;
  };
  const places = partitioner.kind === 'module' ? await placerOf(partitioner, partitions) : undefined;
  let row = firstRow(partitioner, partitions, map);
  for await (const chunk of chunks) {
    if (partitioner.kind === 'neighbours') parts[Math.floor((map * partitions) / partitioner.maps)]!.push(chunk);
    else if (places && isBatch(chunk)) scatter(chunk, places(chunk), parts);
    else deal(chunk, row, parts);
    row += chunkLength(chunk);
    bytes += estimateBytes(chunk);
    if (memory.holds(bytes)) continue;
    flush(true);
    memory.reset();
  }
  flush(false);
  return finish(output, task);
}

/** Number of a map task's first row, as far as it decides where the row goes. */
function firstRow(partitioner: Partitioner, partitions: number, map: number): number {
  if (partitioner.kind === 'deal') return partitioner.firstRows[map]!;
  return partitioner.kind === 'round-robin' ? Math.floor((map * partitions) / partitioner.maps) : 0;
}

const emptyParts = (partitions: number): Chunk[][] => Array.from({ length: partitions }, () => []);

type Placer = (batch: RecordBatch) => Uint32Array;

async function placerOf({ module, parameters }: { module: string; parameters: Json }, partitions: number) {
  const { placer } = await engineModule(module);
  return placer(parameters, partitions) as Placer;
}

/** Each row goes to its place, rows of one place stay in order. */
function scatter(batch: RecordBatch, places: Uint32Array, parts: Chunk[][]): void {
  const ends = new Uint32Array(parts.length + 1);
  for (let row = 0; row < places.length; row++) ends[places[row]! + 1]!++;
  for (let part = 0; part < parts.length; part++) ends[part + 1]! += ends[part]!;
  const order = new Uint32Array(places.length);
  const next = ends.slice();
  for (let row = 0; row < places.length; row++) order[next[places[row]!]!++] = row;
  for (const [part, chunks] of parts.entries()) {
    const rows = order.subarray(ends[part]!, ends[part + 1]!);
    if (rows.length > 0) chunks.push(takeRows(batch, rows));
  }
}

/** Row i goes to part i mod parts. */
function deal(chunk: Chunk, firstRow: number, parts: Chunk[][]): void {
  const count = parts.length;
  const length = chunkLength(chunk);
  const values = isBatch(chunk) ? [] : rowsOf(chunk);
  for (let part = 0; part < count; part++) {
    const first = (((part - firstRow) % count) + count) % count;
    if (first >= length) continue;
    const rows = Array.from({ length: Math.ceil((length - first) / count) }, (_, k) => first + k * count);
    parts[part]!.push(isBatch(chunk) ? takeRows(chunk, rows) : rows.map((row) => values[row]));
  }
}

/** What the generated loop of a task fills, a piece of rows at a time. */
export interface PairsConsumer {
  /** What the loop calls; it may be another one after each piece. */
  readonly into: unknown;
  /** Whether `into` takes pairs as they are, though the loop would combine them; `merge` does that later. */
  readonly buffers?: boolean;
  /** Of a consumer that combines; set by whoever feeds it. */
  merge?: MergePairs;
  /** Spills what there is no memory for. @returns the bytes that it holds then */
  afterPiece(): number;
}

/** Takes pairs and spreads them by key. */
export class ScatterWriter implements PairsConsumer, Disposable {
  readonly #buffers: PairBuffer[];
  readonly #output: MapOutputWriter;
  readonly #memory = new Reservation();
  #turn = 0;

  constructor(
    readonly task: MapTask,
    readonly place: Place,
  ) {
    const { partitions } = task.shuffle;
    this.#buffers = Array.from({ length: partitions }, () => new PairBuffer());
    this.#output = new MapOutputWriter(partitions, task.context);
  }

  get into(): this {
    return this;
  }

  add(key: unknown, value: unknown): void {
    this.#buffers[this.place(key)]!.add(key, value);
  }

  afterPiece(): number {
    const bytes = this.#bytes();
    if (this.#memory.holds(bytes)) return bytes;
    this.#flush(true);
    this.#memory.reset();
    return 0;
  }

  async finish(): Promise<MapOutput> {
    this.#flush(false);
    return finish(this.#output, this.task);
  }

  /** Looks into one buffer a time, each in turn: there may be thousands. */
  #bytes(): number {
    const buffers = this.#buffers.filter(({ length }) => length > 0);
    const sample = buffers[this.#turn++ % buffers.length];
    const rows = buffers.reduce((sum, { length }) => sum + length, 0);
    return sample === undefined ? 0 : (rows * sample.bytes) / sample.length;
  }

  #flush(toDisk: boolean): void {
    for (const [partition, buffer] of this.#buffers.entries())
      if (buffer.length > 0) this.#output.append(partition, [buffer.take()], toDisk);
  }

  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
    this.#output[Symbol.dispose]();
  }
}

/** Combines the values of each key first (the map side of an aggregation), as far as memory allows. */
export class CombineWriter extends Combining {
  readonly #output: MapOutputWriter;

  constructor(
    readonly task: MapTask,
    readonly place: Place,
  ) {
    super();
    this.#output = new MapOutputWriter(task.shuffle.partitions, task.context);
  }

  async finish(): Promise<MapOutput> {
    this.#flush(false);
    return finish(this.#output, this.task);
  }

  protected spill(): void {
    this.#flush(true);
  }

  #flush(toDisk: boolean): void {
    const buffers = Array.from({ length: this.task.shuffle.partitions }, () => new PairBuffer());
    for (const { keys, values } of this.taken())
      for (let i = 0; i < keys.length; i++) buffers[this.place(keys[i])]!.add(keys[i], values[i]);
    for (const [partition, buffer] of buffers.entries()) this.#output.append(partition, [buffer.take()], toDisk);
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    this.#output[Symbol.dispose]();
  }
}
