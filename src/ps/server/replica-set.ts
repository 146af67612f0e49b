import { FailureError } from '../../protocol/failure.js';
import { addedUp } from '../addition-order.js';
import { bytesOf } from '../float-bytes.js';
import type { OrderedSum } from '../vector/kernels.js';
import type { Link } from './link.js';
import { toWire } from './messages.js';
import type { ShardState, ShardUpdate } from './shard-state.js';

/** How a server process reaches the others. */
export interface Peers {
  /** Processes after this one, in the ring's order, but for those known to be dead. */
  living(): number[];
  /** @throws LinkLost */
  link(process: number): Promise<Link>;
  /** The process did not answer. */
  died(process: number): void;
}

/**
 * Keeps k copies of a shard, with the processes that follow its own in the ring (Li et al., OSDI 2014, section 4.3: after
 * aggregation, so a step of M pushes is forwarded once). An update counts as replicated when every holder has it. A holder
 * that is lost is replaced by the next living process, which is given the whole state; when there is none left, the shard
 * goes on with fewer copies.
 */
export class ReplicaSet {
  /** What has been sent to a holder, in order: links keep it. */
  readonly #holders = new Map<number, Promise<Link>>();

  constructor(
    readonly shard: number,
    readonly state: ShardState,
    readonly copies: number,
    readonly peers: Peers,
  ) {}

  /** At the beginning: these processes have the state that the shard begins with. */
  begin(): void {
    for (const process of this.peers.living().slice(0, this.copies)) this.#hold(process);
  }

  /** After a takeover: the next processes are given the state. */
  async spread(): Promise<void> {
    await Promise.all(
      this.peers
        .living()
        .slice(0, this.copies)
        .map((process) => this.#transfer(process)),
    );
  }

  /** Sends an update that is about to be made; resolves when all holders have it. */
  async forward(update: ShardUpdate, sums: readonly OrderedSum[]): Promise<void> {
    if (this.#holders.size === 0) return;
    // Members use their vectors again once they are answered, which may be before they have been sent.
    const copies = sums.map((sum) => bytesOf(sum.vectors.length === 1 ? sum.vectors[0]!.slice() : addedUp(sum)));
    const version = this.state.version + 1;
    const { total, ...rest } = update;
    const ask = {
      ...{ kind: 'replicate' as const, shard: this.shard, version },
      update: total ? { ...rest, total: toWire(total) } : rest,
    };
    await Promise.all([...this.#holders.keys()].map((holder) => this.#tell(holder, (link) => link.ask(ask, copies))));
  }

  #hold(process: number): Promise<Link> {
    const link = this.peers.link(process);
    link.catch(() => {});
    this.#holders.set(process, link);
    return link;
  }

  async #tell(holder: number, tell: (link: Link) => Promise<unknown>): Promise<void> {
    const held = this.#holders.get(holder);
    try {
      await tell(await held!);
    } catch (error) {
      if (error instanceof FailureError) throw error; // it would fail the next holder too
      await this.#replace(holder, held);
    }
  }

  readonly #replacements = new Map<number, Promise<void>>();

  /** Once a holder, however many updates were on their way to it. */
  #replace(holder: number, held: Promise<Link> | undefined): Promise<void> {
    if (this.#holders.get(holder) === held) {
      this.#holders.delete(holder);
      this.peers.died(holder);
      const next = this.peers.living().find((process) => !this.#holders.has(process));
      this.#replacements.set(holder, next === undefined ? Promise.resolve() : this.#transfer(next));
    }
    return this.#replacements.get(holder) ?? Promise.resolve();
  }

  /** The whole state, copied in the moment it is sent: later updates follow on the same link. */
  async #transfer(process: number): Promise<void> {
    this.#hold(process);
    await this.#tell(process, async (link) => {
      const { total, ...counters } = this.state.counters();
      const vectors = this.state.vectors().map((vector) => bytesOf(vector.slice()));
      const wire = { ...counters, total: total && toWire(total) };
      await link.ask({ kind: 'transfer', shard: this.shard, counters: wire }, vectors);
    });
  }
}
