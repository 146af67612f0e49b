import { nativeAddon } from '../native/addon.js';
import { type AllReduceChoice, chooseAllReduce } from '../ps/allreduce/choose.js';
import { ALGORITHMS, type Algorithm } from '../ps/allreduce/plan.js';
import { planAllReduce } from '../ps/allreduce/planners.js';
import type { Range } from '../ps/optimizer/range-optimizer.js';
import { isSparse, isWire, type Wire } from '../ps/wire/wire.js';
import type { Committed } from './committed.js';
import { runWithExchange } from './exchange-rounds.js';
import { layoutOf } from './layout.js';
import type { ExchangePlan } from './membership.js';
import type { RoundResult, Rounds, StepLoss } from './rounds.js';
import type { TrainingCluster } from './training-cluster.js';

export interface AllReduceOptions {
  /** Default: chosen by the number of members, their hosts and the length of theta. `ring` adds in order of rank. */
  readonly algorithm?: Algorithm;
  /** How sums travel. Default float32; others round, or send only large values, and give other bits. */
  readonly wire?: Wire;
}

export function isAllReduce(value: unknown): value is AllReduceOptions {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { algorithm, wire, ...others } = value as { algorithm?: unknown; wire?: unknown };
  const known = algorithm === undefined || ALGORITHMS.includes(algorithm as Algorithm);
  return known && (wire === undefined || isWire(wire)) && Object.keys(others).length === 0;
}

type Way =
  | { readonly kind: 'shared-memory' }
  | { readonly kind: 'hosts'; readonly hosts: readonly string[] }
  | { readonly kind: 'mesh'; readonly algorithm: Algorithm; readonly wire: Wire };

/** All-reduce: the slots themselves merge the sums and keep the optimizer's state, a range of theta each. */
export class AllReduceRounds implements Rounds {
  #choice: AllReduceChoice | undefined;
  /** By the last round. */
  #written: Committed | undefined;

  constructor(
    readonly cluster: TrainingCluster,
    readonly options: AllReduceOptions = {},
  ) {}

  ranges(members: readonly (readonly number[])[], hosts: readonly string[]): readonly Range[] {
    const { algorithm, wire = 'float32' } = this.options;
    const { network, shards } = this.cluster.spec.plan;
    const { length } = layoutOf(network);
    this.#choice = chooseAllReduce({
      ...{ members: members.length, hosts: new Set(hosts).size, bytes: 4 * length, algorithm },
      ...{ sharedMemory: nativeAddon() !== undefined, lossy: wire !== 'float32' },
    });
    const merged = wire === 'float32' ? undefined : true;
    return planAllReduce(this.#choice.network ?? 'sliced', { members, shards, length, merged }).owned;
  }

  async begin({ step }: Committed): Promise<void> {
    const { cluster } = this;
    const { generation } = cluster;
    const { network, shared } = this.#choice!;
    const members = cluster.members.map(({ shards, meeting }) => ({ shards, meeting: meeting! }));
    const inMemory = (shared || members.length === 1) && members.every(({ meeting }) => meeting.segment !== null);
    const hosts = cluster.members.map(({ host }) => host);
    const way: Way =
      inMemory && (network === undefined || members.length === 1)
        ? { kind: 'shared-memory' }
        : inMemory
          ? { kind: 'hosts', hosts }
          : { kind: 'mesh', algorithm: network ?? 'sliced', wire: this.options.wire ?? 'float32' };
    if (generation === 0) this.#tell(way.kind);
    await cluster.all(({ rank, shards }) => {
      const exchange: ExchangePlan = { ...way, rank, members };
      return { op: 'join', generation, step, shards, exchange };
    });
  }

  async run(
    from: number,
    steps: number,
    onStep: (step: number, loss: StepLoss) => void,
    commits: boolean,
  ): Promise<RoundResult> {
    const step = from + steps;
    const ran = await runWithExchange(this.cluster, from, steps, onStep, { write: commits });
    const { cost, besidesMs, parts } = ran;
    this.#written = commits ? { step, parts } : undefined;
    return { step, cost, besidesMs };
  }

  async commit(step: number): Promise<Committed> {
    const { cluster } = this;
    const parts = this.#written?.step === step ? this.#written.parts : await cluster.write(step, cluster.members);
    const committed = { step, parts };
    return isSparse(this.options.wire ?? 'float32') ? cluster.withResiduals(committed) : committed;
  }

  async copy(committed: Committed): Promise<Committed> {
    return { ...committed, parts: await this.cluster.replicateParts(committed.parts) };
  }

  #tell(choice: string): void {
    const { context, spec } = this.cluster;
    context.bus.emit({ event: 'plan', what: `all-reduce of ${spec.model}`, choice, reason: this.#choice!.reason });
  }
}
