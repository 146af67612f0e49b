import type { SlotKey } from '../scheduler/task-set.js';
import {
  dealAnew,
  dealShards,
  type FormingCost,
  type Load,
  mostLoaded,
  type NewDeal,
  type Speeds,
} from './load-balancing.js';
import type { NumericalPlan } from './numerical-plan.js';
import { type RoundTimes, RoundWindow } from './round-times.js';

/**
 * Who computes which gradient shards of a training. It measures the members round by round, and says between epochs whether
 * shards should be dealt anew. Speeds are kept by slot, so that generations formed for other reasons keep to them.
 *
 * A machine that is slow now and then must not have shards wander back and forth: each new deal doubles the epochs that have
 * to be measured before the next one, so that a training of E epochs deals anew at most about log2 E times.
 */
export class LoadBalancer {
  #deal: readonly Load[] = [];
  #speeds: Speeds = new Map();
  /** Of the last generation; what loading a shard takes, of the last one that loaded any. */
  #forming: FormingCost = { shardMs: 0, restMs: Number.POSITIVE_INFINITY };
  /** In the generation that forms, by the slot that has most to load. */
  #loads = 0;
  /** To be measured before shards are dealt anew. */
  #epochs = 1;
  readonly #window: RoundWindow;

  constructor(readonly plan: Pick<NumericalPlan, 'shards' | 'rows' | 'epochs'>) {
    this.#window = new RoundWindow(plan.rows);
  }

  /** Deals the shards of a generation that forms. @param slots in the order in which their ranges are to lie */
  deal(slots: readonly SlotKey[]): readonly Load[] {
    const held = this.#deal;
    this.#deal = dealShards(this.plan.shards, slots, this.#speeds, held);
    this.#loads = mostLoaded(this.#deal, held);
    this.#window.clear();
    return this.#deal;
  }

  /** The generation has formed. @param ms what that took @param loadMs of it, loading shards */
  formed(ms: number, loadMs: number): void {
    const shardMs = this.#loads > 0 ? loadMs / this.#loads : this.#forming.shardMs;
    this.#forming = { shardMs, restMs: ms - loadMs };
  }

  ran(round: RoundTimes): void {
    this.#window.add(round);
  }

  /**
   * Between two epochs: whether a generation should be formed for another deal, which is then the one that `deal` gives.
   * @param slots that could take part, in the order of `deal`
   * @param epochsLeft those that are still to come
   */
  dealAnew(slots: readonly SlotKey[], epochsLeft: number): NewDeal | undefined {
    const { shards, rows } = this.plan;
    const times = this.#window.times(this.#epochs);
    if (!times || epochsLeft === 0) return undefined;
    const deal = dealAnew({
      ...{ shards, slots, deal: this.#deal, times, speeds: this.#speeds, forming: this.#forming },
      stepsLeft: (epochsLeft * rows) / times.rows,
    });
    if (!deal) return undefined;
    this.#speeds = deal.speeds;
    this.#epochs *= 2;
    return deal;
  }
}
