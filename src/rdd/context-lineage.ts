import type { Json } from '../protocol/json.js';
import type { DagScheduler } from '../scheduler/dag-scheduler.js';
import type { LineageNode, NodePlan, NodePlanner } from '../scheduler/lineage.js';
import { partitionCount } from '../scheduler/partition-input.js';
import type { Partitioner } from '../scheduler/shuffle-spec.js';
import type { Step } from '../scheduler/step.js';
import { operatorName } from './call-site.js';
import { collectGarbage } from './collect-garbage.js';
import type { Spread } from './shuffle/spread.js';

/** So many more bytes of map outputs than after the last collection may be of RDDs that nobody holds any more. */
const COLLECT_BYTES = 128 * 2 ** 20;

/** Makes the nodes of lineages, and drops the map outputs of those that nobody holds any more: the base of SheafContext. */
export abstract class ContextLineage {
  #nodes = 0;
  #shuffles = 0;
  #collectAbove = COLLECT_BYTES;
  /** Scopes of what nobody can ask for any more. */
  readonly #unreachable = new FinalizationRegistry<string>((scope) => this.stopped || this.dag.release(scope));

  abstract readonly app: string;
  abstract readonly dag: DagScheduler;
  protected abstract readonly stopped: boolean;

  newNode(name: string, step: Step, parents: readonly LineageNode[]): LineageNode {
    return { id: this.#nodes++, name, step, parents };
  }

  /** @param partitioner told the number of the parent's partitions, whose sources must be planned */
  shuffleNode(
    parent: LineageNode,
    partitions: number,
    partitioner: (maps: number) => Partitioner,
    name: string,
  ): LineageNode {
    const shuffle = { id: this.#shuffles++, partitions, partitioner: partitioner(partitionCount(parent)) };
    return { ...this.newNode(name, { kind: 'shuffle-read' }, [parent]), shuffle };
  }

  /**
   * A node that reads the parent's rows spread anew; `plan` says how, when the first job needs it. Its map outputs stay until nobody
   * holds the node any more, so that later jobs need not run its map stage again.
   */
  shuffled(parent: LineageNode, name: string, plan: () => Promise<Spread>): LineageNode {
    const id = this.#shuffles++;
    const scope = `${this.app}/shuffle-${id}`;
    const planner = {
      plan: async (): Promise<NodePlan> => {
        const spread = await plan();
        if (spread === 'in place') return { step: { kind: 'union' } };
        const { functions, ...how } = spread;
        return { shuffle: { id, scope, ...how }, shuffleFunctions: functions };
      },
    };
    const node = { ...this.newNode(name, { kind: 'shuffle-read' }, [parent]), planner };
    this.#unreachable.register(node, scope);
    return node;
  }

  /** A node without parents, whose splits `planner` makes. */
  protected leaf(
    operator: string,
    source: { module: string; options: Json; batches: boolean },
    planner: NodePlanner,
  ): LineageNode {
    return { ...this.newNode(operatorName(operator), { kind: 'source', source }, []), planner };
  }

  /** V8 collects by its own heap, and map outputs lie elsewhere: when they have grown much it is told to look. */
  protected dropUnreachable(): void {
    if (this.dag.shuffleBytes < this.#collectAbove) return;
    this.#collectAbove = Number.POSITIVE_INFINITY;
    collectGarbage();
    // What was found unreachable is dropped by callbacks that come before this.
    setTimeout(() => {
      this.#collectAbove = this.dag.shuffleBytes + COLLECT_BYTES;
    }, 0).unref();
  }
}
