import { type Consistency, isSync } from './consistency.js';
import type { ServerStatus } from './messages.js';
import { Primary, type PrimarySettings, Refused } from './primary.js';
import { type Peers, ReplicaSet } from './replica-set.js';
import type { ShardState } from './shard-state.js';

/** What the shards of a process ask of the others. */
export interface ShardPeers extends Peers {
  /** Sums of squares over all of theta, of which a shard's are given. @see Primary */
  norms(shard: number, member: number, step: number, own: readonly Float64Array[]): Promise<Iterable<number>>;
}

/** The shards that one process is the primary of: its own, and those it has taken over. */
export class ServedShards {
  readonly primaries = new Map<number, Primary>();
  readonly #replicaSets: ReplicaSet[] = [];

  constructor(
    readonly process: number,
    readonly settings: PrimarySettings & { readonly replicas: number },
    readonly peers: ShardPeers,
    public consistency: Consistency = settings.consistency,
  ) {}

  /** @returns the shard's copies with other processes, of which there are none yet */
  serve(shard: number, state: ShardState): ReplicaSet {
    const replicas = new ReplicaSet(shard, state, this.settings.replicas, this.peers);
    const primary = new Primary(state, this.settings, this.consistency, {
      replicate: (update, sums) => replicas.forward(update, sums),
      norms: (member, step, own) => this.peers.norms(shard, member, step, own),
    });
    this.primaries.set(shard, primary);
    this.#replicaSets.push(replicas);
    return replicas;
  }

  /** The other processes can be reached: those that hold copies have the state that all begin with. */
  begin(): void {
    for (const replicas of this.#replicaSets) replicas.begin();
  }

  /** @throws Refused when another process serves the shard */
  of(shard: number): Primary {
    const primary = this.primaries.get(shard);
    if (!primary) throw new Refused(`process ${this.process} does not serve shard ${shard}`);
    return primary;
  }

  /** But those of no weights: there may be more servers than chunks of theta, or layers. */
  get filled(): Primary[] {
    return [...this.primaries.values()].filter(({ state }) => state.length > 0);
  }

  /** @throws Refused from or to synchronous while members stand at different steps, or wait: servers could not agree on a step */
  setConsistency(consistency: Consistency): void {
    const other = isSync(consistency) !== isSync(this.consistency);
    if (other && !this.filled.every((primary) => primary.idle))
      throw new Refused('consistency changes from or to sync between rounds only, when all members stand at one step');
    this.consistency = consistency;
    for (const primary of this.primaries.values()) primary.setConsistency(consistency);
  }

  /** To be saved. @param step after which synchronous ones must be @throws Refused when they are not */
  states(step: number): ShardState[] {
    const states = this.filled.map(({ state }) => state);
    for (const { progress } of isSync(this.consistency) ? states : [])
      if (progress !== step) throw new Refused(`the state is after step ${progress}, not ${step}`);
    return states;
  }

  /** Nobody waits any more, now or later. */
  fail(error: Error): void {
    for (const primary of this.primaries.values()) primary.fail(error);
  }

  lose(member: number): void {
    for (const primary of this.primaries.values()) primary.lose(member);
  }

  /** @param ranks of all members */
  status(ranks: readonly number[]): Pick<ServerStatus, 'consistency' | 'shards' | 'waitedMs'> {
    const served = [...this.primaries].filter(([, { state }]) => state.length > 0);
    const shards = served.map(
      ([
        shard,
        {
          state: { clocks, progress },
        },
      ]) => {
        return { shard, clocks: ranks.map((rank) => [rank, clocks.of(rank)] as const), progress };
      },
    );
    const waitedMs = Math.round([...this.primaries.values()].reduce((sum, primary) => sum + primary.waitedMs, 0));
    return { consistency: this.consistency, shards, waitedMs };
  }
}
