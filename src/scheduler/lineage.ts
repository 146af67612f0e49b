import type { Json } from '../protocol/json.js';

/** Operators are data: a kind and a function. The stage planner ships them, the slot's compiler turns chains into loops. */
export type Step<F = AnyFunction> =
  /** A leaf; a partition's split (JSON) says what to read. The module's `read(options, split, report)` reads it. */
  | { readonly kind: 'source'; readonly source: StepSource }
  | { readonly kind: 'map' | 'filter' | 'flatMap'; readonly fn: F }
  | { readonly kind: 'mapPartitions'; readonly fn: F; readonly withIndex: boolean }
  | { readonly kind: 'mapBatches'; readonly fn: F }
  /** A partition becomes one row, its left fold from the encoded zero; without a zero an empty partition stays empty. */
  | { readonly kind: 'foldPartition'; readonly fn: F; readonly zero?: Uint8Array }
  /** Keeps a batch's rows whose value in one column satisfies the function. */
  | { readonly kind: 'where'; readonly column: string; readonly fn: F }
  /** An engine module whose `transform(chunks, parameters, context)` rewrites a partition's chunks. */
  | { readonly kind: 'module'; readonly module: string; readonly parameters: Json }
  | { readonly kind: 'union' }
  /** A leaf of its stage: partition p reads output p of every map task, in map order. */
  | { readonly kind: 'shuffle-read' };

/** What a task needs of a source; `options` are complete once the source's partitions are planned. */
export interface StepSource {
  readonly module: string;
  readonly options: Json;
  readonly batches: boolean;
}

export type AnyFunction = (...args: any[]) => any;

/** What a stage's tasks do with the rows of their partition; `collect`, `count`, … answer, `shuffle-write` leaves blocks. */
export type Terminal<F = AnyFunction> =
  | { readonly kind: 'collect'; readonly limit?: number }
  | { readonly kind: 'count' }
  | { readonly kind: 'reduce'; readonly fn: F }
  | { readonly kind: 'aggregate'; readonly zero: Uint8Array; readonly fn: F }
  | { readonly kind: 'foreach'; readonly fn: F }
  | { readonly kind: 'shuffle-write'; readonly shuffle: ShuffleSpec }
  /** An engine module whose `consume(chunks, parameters, context)` answers with JSON. */
  | { readonly kind: 'module'; readonly module: string; readonly parameters: Json };

/** How a map task spreads its rows over the reduce partitions. */
export type Partitioner =
  /** Map output m goes whole to partition floor(m * partitions / maps): merges neighbours, in order. */
  | { readonly kind: 'neighbours'; readonly maps: number }
  /** Row i of the whole data set goes to partition i mod partitions; `firstRows[m]` is the index of map m's first row. */
  | { readonly kind: 'deal'; readonly firstRows: readonly number[] };

export interface ShuffleSpec {
  readonly id: number;
  readonly partitions: number;
  readonly partitioner: Partitioner;
}

/** Where a source's partitions come from: planned once, when the first job needs them. */
export interface PartitionPlanner {
  /** @param top last node of the stage that will read the source: the planner may try that stage on a part of the input */
  plan(node: LineageNode, top: LineageNode): Promise<SourcePlan>;
}

export interface SourcePlan {
  readonly splits: readonly Json[];
  /** Milliseconds that the stage is expected to spend on one of them, when that was measured. */
  readonly expectedMs?: number;
}

/** One RDD of a lineage. Immutable but for what the planner and the cache remember. */
export interface LineageNode {
  readonly id: number;
  /** Operator and where the user called it, `map at job.ts:12`. */
  readonly name: string;
  readonly step: Step;
  readonly parents: readonly LineageNode[];
  /** Present on `shuffle-read`: how the one parent is spread. */
  readonly shuffle?: ShuffleSpec;
  /** Present on `source`. */
  readonly planner?: PartitionPlanner;
  /** The source's partitions, once planned. */
  splits?: readonly Json[];
  /** Of the source's plan. */
  expectedMs?: number;
  cached: boolean;
}

/** How one partition of a stage's top node is computed: `split` at the leaf, the parent chosen at each union on the way. */
export interface PartitionInput {
  readonly partition: number;
  readonly split?: Json;
  readonly choice?: number;
  readonly of?: PartitionInput;
  readonly [key: string]: unknown;
}

/** Every source below `node` (through shuffles too), each once. */
export function sourcesOf(node: LineageNode): LineageNode[] {
  return reachable(node).filter((each) => each.step.kind === 'source');
}

/** All nodes below and including `node`, parents before children. Iterative: a lineage may be 10,000 steps long. */
export function reachable(node: LineageNode, into: (child: LineageNode) => readonly LineageNode[] = (n) => n.parents) {
  const order: LineageNode[] = [];
  const seen = new Set<LineageNode>();
  const stack: { node: LineageNode; done: boolean }[] = [{ node, done: false }];
  for (let top = stack.pop(); top; top = stack.pop()) {
    if (top.done) order.push(top.node);
    else if (!seen.has(top.node)) {
      seen.add(top.node);
      stack.push({ node: top.node, done: true });
      for (const parent of [...into(top.node)].reverse()) stack.push({ node: parent, done: false });
    }
  }
  return order;
}

/** The node's parents within its stage: a shuffle ends the stage. */
export function narrowParents(node: LineageNode): readonly LineageNode[] {
  return node.step.kind === 'shuffle-read' ? [] : node.parents;
}

/** Never changes once the sources are planned; a lineage of many unions asks for it again and again. */
const counts = new WeakMap<LineageNode, number>();

/** Number of partitions. @throws Error when a source below has not been planned yet */
export function partitionCount(node: LineageNode): number {
  const known = counts.get(node);
  if (known !== undefined) return known;
  const unknown = (each: LineageNode) => narrowParents(each).filter((parent) => !counts.has(parent));
  for (const each of reachable(node, unknown)) {
    const parents = narrowParents(each).map((parent) => counts.get(parent)!);
    counts.set(each, ownCount(each, parents));
  }
  return counts.get(node)!;
}

function ownCount(node: LineageNode, parents: readonly number[]): number {
  if (node.step.kind === 'shuffle-read') return node.shuffle!.partitions;
  if (node.step.kind === 'union') return parents.reduce((a, b) => a + b, 0);
  if (node.step.kind !== 'source') return parents[0]!;
  if (!node.splits) throw new Error(`the partitions of "${node.name}" are not planned yet`);
  return node.splits.length;
}

/** Which parent of a union holds a partition, and which of the parent's it is. */
export function unionChoice(union: LineageNode, partition: number): { choice: number; index: number } {
  let index = partition;
  for (const [choice, parent] of union.parents.entries()) {
    const count = partitionCount(parent);
    if (index < count) return { choice, index };
    index -= count;
  }
  throw new RangeError(`partition ${partition} of "${union.name}" does not exist`);
}

/** The inputs of a node's partition: descends from `node` to the leaf that holds it. */
export function partitionInput(node: LineageNode, partition: number): PartitionInput {
  const unions: { partition: number; choice: number }[] = [];
  let current = node;
  let index = partition;
  while (current.step.kind !== 'source' && current.step.kind !== 'shuffle-read') {
    if (current.step.kind !== 'union') current = current.parents[0]!;
    else {
      const chosen = unionChoice(current, index);
      unions.push({ partition: index, choice: chosen.choice });
      current = current.parents[chosen.choice]!;
      index = chosen.index;
    }
  }
  const split = current.step.kind === 'source' ? current.splits![index] : undefined;
  const leaf: PartitionInput = { partition: index, ...(split === undefined ? {} : { split }) };
  return unions.reduceRight((of, union): PartitionInput => ({ ...union, of }), leaf);
}
