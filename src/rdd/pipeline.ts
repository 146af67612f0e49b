import type { RecordBatch } from 'apache-arrow';
import { decodeValue } from '../executor/closure/index.js';
import type { BlockRef } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import type { PartitionInput, Step } from '../scheduler/lineage.js';
import { batchRows, type Chunk, type Chunks, chunkLength, isBatch, mapOrdered } from './chunks.js';
import { fuse, type LoopState, type RowOperator, type RowSink, refusePromise } from './fuse.js';
import { readShuffle } from './shuffle-io.js';
import { takeRows } from './take-rows.js';

function emptyState(zero?: Uint8Array): LoopState {
  return { out: [], count: 0, accumulated: zero && decodeValue(zero), started: zero !== undefined };
}

/** A function restored from its shipped form. */
export interface StepFunction {
  readonly call: (...args: any[]) => any;
  readonly async: boolean;
}

/** A lineage node as a slot sees it. */
export interface PipelineNode {
  readonly id: number;
  readonly name: string;
  readonly step: Step<StepFunction>;
  readonly parents: readonly PipelineNode[];
  readonly shuffleId?: number;
  /** Present when the RDD is cached: the scope its partitions belong to. */
  readonly cacheScope?: string;
}

export interface PartitionContext {
  readonly task: TaskContext;
  /** Map status block of each shuffle the stage reads. */
  readonly statuses: Readonly<Record<string, BlockRef>>;
  report(counter: string, amount: number): void;
}

/** Async user functions of one partition running at a time. */
const ASYNC_WIDTH = 16;
/** Rows of a generator that are handed on together. */
const CHUNK_ROWS = 4096;

type RowKind = RowOperator['kind'];

/** The chunks of one partition of `node`: what is cached is taken from the slot, chains of row operators run fused. */
export async function* compute(node: PipelineNode, input: PartitionInput, context: PartitionContext): Chunks {
  if (node.cacheScope === undefined) return yield* computeFresh(node, input, context);
  const { residents } = context.task;
  const id = `rdd:${node.id}:${input.partition}`;
  const kept = residents.get<Chunk[]>(id);
  if (kept) return yield* kept;
  const chunks: Chunk[] = [];
  for await (const chunk of computeFresh(node, input, context)) chunks.push(chunk);
  residents.set(id, node.cacheScope, chunks);
  yield* chunks;
}

/**
 * Feeds a partition's rows into a sink through one generated loop.
 * @param zero where a fold starts, encoded: each partition gets a copy of its own
 */
export async function runInto(
  node: PipelineNode,
  input: PartitionInput,
  sink: RowSink,
  name: string,
  context: PartitionContext,
  zero?: Uint8Array,
): Promise<LoopState> {
  const { operators, below } = fusibleChain(node);
  const loop = fuse(operators, sink, name);
  const state = emptyState(zero);
  for await (const chunk of compute(below, input, context)) {
    context.task.metrics.rows += chunkLength(chunk);
    loop(rowsOf(chunk), state);
  }
  return state;
}

export function rowsOf(chunk: Chunk): readonly unknown[] {
  return isBatch(chunk) ? batchRows(chunk) : chunk;
}

/** The synchronous row operators at the top of `node`, in the order in which they run, and the node below them. */
function fusibleChain(node: PipelineNode): { operators: RowOperator[]; below: PipelineNode } {
  const operators: RowOperator[] = [];
  let below = node;
  while (isRowStep(below.step) && !below.step.fn.async && below.cacheScope === undefined) {
    operators.unshift({ kind: below.step.kind, fn: below.step.fn.call, name: below.name });
    below = below.parents[0]!;
  }
  return { operators, below };
}

function isRowStep(step: Step<StepFunction>): step is { kind: RowKind; fn: StepFunction } {
  return step.kind === 'map' || step.kind === 'filter' || step.kind === 'flatMap';
}

async function* computeFresh(node: PipelineNode, input: PartitionInput, context: PartitionContext): Chunks {
  const { step } = node;
  if (step.kind === 'source') return yield* readSource(step.source, input, context);
  if (step.kind === 'shuffle-read') {
    const status = context.statuses[node.shuffleId!]!;
    return yield* readShuffle(status, input.partition, context.task);
  }
  if (step.kind === 'union') return yield* compute(node.parents[input.choice!]!, input.of!, context);
  if (isRowStep(step))
    return yield* step.fn.async ? asyncRows(node, step, input, context) : fusedRows(node, input, context);
  const chunks = compute(node.parents[0]!, input, context);
  if (step.kind === 'where') yield* where(chunks, step.column, step.fn, node.name);
  if (step.kind === 'mapBatches') yield* mapBatches(chunks, step.fn, node.name);
  if (step.kind === 'foldPartition') yield* foldPartition(chunks, step, node.name);
  if (step.kind === 'mapPartitions') yield* mapPartition(chunks, step, input.partition);
  if (step.kind === 'module') {
    const module = await import(new URL(`../${step.module}.js`, import.meta.url).href);
    yield* module.transform(chunks, step.parameters, context.task);
  }
}

async function* readSource(
  source: { module: string; options: Json },
  input: PartitionInput,
  { report, task }: PartitionContext,
): Chunks {
  const module = await import(new URL(`../${source.module}.js`, import.meta.url).href);
  yield* module.read(source.options, input.split, { report, blocks: task.blocks });
}

async function* fusedRows(node: PipelineNode, input: PartitionInput, context: PartitionContext): Chunks {
  // A cached node is computed as if it were not: `compute` is asking for what to cache.
  const { operators, below } = fusibleChain({ ...node, cacheScope: undefined });
  const loop = fuse(operators, { kind: 'array' }, node.name);
  for await (const chunk of compute(below, input, context)) {
    const state = emptyState();
    loop(rowsOf(chunk), state);
    yield state.out;
  }
}

async function* asyncRows(
  node: PipelineNode,
  { kind, fn }: { kind: RowKind; fn: StepFunction },
  input: PartitionInput,
  context: PartitionContext,
): Chunks {
  for await (const chunk of compute(node.parents[0]!, input, context)) {
    const rows = rowsOf(chunk);
    const results = await mapOrdered(rows, ASYNC_WIDTH, (row) => fn.call(row));
    if (kind === 'map') yield results;
    else if (kind === 'filter') yield rows.filter((_, index) => results[index]);
    else yield results.flatMap((many) => [...(many as Iterable<unknown>)]);
  }
}

async function* mapBatches(chunks: Chunks, fn: StepFunction, name: string): Chunks {
  for await (const chunk of chunks) {
    if (!isBatch(chunk)) throw new TypeError(`${name} needs record batches; this RDD holds rows`);
    let result = fn.call(chunk);
    if (typeof result?.then === 'function') result = fn.async ? await result : refusePromise(name);
    const batches: RecordBatch[] = Array.isArray(result) ? result : [result];
    for (const batch of batches) {
      if (!isBatch(batch))
        throw new TypeError(`the function of ${name} must return an Arrow RecordBatch or an array of them`);
      yield batch;
    }
  }
}

async function* where(chunks: Chunks, column: string, fn: StepFunction, name: string): Chunks {
  for await (const chunk of chunks) {
    if (!isBatch(chunk)) throw new TypeError(`${name} needs record batches; this RDD holds rows`);
    const values = chunk.getChild(column);
    if (!values) throw new TypeError(`${name}: there is no column "${column}" among ${chunk.schema.names.join(', ')}`);
    const rows: number[] = [];
    for (let row = 0; row < chunk.numRows; row++) {
      const keep = fn.call(values.get(row));
      if (typeof keep?.then === 'function') refusePromise(name);
      if (keep) rows.push(row);
    }
    if (rows.length > 0) yield rows.length === chunk.numRows ? chunk : takeRows(chunk, rows);
  }
}

async function* foldPartition(
  chunks: Chunks,
  { fn, zero }: { fn: StepFunction; zero?: Uint8Array },
  name: string,
): Chunks {
  const loop = fuse([], { kind: 'fold', fn: fn.call }, name);
  const state = emptyState(zero);
  for await (const chunk of chunks) loop(rowsOf(chunk), state);
  if (state.started) yield [state.accumulated];
}

async function* mapPartition(
  chunks: Chunks,
  { fn, withIndex }: { fn: StepFunction; withIndex: boolean },
  partition: number,
): Chunks {
  const rows: unknown[] = [];
  for await (const chunk of chunks) for (const row of rowsOf(chunk)) rows.push(row);
  const result = await (withIndex ? fn.call(partition, rows[Symbol.iterator]()) : fn.call(rows[Symbol.iterator]()));
  if (Array.isArray(result)) return yield result;
  let out: unknown[] = [];
  for await (const row of result) {
    out.push(row);
    if (out.length < CHUNK_ROWS) continue;
    yield out;
    out = [];
  }
  yield out;
}

/** Passes chunks on and counts them into the task's metrics. */
export async function* counted(chunks: Chunks, context: TaskContext): Chunks {
  for await (const chunk of chunks) {
    context.metrics.rows += chunkLength(chunk);
    yield chunk;
  }
}
