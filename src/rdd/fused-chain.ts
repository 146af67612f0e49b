import { decodeCopy } from '../executor/closure/index.js';
import { type CombineStart, isRowStep, type RowStepKind, type Step } from '../scheduler/step.js';
import { type Chunk, type Chunks, chunkLength, isBatch, piecesOf, rowsOf } from './chunks.js';
import { emptyState, type FusedLoop, fuse, type LoopState, type RowOperator, type RowSink } from './fuse.js';
import type { ShippedPersisted } from './persistence/persisted.js';
import type { MergePairs } from './shuffle/combination.js';
import type { PairsConsumer } from './shuffle/write.js';

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
  /** Present when the RDD is persisted. */
  readonly persisted?: ShippedPersisted;
}

/** A sink, what errors call it, and where a fold starts (encoded: each partition gets a copy of its own). */
export interface NamedSink {
  readonly sink: RowSink;
  readonly name: string;
  readonly zero?: Uint8Array;
}

/** Rows that a loop is given at once where somebody watches the memory that it fills: at first, and at most. */
const FIRST_ROWS = 256;
const PIECE_ROWS = 1 << 15;
/** So much a piece may add to what is held. */
const PIECE_BYTES = 2 ** 20;

/** Runs chunks through a chain's loop. @param consumer of the sinks `pairs` and `combine` */
export async function feed(chain: FusedChain, chunks: Chunks, consumer?: PairsConsumer): Promise<LoopState> {
  const { loop, operators, into, pairs } = chain;
  const state = emptyState(into.zero && { value: decodeCopy(into.zero) });
  const counting = into.sink.kind === 'count' && operators.length === 0;
  if (consumer && pairs) consumer.merge = pairs.merge;
  const pace = { rows: FIRST_ROWS, held: 0 };
  for await (const chunk of chunks) {
    if (counting) state.count += chunkLength(chunk);
    else if (!consumer) loop(isBatch(chunk) ? (rowsOf(chunk) as readonly unknown[]) : chunk, state);
    else feedPieces(chunk, chain, consumer, state, pace);
  }
  return state;
}

/** How fast a consumer is fed: rows of the next piece, and the bytes that it held after the last. */
interface Pace {
  rows: number;
  held: number;
}

/** Pieces are as long as the rows before were light. */
function feedPieces(chunk: Chunk, { loop, pairs }: FusedChain, consumer: PairsConsumer, state: LoopState, pace: Pace) {
  const length = chunkLength(chunk);
  for (let from = 0; from < length; ) {
    const to = Math.min(from + pace.rows, length);
    const [piece] = piecesOf(from === 0 && to === length ? chunk : (chunk.slice(from, to) as Chunk), length);
    state.into = consumer.into;
    (consumer.buffers ? pairs!.loop : loop)(piece!, state);
    const held = consumer.afterPiece();
    const weight = Math.max(held - pace.held, 1) / (to - from);
    pace.rows = Math.max(1, Math.min(2 * pace.rows, PIECE_ROWS, Math.ceil(PIECE_BYTES / weight)));
    pace.held = held;
    from = to;
  }
}

/** Operators and a sink as one loop. */
export interface FusedChain {
  readonly loop: FusedLoop;
  readonly operators: readonly RowOperator[];
  /** The node whose chunks the loop reads. */
  readonly below: PipelineNode;
  readonly into: NamedSink;
  /** Of a chain that combines: the same operators, their pairs left as they are, and the loop that merges such pairs. */
  readonly pairs?: { readonly loop: FusedLoop; readonly merge: MergePairs };
}

/** A program's tasks share its loops: the second partition finds them warm. */
const chains = new WeakMap<object, FusedChain>();

export function chainOf(owner: object, make: () => FusedChain): FusedChain {
  const known = chains.get(owner) ?? make();
  chains.set(owner, known);
  return known;
}

/** The synchronous row operators at the top of `node`, compiled with a sink. @param fresh compute `node` though it is persisted */
export function fusedChain(node: PipelineNode, into: NamedSink, fresh = false): FusedChain {
  const operators: RowOperator[] = [];
  let below = node;
  while (isRowStep(below.step) && !isAsync(below.step)) {
    if (below.persisted && !(fresh && below === node)) break;
    operators.push({
      kind: below.step.kind,
      fn: 'fn' in below.step ? below.step.fn.call : undefined,
      name: below.name,
    });
    below = below.parents[0]!;
  }
  operators.reverse();
  return compiled(operators, into, below);
}

export function compiled(operators: readonly RowOperator[], into: NamedSink, below: PipelineNode): FusedChain {
  const loop = fuse(operators, into.sink, into.name);
  if (into.sink.kind !== 'combine') return { loop, operators, below, into };
  const pairs = { loop: fuse(operators, { kind: 'pairs' }, into.name), merge: merging(fuse([], into.sink, into.name)) };
  return { loop, operators, below, into, pairs };
}

function merging(loop: FusedLoop): MergePairs {
  return (pairs, table) => loop(pairs, { ...emptyState(), into: table });
}

type RowStep = Extract<Step<StepFunction>, { kind: RowStepKind }>;

function isAsync(step: RowStep): boolean {
  return 'fn' in step && step.fn.async;
}

/** What makes a key's first combined value of its first value; undefined where that is the value itself. */
export function startOf(
  { create, zero }: CombineStart<StepFunction>,
  { call: merge }: StepFunction,
): ((value: unknown) => unknown) | undefined {
  if (zero === undefined) return create?.call;
  const start = decodeCopy(zero);
  if (start === null || typeof start !== 'object') return (value) => merge(start, value);
  return (value) => merge(decodeCopy(zero), value);
}
