import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import type { Json } from '../protocol/json.js';
import type { Range } from '../ps/optimizer/range-optimizer.js';
import type { AskServers } from '../ps/server/ask-servers.js';
import { type Consistency, isSync } from '../ps/server/consistency.js';
import type { ServerAddress, ServerStatus } from '../ps/server/messages.js';
import { checkServerOptions, SERVER_OPTION_FORMS, type ServerOptions } from '../ps/server/options.js';
import type { RangeServerInit } from '../ps/server/range-server.js';
import { lostServers, type ServersOrder } from '../ps/server/server-exchange.js';
import { alignCuts, type Placement, placementReport, placementText } from '../ps/sharding/placement.js';
import { placeShards } from '../ps/sharding/strategies.js';
import { CHUNK } from '../ps/slices.js';
import { isSparse } from '../ps/wire/wire.js';
import { executorOf } from '../scheduler/task-set.js';
import { type Committed, type CommittedPart, stateScope } from './committed.js';
import { runWithExchange } from './exchange-rounds.js';
import { type Layout, layoutOf } from './layout.js';
import { shardRows, updatesPerEpoch } from './numerical-plan.js';
import type { ServerParameters, ServerRequest } from './ps-service.js';
import type { RoundResult, Rounds, StepLoss } from './rounds.js';
import type { TrainingCluster } from './training-cluster.js';

/**
 * Parameter servers in processes of their own, on the executors in turn. One task a slot covers a whole round: slots push
 * their sums and pull the new weights in memory they share with servers of their host, or over sockets; no step and no
 * vector passes through the driver.
 *
 * Failures: a lost slot ends the generation, and so does a lost server without replicas. With replicas the servers
 * themselves replace a lost one, and at the round's end the driver starts as many processes as there were, from the state
 * that was committed. Where steps are not synchronous, `salvage` takes what the servers have acknowledged into the next
 * generation.
 */
export class ParameterServerRounds implements Rounds {
  #servers: readonly ServerAddress[] = [];
  #consistency: Consistency;
  #set: Consistency | undefined;
  #scope: string | undefined;
  #starts = 0;
  #salvages = 0;
  /** What the log has been told last of who owns which weights. */
  #spread: string | undefined;
  #running = false;
  /** Consistency that the servers have been told. */
  #told: Consistency;

  constructor(
    readonly cluster: TrainingCluster,
    readonly options: ServerOptions = {},
  ) {
    checkServerOptions(options);
    this.#consistency = this.#told = options.consistency ?? 'sync';
  }

  async begin(committed: Committed): Promise<void> {
    const { spec, members, generation, context } = this.cluster;
    const { plan } = spec;
    if (this.#scope) context.tasks.release(this.#scope);
    this.#scope = `${spec.model}/servers-${this.#starts++}`;
    const { replicas = 0, dynSGD } = this.options;
    const processes = this.#processes();
    const placement = this.#placement(processes);
    this.#tellPlacement(placement, processes);
    const token = randomBytes(16).toString('hex');
    const { stepsPerEpoch, shards } = plan;
    const { measure } = spec;
    this.#consistency = this.#consistencyAt(committed.step);
    const init: Omit<RangeServerInit, 'process'> = {
      ...{ generation, processes, placement, replicas, token, dynSGD, stepsPerEpoch, measure, leaves: shards },
      ...{ members: members.length, consistency: this.#consistency },
    };
    this.#note(this.#consistency, committed.step);
    this.#servers = await Promise.all(times(processes, (process) => this.#start({ ...init, process }, committed)));
    const { cache, wire } = this.options.filters ?? {};
    const hosts = this.#servers.map((_, process) => this.#home(process)[1]);
    await this.cluster.all(({ rank, host, shards: own }) => {
      const rows = own.reduce((sum, shard) => sum + shardRows(plan, shard), 0);
      const order: ServersOrder = {
        ...{ generation, member: rank, share: rows / plan.rows, shards, placement, replicas, cache, wire },
        servers: this.#servers,
        near: hosts.map((each) => each === host),
      };
      return { op: 'join', generation, step: committed.step, shards: own, exchange: { kind: 'servers', ...order } };
    });
  }

  async run(from: number, steps: number, onStep: (step: number, loss: StepLoss) => void): Promise<RoundResult> {
    this.#consistency = this.#consistencyAt(from);
    await this.#tellConsistency(from);
    this.#running = true;
    try {
      const totals = isSync(this.#told) ? 'all' : 'own';
      const { cost, besidesMs } = await runWithExchange(this.cluster, from, steps, onStep, { totals });
      return { step: from + steps, cost, besidesMs };
    } finally {
      this.#running = false;
    }
  }

  async commit(step: number): Promise<Committed> {
    const { spec, generation } = this.cluster;
    const { parts, lost } = await this.#save(stateScope(spec.model, { generation, step }), step);
    if (!this.#areAll(parts))
      throw lostServers(new Error(`${lost} of ${this.#servers.length} server processes are gone`));
    const state = { step, parts };
    const committed = this.#sparse ? await this.cluster.withResiduals(state) : state;
    if (lost > 0) await this.begin(committed);
    return committed;
  }

  salvages(step: number): boolean {
    return !isSync(this.#consistencyAt(step));
  }

  /**
   * After a failure in a training that is not synchronous: ends what the servers do, and saves every update they have
   * acknowledged. Its step is that of the slowest member: what others have done beyond it they do again. It is written to
   * a scope of its own, as there may be a commit of that step whose content is another.
   *
   * @returns undefined when the last committed state is to be taken instead: updates are synchronous, or servers are gone
   */
  async salvage(): Promise<Committed | undefined> {
    if (isSync(this.#told)) return undefined;
    const { spec, context } = this.cluster;
    const scope = `${spec.model}/salvaged-${this.#salvages++}`;
    const salvaged = await this.#saveAsItIs(scope).catch(() => undefined); // whoever could have answered is gone as well
    if (!salvaged) context.tasks.release(scope);
    return salvaged;
  }

  /** @returns undefined when servers are gone with what they had */
  async #saveAsItIs(scope: string): Promise<Committed | undefined> {
    await this.#ask({ kind: 'end' });
    const status = await this.status();
    const clocks = status.flatMap(({ shards }) => shards.flatMap(({ clocks }) => clocks.map(([, clock]) => clock)));
    const step = Math.min(...clocks);
    const served = new Set(status.flatMap(({ shards }) => shards.map(({ shard }) => shard)));
    const orphans = times(this.#servers.length, (shard) => shard).filter((shard) => !served.has(shard));
    const { parts } = await this.#save(scope, step, orphans);
    return this.#areAll(parts) ? { step, parts, salvaged: true } : undefined;
  }

  /** Changes how far members may be apart: at once, but from or to `sync` with the next round. @throws TypeError */
  setConsistency(consistency: Consistency): void {
    const [fits, what] = SERVER_OPTION_FORMS.consistency;
    const { plan, measure } = this.cluster.spec;
    const exact = measure ? 'measuring the noise of gradients' : plan.local?.kind === 'elastic' ? 'elastic' : undefined;
    if (!fits(consistency)) throw new TypeError(`setConsistency takes ${what}, not ${inspect(consistency)}`);
    if (this.options.consistencyOf)
      throw new TypeError(
        'setConsistency and consistencyOf exclude each other: the latter is asked before every round',
      );
    if (exact && !isSync(consistency)) throw new TypeError(`setConsistency: ${exact} needs consistency 'sync'`);
    this.#consistency = this.#set = consistency;
    // Servers that cannot be reached now are told before the next round.
    if (this.#running && isSync(consistency) === isSync(this.#told)) this.#tellConsistency().catch(() => {});
  }

  get consistencySet(): Consistency | undefined {
    return this.#set;
  }

  /** Of the server processes that live. */
  async status(): Promise<ServerStatus[]> {
    const answers = await this.#ask({ kind: 'status' });
    return answers.filter((answer) => answer !== null) as unknown as ServerStatus[];
  }

  /** @throws TypeError when the user's function gives none */
  #consistencyAt(step: number): Consistency {
    const epoch = Math.floor(step / updatesPerEpoch(this.cluster.spec.plan)) + 1;
    const consistency = this.options.consistencyOf?.(epoch) ?? this.#consistency;
    const [fits, what] = SERVER_OPTION_FORMS.consistency;
    if (!fits(consistency)) throw new TypeError(`consistencyOf(${epoch}) must be ${what}, not ${inspect(consistency)}`);
    return consistency;
  }

  /** @param step of a round that begins, absent: in the middle of one */
  async #tellConsistency(step?: number): Promise<void> {
    const consistency = this.#consistency;
    if (same(consistency, this.#told)) return;
    await this.#ask({ kind: 'consistency', consistency });
    const { generation } = this.cluster;
    // Whoever was done first has not seen what others did last: synchronous steps begin with the same weights for all.
    if (step !== undefined && isSync(consistency)) await this.cluster.all(() => ({ op: 'pull', generation, step }));
    this.#note(consistency, step);
  }

  /** Bytes a server, once, and again when there are more or fewer servers. */
  #tellPlacement(placement: Placement, processes: number): void {
    const { sharding = 'even' } = this.options;
    const kind = typeof sharding === 'string' ? sharding : sharding.kind;
    const report = placementReport(placement, processes);
    const reason = `${kind}: ${placementText(report)}`;
    if (reason === this.#spread) return;
    this.#spread = reason;
    const { context, spec } = this.cluster;
    context.bus.emit({ event: 'plan', what: `parameter servers of ${spec.model}`, choice: processes, reason });
  }

  /** What the servers have been told; a change is told to the log. */
  #note(consistency: Consistency, step: number | undefined): void {
    const from = this.#told;
    this.#told = consistency;
    if (same(from, consistency)) return;
    const { context, spec } = this.cluster;
    const what = `consistency of ${spec.model} ${step === undefined ? 'from now on' : `from update ${step + 1} on`}`;
    const reason = `${this.options.consistencyOf ? 'consistencyOf' : 'setConsistency'}; ${nameOf(from)} before`;
    context.bus.emit({ event: 'plan', what, choice: nameOf(consistency), reason });
  }

  get #sparse(): boolean {
    return isSparse(this.options.filters?.wire ?? 'float32');
  }

  #processes(): number {
    const { servers = 'auto', replicas = 0 } = this.options;
    if (servers !== 'auto') return servers;
    const { length } = layoutOf(this.cluster.spec.plan.network);
    const busy = Math.min(this.cluster.members.length, Math.ceil((length * 4) / BYTES_PER_SERVER), MAX_AUTO_SERVERS);
    const spread = Math.min(this.#homes().length, Math.ceil(length / CHUNK));
    return Math.max(busy, spread, replicas + 1);
  }

  #placement(processes: number) {
    const layout = layoutOf(this.cluster.spec.plan.network);
    return alignCuts(placeShards(this.options.sharding ?? 'even', layersOf(layout), processes), CHUNK);
  }

  /** Where servers run in turn: the members' executors. */
  #homes(): readonly (readonly [executor: string, host: string])[] {
    return [...new Map(this.cluster.members.map(({ slot, host }) => [executorOf(slot), host]))];
  }

  #home(process: number): readonly [executor: string, host: string] {
    const homes = this.#homes();
    return homes[process % homes.length]!;
  }

  async #start(init: RangeServerInit, committed: Committed): Promise<ServerAddress> {
    const { context, spec } = this.cluster;
    const text: ServerParameters = { init, plan: spec.plan, committed };
    const bytes = Buffer.from(JSON.stringify(text));
    const parameters = await context.blocks.put(`server:${init.process}`, this.#scope!, bytes);
    const request: ServerRequest = { parameters };
    const service = { module: 'mlp/ps-service', scope: this.#scope!, parameters: request as unknown as Json };
    const [executor] = this.#home(init.process);
    return (await this.cluster.onHost(executor, 'executor/start-service', service)) as unknown as ServerAddress;
  }

  /** @param orphans shards that no server serves any more: their replicas are saved */
  async #save(
    scope: string,
    step: number,
    orphans: readonly number[] = [],
  ): Promise<{ parts: CommittedPart[]; lost: number }> {
    const answers = (await this.#ask({ kind: 'save', scope, step, orphans })) as unknown as ({
      parts: CommittedPart[];
    } | null)[];
    const saved = answers.flatMap((answer) => answer?.parts ?? []);
    const written = [...new Map(saved.map((part) => [part.from, part])).values()]; // replicas may be several
    const parts = await Promise.all(
      written.map(async (part) => ({ ...part, block: await this.cluster.replicate(part.block) })),
    );
    const lost = answers.filter((answer) => answer === null).length;
    return { parts: parts.sort((a, b) => a.from - b.from), lost };
  }

  /** Whether they cover theta. */
  #areAll(parts: readonly CommittedPart[]): boolean {
    let at = 0;
    for (const { from, to } of parts) {
      if (from !== at) return false;
      at = to;
    }
    return at === layoutOf(this.cluster.spec.plan.network).length;
  }

  async #ask(request: AskServers['request']): Promise<Json[]> {
    const order: AskServers = { servers: this.#servers, request };
    const [living] = this.cluster.context.tasks.executors();
    if (!living) throw lostServers(new Error('no executor is left'));
    return (await this.cluster.onHost(living.id, 'ps/server/ask-servers', order as unknown as Json)) as Json[];
  }
}

const same = (one: Consistency, other: Consistency) => JSON.stringify(one) === JSON.stringify(other);
const nameOf = (consistency: Consistency) =>
  typeof consistency === 'string' ? consistency : `staleness ${consistency.staleness}`;

/** With `auto`: several servers for less would wait for messages longer than they add. */
const BYTES_PER_SERVER = 8 * 1024 * 1024;
const MAX_AUTO_SERVERS = 16;

/** What belongs together in whole-layer strategies: parameters whose names begin alike. */
function layersOf({ parameters }: Layout): Range[] {
  const layers = new Map<string, Range>();
  for (const { name, offset, size } of parameters) {
    const layer = name.slice(0, name.indexOf('/'));
    layers.set(layer, { from: layers.get(layer)?.from ?? offset, to: offset + size });
  }
  return [...layers.values()];
}

function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
