import type { BlockRef } from '../protocol/block.js';
import { FailureError } from '../protocol/failure.js';
import type { Json } from '../protocol/json.js';
import type { TaskContext } from '../protocol/program.js';
import type { PartitionInput } from '../scheduler/partition-input.js';
import { isRowStep } from '../scheduler/step.js';
import type { StepContext } from './assemble-step.js';
import { CHUNK_ROWS, type Chunk, type Chunks, chunkLength, pairsOf, piecesOf, rowIterator, rowsOf } from './chunks.js';
import { Pairs } from './columns.js';
import { engineModule } from './engine-module.js';
import { emptyState, type LoopState, type RowSink } from './fuse.js';
import { chainOf, compiled, feed, fusedChain, type NamedSink, type PipelineNode, startOf } from './fused-chain.js';
import { complainingAs } from './operator-failure.js';
import { asyncRows, callPartition, gather, mapBatches, mapPartition } from './partition-steps.js';
import { persisted, type StoredBlocks } from './persistence/persisted.js';
import { Combiner } from './shuffle/combine.js';
import { cogroup, join } from './shuffle/join.js';
import { readShuffle } from './shuffle/read.js';
import { sortPartition } from './shuffle/sort.js';
import type { PairsConsumer } from './shuffle/write.js';
import type { ReadContext, SourceReader } from './sources/source.js';
import { loadSplit } from './sources/split-blocks.js';
import type { Storage } from './storage/storage.js';

export interface PartitionContext {
  readonly task: TaskContext;
  /** Map status block of each shuffle the stage reads. */
  readonly statuses: Readonly<Record<string, BlockRef>>;
  readonly storage: Storage;
  /** Blocks of persisted partitions that the task may meet. */
  readonly stored: StoredBlocks;
  report(counter: string, amount: number): void;
}

/** The chunks of one partition of `node`: what is persisted is taken from where it is kept, chains of row operators run fused. */
export async function* compute(node: PipelineNode, input: PartitionInput, context: PartitionContext): Chunks {
  // In a loop, not by recursion: a union may be the last of thousands.
  let [chosen, of] = [node, input];
  while (chosen.step.kind === 'union' && !chosen.persisted) [chosen, of] = [chosen.parents[of.choice!]!, of.of!];
  if (chosen !== node) return yield* compute(chosen, of, context);
  const fresh = () => computeFresh(node, input, context);
  const chunks = node.persisted
    ? persisted(node.persisted, input.partition, context.task, context.stored, fresh)
    : fresh();
  yield* node.depth % STACK_LEVELS === 0 ? unstacked(chunks) : chunks;
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

/** Feeds a partition's rows into a sink through generated loops. @param consumer of the sinks `pairs` and `combine` */
export async function runInto(
  node: PipelineNode,
  input: PartitionInput,
  sink: NamedSink,
  context: PartitionContext,
  consumer?: PairsConsumer,
): Promise<LoopState> {
  const chain = chainOf(sink, () => fusedChain(node, sink));
  return feed(chain, compute(chain.below, input, context), consumer);
}

async function* computeFresh(node: PipelineNode, input: PartitionInput, context: PartitionContext): Chunks {
  const { step, name } = node;
  const { signal } = context.task;
  // Called where it is used: a source has no parents.
  const chunks = () => compute(node.parents[0]!, input, context);
  /** Of a node that reads several partitions; of coalesce all are the one parent's. */
  const part = (k: number) => compute(node.parents[k] ?? node.parents[0]!, input.parts![k]!, context);
  const parts = () => input.parts!.map((_, k) => part(k));
  switch (step.kind) {
    case 'union':
      return yield* compute(node.parents[input.choice!]!, input.of!, context);
    case 'source':
      return yield* counted(readSource(step.source, input, context), context);
    case 'shuffle-read':
      return yield* counted(
        readShuffle(statusOf(node, context), input.partition, context.task, input.segments),
        context,
      );
    case 'map':
    case 'filter':
    case 'flatMap':
      if (step.fn.async) return yield* asyncRows(chunks(), step.kind, step.fn, name, signal);
      return yield* fusedRows(node, input, context);
    case 'mapValues':
    case 'flatMapValues':
    case 'keyBy':
      return yield* fusedRows(node, input, context);
    case 'keys':
    case 'values':
      if (isRowStep(node.parents[0]!.step)) return yield* fusedRows(node, input, context);
      for await (const chunk of chunks()) yield pairsOf(chunk, name)[step.kind];
      return;
    case 'coalesce':
      for (const each of input.parts!) yield* compute(node.parents[0]!, each, context);
      return;
    case 'cartesian':
      return yield* cartesian(part(0), part(1));
    case 'zipPartitions':
      return yield* callPartition(step.fn, await iterators(parts()), name);
    case 'combine':
      return yield* complainingAs(combine(node, step, input, context), name);
    case 'join':
      return yield* complainingAs(join([part(0), part(1)], step.keep, name, context.task), name);
    case 'cogroup':
      return yield* complainingAs(cogroup(parts(), name, context.task), name);
    case 'sort':
      return yield* complainingAs(sortPartition(chunks(), step.descending, name, context.task), name);
    case 'foldPartition':
      return yield* foldPartition(node, step, input, context);
    case 'mapBatches':
      return yield* mapBatches(chunks(), step.fn, name);
    case 'mapPartitions':
      return yield* mapPartition(chunks(), step.fn, step.withIndex ? [input.partition] : [], name);
    case 'module': {
      const module = await engineModule(step.module);
      const { report } = context;
      const about: StepContext = { name, report, partition: input.partition, fn: step.fn };
      const given = node.parents.length > 1 ? parts() : chunks();
      return yield* module.transform(given, step.parameters, context.task, about);
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
  const { started, accumulated } = await feed(chain, compute(chain.below, input, context));
  if (started) yield [accumulated];
}

/** Values by key; what was spilled is combined again, bucket by bucket, and there the rows are combined values already. */
async function* combine(
  node: PipelineNode,
  step: Extract<PipelineNode['step'], { kind: 'combine' }>,
  input: PartitionInput,
  context: PartitionContext,
): Chunks {
  const { name } = node;
  const parent = node.parents[0]!;
  const ofValues: RowSink = { kind: 'combine', create: startOf(step, step.merge), merge: step.merge.call };
  const ofCombined: RowSink = { kind: 'combine', merge: step.mergeCombined.call };
  const sink = step.early && parent.step.kind === 'shuffle-read' ? ofCombined : ofValues;
  const chain = chainOf(node, () => fusedChain(parent, { sink, name }));
  const again = chainOf(step, () => compiled([], { sink: ofCombined, name }, node));
  const run = async function* (chunks: Chunks, level: number): Chunks {
    using combiner = new Combiner(level, context.task);
    await feed(level === 0 ? chain : again, chunks, combiner);
    yield* combiner.finish(run);
  };
  yield* run(compute(chain.below, input, context), 0);
}

async function* cartesian(left: Chunks, right: Chunks): Chunks {
  const others: unknown[] = [];
  for await (const chunk of right) for (const row of rowsOf(chunk)) others.push(row);
  for await (const chunk of left)
    for (const row of rowsOf(chunk)) yield new Pairs(new Array(others.length).fill(row), others);
}

async function iterators(inputs: readonly Chunks[]): Promise<Iterator<unknown>[]> {
  const all: Iterator<unknown>[] = [];
  for (const input of inputs) all.push(rowIterator(await gather(input)));
  return all;
}

async function* fusedRows(node: PipelineNode, input: PartitionInput, context: PartitionContext): Chunks {
  const { loop, below } = chainOf(node, () => fusedChain(node, { sink: { kind: 'array' }, name: node.name }, true));
  for await (const chunk of compute(below, input, context)) {
    // Small pieces, so that `take` computes little more than it returns.
    for (const rows of piecesOf(chunk, CHUNK_ROWS)) {
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
  const module: { readonly read: SourceReader<Chunk> } = await engineModule(source.module);
  const { blocks, directory } = task;
  const context: ReadContext = { report, blocks, storage, directory };
  yield* module.read(source.options, await loadSplit(input.split!, blocks), context);
}

/** What was said to be kept above the shuffle is not: the driver is to make the shuffle's outputs after all. */
function statusOf({ shuffleId, name }: PipelineNode, { statuses }: PartitionContext): BlockRef {
  const status = statuses[shuffleId!];
  if (status) return status;
  const block: BlockRef = { id: `map-status:${shuffleId}`, scope: '', bytes: 0, crc32: 0, at: [] };
  throw new FailureError({ kind: 'fetch-failed', message: `the outputs that ${name} reads were not made`, block });
}

/** `metrics.rows` is what a task took in: from sources, shuffles and the cache. */
async function* counted(chunks: Chunks, { task }: PartitionContext): Chunks {
  for await (const chunk of chunks) {
    task.metrics.rows += chunkLength(chunk);
    yield chunk;
  }
}
