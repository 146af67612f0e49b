import type { Json } from '../protocol/json.js';
import type { Persisted } from '../protocol/storage.js';
import type { ShuffleFunctions, ShuffleSpec } from './shuffle-spec.js';
import type { DevicePreference } from './slot-device.js';
import type { Step } from './step.js';

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
