import { decodeValue } from '../executor/closure/index.js';
import type { BlockRef } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import type { PartitionInput, Step } from '../scheduler/lineage.js';
import { CHUNK_ROWS, type Chunk, type Chunks, chunkLength, NumberRange, rowsOf, slices } from './chunks.js';
import { emptyState, type FusedLoop, fuse, type LoopState, type RowOperator, type RowSink } from './fuse.js';
import { asyncRows, mapBatches, mapPartition, where } from './partition-steps.js';
import { readShuffle } from './shuffle-io.js';
import type { ReadContext, SourceReader } from './sources/source.js';
import { loadSplit } from './sources/split-blocks.js';
import type { Storage } from './storage/storage.js';

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
  /** Nodes on the longest way down to a leaf of the stage. */
  readonly depth: number;
  readonly shuffleId?: number;
  /** Present when the RDD is cached: the scope its partitions belong to. */
  readonly cacheScope?: string;
}

export interface PartitionContext {
  readonly task: TaskContext;
  /** Map status block of each shuffle the stage reads. */
  readonly statuses: Readonly<Record<string, BlockRef>>;
  readonly storage: Storage;
  report(counter: string, amount: number): void;
}

/** A sink, what errors call it, and where a fold starts (encoded: each partition gets a copy of its own). */
export interface NamedSink {
  readonly sink: RowSink;
  readonly name: string;
  readonly zero?: Uint8Array;
}

/** The chunks of one partition of `node`: what is cached is taken from the slot, chains of row operators run fused. */
export async function* compute(node: PipelineNode, input: PartitionInput, context: PartitionContext): Chunks {
  if (node.cacheScope === undefined) {
    // In a loop, not by recursion: a union may be the last of thousands.
    let [chosen, of] = [node, input];
    while (chosen.step.kind === 'union' && chosen.cacheScope === undefined)
      [chosen, of] = [chosen.parents[of.choice!]!, of.of!];
    if (chosen !== node) return yield* compute(chosen, of, context);
    const chunks = computeFresh(node, input, context);
    return yield* node.depth % STACK_LEVELS === 0 ? unstacked(chunks) : chunks;
  }
  const { residents, metrics } = context.task;
  const id = `${node.cacheScope}:${input.partition}`;
  let chunks = residents.get<Chunk[]>(id);
  if (chunks) for (const chunk of chunks) metrics.rows += chunkLength(chunk);
  else {
    // Kept only when whole: the reader may stop after the first chunk.
    chunks = [];
    for await (const chunk of computeFresh(node, input, context)) chunks.push(chunk);
    residents.set(id, node.cacheScope, chunks);
  }
  yield* chunks;
}

/** Levels of a lineage after which a pull lets go of the stack. A prime, so that no pattern of operators keeps missing it. */
const STACK_LEVELS = 61;

/** A pull of nested generators recurses down to the source; here it goes on with a fresh stack. */
async function* unstacked(chunks: Chunks): Chunks {
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    for (;;) {
      await null;
      const { done, value } = await iterator.next();
      if (done) return;
      yield value;
    }
  } finally {
    await null;
    await iterator.return?.();
  }
}

/** Feeds a partition's rows into a sink through generated loops. */
export async function runInto(
  node: PipelineNode,
  input: PartitionInput,
  sink: NamedSink,
  context: PartitionContext,
): Promise<LoopState> {
  return feed(
    chainOf(sink, () => fusedChain(node, sink)),
    input,
    context,
  );
}

async function feed({ loop, below, operators, into }: FusedChain, input: PartitionInput, context: PartitionContext) {
  const state = emptyState(into.zero && { value: decodeValue(into.zero) });
  const counting = into.sink.kind === 'count' && operators.length === 0;
  for await (const chunk of compute(below, input, context)) {
    if (counting) state.count += chunkLength(chunk);
    else loop(chunk instanceof NumberRange ? chunk : rowsOf(chunk), state);
  }
  return state;
}

interface FusedChain {
  readonly loop: FusedLoop;
  readonly operators: readonly RowOperator[];
  /** The node whose chunks the loop reads. */
  readonly below: PipelineNode;
  readonly into: NamedSink;
}

/** A program's tasks share its loops: the second partition finds them warm. */
const chains = new WeakMap<object, FusedChain>();

function chainOf(owner: object, make: () => FusedChain): FusedChain {
  const known = chains.get(owner) ?? make();
  chains.set(owner, known);
  return known;
}

/** The synchronous row operators at the top of `node`, compiled with a sink. @param fresh compute `node` though it is cached */
function fusedChain(node: PipelineNode, into: NamedSink, fresh = false): FusedChain {
  const operators: RowOperator[] = [];
  let below = node;
  while (isRowStep(below.step) && !below.step.fn.async) {
    if (below.cacheScope !== undefined && !(fresh && below === node)) break;
    operators.push({ kind: below.step.kind, fn: below.step.fn.call, name: below.name });
    below = below.parents[0]!;
  }
  operators.reverse();
  return { loop: fuse(operators, into.sink, into.name), operators, below, into };
}

function isRowStep(step: Step<StepFunction>): step is { kind: RowOperator['kind']; fn: StepFunction } {
  return step.kind === 'map' || step.kind === 'filter' || step.kind === 'flatMap';
}

async function* computeFresh(node: PipelineNode, input: PartitionInput, context: PartitionContext): Chunks {
  const { step, name } = node;
  const { signal } = context.task;
  // Called where it is used: a source has no parents.
  const chunks = () => compute(node.parents[0]!, input, context);
  switch (step.kind) {
    case 'union':
      return yield* compute(node.parents[input.choice!]!, input.of!, context);
    case 'source':
      return yield* counted(readSource(step.source, input, context), context);
    case 'shuffle-read':
      return yield* counted(readShuffle(context.statuses[node.shuffleId!]!, input.partition, context.task), context);
    case 'map':
    case 'filter':
    case 'flatMap':
      if (!step.fn.async) return yield* fusedRows(node, input, context);
      return yield* asyncRows(chunks(), step.kind, step.fn, name, signal);
    case 'foldPartition':
      return yield* foldPartition(node, step, input, context);
    case 'where':
      return yield* where(chunks(), step.column, step.fn, name);
    case 'mapBatches':
      return yield* mapBatches(chunks(), step.fn, name);
    case 'mapPartitions':
      return yield* mapPartition(chunks(), step.fn, step.withIndex ? [input.partition] : [], name);
    case 'module': {
      const module = await import(new URL(`../${step.module}.js`, import.meta.url).href);
      return yield* module.transform(chunks(), step.parameters, context.task, { name, report: context.report });
    }
    default:
      throw new Error(`no partition is computed by ${JSON.stringify(step satisfies never)}`);
  }
}

async function* foldPartition(
  node: PipelineNode,
  step: Extract<PipelineNode['step'], { kind: 'foldPartition' }>,
  input: PartitionInput,
  context: PartitionContext,
): Chunks {
  const sink: NamedSink = { sink: { kind: 'fold', fn: step.fn.call }, name: node.name, zero: step.zero };
  const chain = chainOf(node, () => fusedChain(node.parents[0]!, sink));
  const { started, accumulated } = await feed(chain, input, context);
  if (started) yield [accumulated];
}

async function* fusedRows(node: PipelineNode, input: PartitionInput, context: PartitionContext): Chunks {
  const { loop, below } = chainOf(node, () => fusedChain(node, { sink: { kind: 'array' }, name: node.name }, true));
  for await (const chunk of compute(below, input, context)) {
    // Small pieces, so that `take` computes little more than it returns.
    for (const rows of chunk instanceof NumberRange ? [chunk] : slices(rowsOf(chunk), CHUNK_ROWS)) {
      const state = emptyState();
      loop(rows, state);
      if (state.out.length > 0) yield state.out;
    }
  }
}

async function* readSource(
  source: { module: string; options: Json },
  input: PartitionInput,
  { report, task, storage }: PartitionContext,
): Chunks {
  const module: { readonly read: SourceReader<Chunk> } = await import(
    new URL(`../${source.module}.js`, import.meta.url).href
  );
  const { blocks, directory } = task;
  const context: ReadContext = { report, blocks, storage, directory };
  yield* module.read(source.options, await loadSplit(input.split!, blocks), context);
}

/** `metrics.rows` is what a task took in: from sources, shuffles and the cache. */
async function* counted(chunks: Chunks, { task }: PartitionContext): Chunks {
  for await (const chunk of chunks) {
    task.metrics.rows += chunkLength(chunk);
    yield chunk;
  }
}
