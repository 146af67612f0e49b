import { sumOfOne } from '../addition-order.js';
import { fromWire, type WireCounters, type WireUpdate } from './messages.js';
import { Refused } from './primary.js';
import type { ShardState } from './shard-state.js';

/** The copies that a process keeps of shards whose primaries are other processes. */
export class HeldReplicas {
  readonly #states = new Map<number, ShardState>();

  /** @param blank a state to begin with, or to be given */
  constructor(readonly blank: (shard: number) => ShardState) {}

  hold(shard: number): void {
    this.#states.set(shard, this.blank(shard));
  }

  get(shard: number): ShardState | undefined {
    return this.#states.get(shard);
  }

  /** Lets go of a copy that becomes the primary's state, or is to be given anew: half a state is none. */
  take(shard: number): ShardState | undefined {
    const state = this.#states.get(shard);
    this.#states.delete(shard);
    return state;
  }

  /** A whole state has arrived. */
  adopt(shard: number, state: ShardState, { total, ...counters }: WireCounters): void {
    state.adopt({ ...counters, total: total && fromWire(total) });
    this.#states.set(shard, state);
  }

  /** Makes the update that the primary makes; once, however often it is sent. @throws Refused when one before is missing */
  update(shard: number, version: number, { total, ...update }: WireUpdate, sum: Float32Array): void {
    const state = this.#states.get(shard)!;
    if (version > state.version + 1) throw new Refused(`update ${version} of shard ${shard} follows ${state.version}`);
    if (version <= state.version) return;
    state.apply({ ...update, total: total && fromWire(total) }, state.views(sum).map(sumOfOne));
  }

  /** @throws Refused when there is no copy, or it lacks steps that the member has been acknowledged */
  checkTakeover(shard: number, member: number, step: number, process: number): void {
    const replica = this.#states.get(shard);
    if (!replica) throw new Refused(`process ${process} has no replica of shard ${shard}`);
    if (replica.clocks.of(member) < step)
      throw new Refused(`the replica of shard ${shard} lacks updates that member ${member} was acknowledged`);
  }
}
