import type { Json } from '../protocol/json.js';
import type { Persisted } from '../protocol/storage.js';
import type { DevicePreference } from './slot-device.js';

/** Operators are data: a kind and a function. The stage planner ships them, the slot's compiler turns chains into loops. */
export type Step<F = AnyFunction> =
  /** A leaf; a partition's split (JSON) says what to read. The module's `read(options, split, report)` reads it. */
  | { readonly kind: 'source'; readonly source: StepSource }
  | { readonly kind: 'map' | 'filter' | 'flatMap'; readonly fn: F }
  /** On rows `[key, value]`; `keyBy` makes them. */
  | { readonly kind: 'mapValues' | 'flatMapValues' | 'keyBy'; readonly fn: F }
  | { readonly kind: 'keys' | 'values' }
  | { readonly kind: 'mapPartitions'; readonly fn: F; readonly withIndex: boolean }
  | { readonly kind: 'mapBatches'; readonly fn: F }
  /** A partition becomes one row, its left fold from the encoded zero; without a zero an empty partition stays empty. */
  | { readonly kind: 'foldPartition'; readonly fn: F; readonly zero?: Uint8Array }
  /**
   * An engine module whose `transform(chunks, parameters, context)` rewrites a partition's chunks; of several parents it
   * gets an array of their chunks. `fn` is the user's function, where the module calls one.
   */
  | { readonly kind: 'module'; readonly module: string; readonly parameters: Json; readonly fn?: F }
  /** The partitions of all parents, side by side. */
  | { readonly kind: 'union' }
  /** Runs of neighbouring partitions of the parent, each as one. */
  | { readonly kind: 'coalesce'; readonly partitions: number }
  /** Partition p of every parent, given to the function as iterators of their rows. */
  | { readonly kind: 'zipPartitions'; readonly fn: F }
  /** Partition i * n + j pairs the rows of the first parent's i with those of the second's j, of n. */
  | { readonly kind: 'cartesian' }
  /** Values of a key become one; `mergeCombined` merges what was combined apart. With `early` what comes from a shuffle was. */
  | ({
      readonly kind: 'combine';
      readonly early: boolean;
      readonly merge: F;
      readonly mergeCombined: F;
    } & CombineStart<F>)
  /** A key with the array of its values in each parent. */
  | { readonly kind: 'cogroup' }
  /** A key with each pair of its values in the two parents; sides that may lack a key give undefined. */
  | { readonly kind: 'join'; readonly keep: 'matched' | 'left' | 'right' | 'all' }
  /** Rows `[key, value]` by key. */
  | { readonly kind: 'sort'; readonly descending: boolean }
  /** A leaf of its stage: partition p reads output p of every map task, in map order. */
  | { readonly kind: 'shuffle-read' };

/** Operators that see one row at a time: chains of them become one loop, over a partition or over parts of it. */
const ROW_STEPS = ['map', 'filter', 'flatMap', 'mapValues', 'flatMapValues', 'keyBy', 'keys', 'values'] as const;

export type RowStepKind = (typeof ROW_STEPS)[number];

export function isRowStep<F>(step: Step<F>): step is Extract<Step<F>, { kind: RowStepKind }> {
  return (ROW_STEPS as readonly string[]).includes(step.kind);
}

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
  /** With `merge` the values of a key are combined first; `place` is the partitioner's function; `name` is for errors. */
  | ({ readonly kind: 'shuffle-write'; readonly shuffle: ShuffleSpec; readonly name: string } & ShuffleFunctions<F>)
  /** Answers with about `size` keys of the partition's pairs, each row as likely as another, and the number of rows. */
  | { readonly kind: 'sample-keys'; readonly size: number }
  /** An engine module whose `consume(chunks, parameters, context)` answers with JSON. */
  | { readonly kind: 'module'; readonly module: string; readonly parameters: Json };

/** How a map task spreads its rows over the reduce partitions. */
export type Partitioner =
  /** Map output m goes whole to partition floor(m * partitions / maps): merges neighbours, in order. */
  | { readonly kind: 'neighbours'; readonly maps: number }
  /** Row i of the whole data set goes to partition i mod partitions; `firstRows[m]` is the index of map m's first row. */
  | { readonly kind: 'deal'; readonly firstRows: readonly number[] }
  /** Rows are dealt out one by one; the map tasks begin at evenly spread partitions. */
  | { readonly kind: 'round-robin'; readonly maps: number }
  /** Rows `[key, value]` by a hash of the key. */
  | { readonly kind: 'hash' }
  /** Rows `[key, value]` by the key's place among `bounds`, ascending keys (encoded), partitions - 1 of them or fewer. */
  | { readonly kind: 'range'; readonly bounds: Uint8Array; readonly descending: boolean }
  /** Rows `[key, value]` by the user's function of the key. */
  | { readonly kind: 'function' }
  /** Rows of record batches by an engine module, whose `placer(parameters, partitions)` gives the places of a batch's rows. */
  | { readonly kind: 'module'; readonly module: string; readonly parameters: Json };

/** Whether it asks for the keys of rows that are pairs. */
export function placesByKey({ kind }: Partitioner): boolean {
  return kind === 'hash' || kind === 'range' || kind === 'function';
}

/** A key's first combined value: of its first value by `create`, merged into a copy of the encoded `zero`, or the value itself. */
export interface CombineStart<F = AnyFunction> {
  readonly create?: F;
  readonly zero?: Uint8Array;
}

export interface ShuffleFunctions<F = AnyFunction> extends CombineStart<F> {
  readonly merge?: F;
  readonly place?: F;
}

export interface ShuffleSpec {
  readonly id: number;
  readonly partitions: number;
  readonly partitioner: Partitioner;
  /** Owner of the map outputs, when they outlive the job that made them: later jobs find them and skip the map stage. */
  readonly scope?: string;
}

/**
 * Decides what must be known of a node before stages are cut: a source's splits, a shuffle's partitions and bounds. Asked
 * once, when the first job needs it, after the nodes below have been planned.
 */
export interface NodePlanner {
  /** @param top last node of the stage that will read a source: the planner may try that stage on a part of the input */
  plan(node: LineageNode, top: LineageNode): Promise<NodePlan>;
}

export type NodePlan =
  | SourcePlan
  | { readonly shuffle: ShuffleSpec; readonly shuffleFunctions?: ShuffleFunctions }
  /** The parent is spread so already: the shuffle becomes a union of one, and nothing moves. */
  | { readonly step: { readonly kind: 'union' } }
  /** Of a step whose parameters depend on what is below: nothing is left to plan. */
  | { readonly planner: undefined; readonly step: Step };

export interface SourcePlan {
  readonly splits: readonly Json[];
  /** Milliseconds that the stage is expected to spend on one of them, when that was measured. */
  readonly expectedMs?: number;
}

/** One RDD of a lineage. Immutable but for its plan and the cache. */
export interface LineageNode {
  readonly id: number;
  /** Operator and where the user called it, `map at job.ts:12`. */
  readonly name: string;
  step: Step;
  readonly parents: readonly LineageNode[];
  /** Present on a source, and on a `shuffle-read` that is not planned from the first. */
  readonly planner?: NodePlanner;
  /** Refuses, before anything is planned or run, what is known to be wrong; asked once. */
  check?: () => Promise<unknown>;
  /** On `shuffle-read`, once planned: how the one parent is spread. On a source cut from such a lineage: how its keys still are. */
  shuffle?: ShuffleSpec;
  /** On `shuffle-read`: what the map tasks call. */
  shuffleFunctions?: ShuffleFunctions;
  /** Of a source, once planned. */
  splits?: readonly Json[];
  /** Of the source's plan. */
  expectedMs?: number;
  /** In which slots it computes; absent: in all. */
  readonly device?: DevicePreference;
  /** How its partitions are kept; absent: not at all. */
  persisted?: Persisted | undefined;
}

/**
 * How one partition of a stage's top node is computed: `split` at a leaf, the parent chosen at each union on the way, and
 * where a node reads several partitions their inputs.
 */
export interface PartitionInput {
  readonly partition: number;
  readonly split?: Json;
  readonly choice?: number;
  readonly of?: PartitionInput;
  /** Of a shuffle's reader: a part of the segments, when the partition is computed in parts (see skew.ts). */
  readonly segments?: readonly [from: number, to: number];
  /** One for each of `parentPartitions`. */
  readonly parts?: readonly PartitionInput[];
  readonly [key: string]: unknown;
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
  if (node.step.kind === 'shuffle-read') return [];
  return node.step.kind === 'union' && node.parents.some(isMerged) ? mergedParents(node) : node.parents;
}

/** A union of unions is one union: a loop that adds an RDD at a time would else nest as deep as it ran. */
const isMerged = ({ step, persisted }: LineageNode) => step.kind === 'union' && !persisted;

function mergedParents(union: LineageNode): LineageNode[] {
  const merged: LineageNode[] = [];
  const stack = [...union.parents].reverse();
  for (let node = stack.pop(); node; node = stack.pop())
    if (isMerged(node)) for (const parent of [...node.parents].reverse()) stack.push(parent);
    else merged.push(node);
  return merged;
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
  const { step } = node;
  if (step.kind === 'shuffle-read' || step.kind === 'source') {
    const planned = step.kind === 'source' ? node.splits?.length : node.shuffle?.partitions;
    if (planned === undefined) throw new Error(`the partitions of "${node.name}" are not planned yet`);
    return planned;
  }
  if (step.kind === 'union') return parents.reduce((a, b) => a + b, 0);
  if (step.kind === 'coalesce') return Math.min(step.partitions, parents[0]!);
  if (step.kind === 'cartesian') return parents[0]! * parents[1]!;
  const other = parents.find((count) => count !== parents[0]);
  if (other !== undefined)
    throw new Error(`${node.name} needs RDDs with equally many partitions, and got ${parents.join(' and ')}`);
  return parents[0]!;
}

interface ParentPartition {
  readonly parent: LineageNode;
  readonly partition: number;
}

/** What a partition of a node that reads several partitions of its parents is computed from; undefined for other nodes. */
export function parentPartitions(node: LineageNode, partition: number): ParentPartition[] | undefined {
  const { step, parents } = node;
  const [first, second] = parents as [LineageNode, LineageNode];
  switch (step.kind) {
    case 'coalesce': {
      const count = partitionCount(first);
      const from = Math.floor((partition * count) / partitionCount(node));
      const to = Math.floor(((partition + 1) * count) / partitionCount(node));
      return Array.from({ length: to - from }, (_, k) => ({ parent: first, partition: from + k }));
    }
    case 'cartesian': {
      const columns = partitionCount(second);
      return [
        { parent: first, partition: Math.floor(partition / columns) },
        { parent: second, partition: partition % columns },
      ];
    }
    case 'module':
      return parents.length > 1 ? parents.map((parent) => ({ parent, partition })) : undefined;
    case 'zipPartitions':
    case 'cogroup':
    case 'join':
      return parents.map((parent) => ({ parent, partition }));
    default:
      return undefined;
  }
}

/** Which of a union's `narrowParents` holds a partition, and which of the parent's it is. */
export function unionChoice(union: LineageNode, partition: number): { choice: number; index: number } {
  let index = partition;
  for (const [choice, parent] of narrowParents(union).entries()) {
    const count = partitionCount(parent);
    if (index < count) return { choice, index };
    index -= count;
  }
  throw new RangeError(`partition ${partition} of "${union.name}" does not exist`);
}

/** The inputs of a node's partition: descends from `node` to the leaves that hold it. */
export function partitionInput(node: LineageNode, partition: number): PartitionInput {
  const unions: { partition: number; choice: number }[] = [];
  let current = node;
  let index = partition;
  const parts = () => parentPartitions(current, index);
  let several = parts();
  for (; !several && current.step.kind !== 'source' && current.step.kind !== 'shuffle-read'; several = parts()) {
    if (current.step.kind !== 'union') current = current.parents[0]!;
    else {
      const chosen = unionChoice(current, index);
      unions.push({ partition: index, choice: chosen.choice });
      current = narrowParents(current)[chosen.choice]!;
      index = chosen.index;
    }
  }
  return unions.reduceRight((of, union): PartitionInput => ({ ...union, of }), leafInput(current, index, several));
}

function leafInput(
  node: LineageNode,
  partition: number,
  several: readonly ParentPartition[] | undefined,
): PartitionInput {
  if (several) return { partition, parts: several.map((each) => partitionInput(each.parent, each.partition)) };
  return node.step.kind === 'source' ? { partition, split: node.splits![partition]! } : { partition };
}

/** How keys are spread over partitions: RDDs of equal `partitions` and `by` hold a key in partitions of one number. */
export interface Partitioning {
  readonly partitions: number;
  /** `hash`, the one shuffle by a range, or the user's function. */
  readonly by: 'hash' | ShuffleSpec | AnyFunction;
}

/** Of a planned node's pairs, where that is known: operators that leave the keys alone keep it. */
export function partitioningOf(node: LineageNode): Partitioning | undefined {
  const { shuffle, shuffleFunctions } = spreadBelow(node);
  if (!shuffle) return undefined;
  const { partitioner, partitions } = shuffle;
  if (partitioner.kind === 'hash') return { partitions, by: 'hash' };
  if (partitioner.kind === 'range') return { partitions, by: shuffle };
  return partitioner.kind === 'function' ? { partitions, by: shuffleFunctions!.place! } : undefined;
}

/** The first node on the way down that moved keys, or a leaf. */
export function spreadBelow(node: LineageNode): LineageNode {
  let current = node;
  while (KEEPS_KEYS.has(current.step.kind) || (current.step.kind === 'union' && current.parents.length === 1))
    current = current.parents[0]!;
  return current;
}

const KEEPS_KEYS: ReadonlySet<Step['kind']> = new Set([
  ...(['filter', 'mapValues', 'flatMapValues', 'combine', 'cogroup', 'join', 'sort'] as const),
]);
