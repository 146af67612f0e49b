import { type LineageNode, type NodePlan, reachable } from './lineage.js';
import { stageTopOf } from './stages.js';

/** Decides what is not known of lineages when a job needs it; of nodes that several jobs need at once, once. */
export class LineagePlanner {
  readonly #planning = new Map<LineageNode, Promise<NodePlan>>();

  /** Decides what is not known yet of `top` and the nodes below: a source's partitions, a shuffle's. */
  async plan(top: LineageNode): Promise<void> {
    for (const node of reachable(top)) {
      await node.check?.();
      node.check = undefined;
    }
    for (const node of reachable(top).filter(isUnplanned)) {
      if (!isUnplanned(node)) continue; // by another job, meanwhile
      const planning = this.#planning.get(node) ?? node.planner!.plan(node, stageTopOf(top, node));
      this.#planning.set(node, planning);
      try {
        Object.assign(node, await planning);
      } finally {
        this.#planning.delete(node);
      }
    }
  }
}

function isUnplanned({ planner, splits, shuffle, step }: LineageNode): boolean {
  return planner !== undefined && splits === undefined && shuffle === undefined && step.kind !== 'union';
}
