import type { Json } from '../protocol/json.js';
import { type LineageNode, narrowParents, reachable } from './lineage.js';

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
