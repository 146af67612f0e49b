import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nativeAddon } from '../../../native/addon.js';
import type { RangeState } from '../../exchange.js';
import type { Range } from '../../optimizer/range-optimizer.js';
import { RangeOptimizer, type UpdateSpec } from '../../optimizer/range-optimizer.js';
import { clipScale } from '../../optimizer/update-spec.js';
import { alignCuts, type Placement, rangesOf } from '../../sharding/placement.js';
import { placeShards, type Sharding } from '../../sharding/strategies.js';
import { CHUNK } from '../../slices.js';
import { addGradientSums, type GradientSum, reduceNodes, type ValueNode } from '../../tree.js';
import { Mailbox, mailboxBytes } from '../mailbox.js';
import { RangeServer, type RangeServerInit } from '../range-server.js';
import { joinServers, type OwnMailbox, type ServerExchange, type ServersOrder } from '../server-exchange.js';
import { ShardState } from '../shard-state.js';
import { CuttingProxy } from './cutting-proxy.js';

export const TOKEN = 'token';

export interface GroupSettings extends Partial<Omit<RangeServerInit, 'process' | 'placement'>> {
  /** Elements of theta. */
  readonly length?: number;
  readonly sharding?: Sharding;
  readonly update?: UpdateSpec;
  /** Which members share memory with the servers, where processes can. Default: those of odd rank. */
  readonly mailboxes?: (member: number) => boolean;
}

/** Servers in this process, on real sockets. */
export class ServerGroup {
  readonly servers: RangeServer[] = [];
  readonly saved: RangeState[] = [];
  /** What each process began with, by shard: its own and those it replicates. */
  readonly states: Map<number, ShardState>[] = [];
  readonly proxies: CuttingProxy[] = [];
  readonly #killed = new Set<number>();
  readonly placement: Placement;
  readonly length: number;
  readonly #ports: number[] = [];
  readonly #exchanges: ServerExchange[] = [];
  readonly #aborts: AbortController[] = [];
  #mailboxes = 0;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sheaf-mailboxes-'));
  readonly init: Omit<RangeServerInit, 'process'>;

  private constructor(
    readonly processes: number,
    readonly settings: GroupSettings,
  ) {
    this.length = settings.length ?? 4 * CHUNK + 100;
    const layers = [
      { from: 0, to: this.length - 100 },
      { from: this.length - 100, to: this.length },
    ];
    this.placement = alignCuts(placeShards(settings.sharding ?? 'even', layers, processes), CHUNK);
    this.init = {
      ...{
        generation: 1,
        processes,
        members: 2,
        leaves: 4,
        replicas: 0,
        token: TOKEN,
        placement: this.placement,
        consistency: 'sync',
        graceMs: 10_000,
      },
      ...settings,
    };
  }

  static async start(processes: number, settings: GroupSettings = {}): Promise<ServerGroup> {
    const group = new ServerGroup(processes, settings);
    for (let process = 0; process < processes; process++) {
      const states = new Map<number, ShardState>();
      group.states.push(states);
      const server = new RangeServer(
        { ...group.init, process },
        {
          state: (shard) => {
            states.set(shard, group.#state(shard));
            return states.get(shard)!;
          },
          save: async (states, step) => {
            group.saved.push(...states);
            return { step };
          },
        },
      );
      group.servers.push(server);
      group.#ports.push(await server.listen('127.0.0.1'));
    }
    return group;
  }

  /** Puts a proxy before each server: connections are cut after these numbers of bytes. */
  async cutConnections(cuts: readonly number[]): Promise<void> {
    for (const [process, port] of this.#ports.entries()) {
      const proxy = new CuttingProxy(port, cuts);
      this.proxies.push(proxy);
      this.#ports[process] = await proxy.listen();
    }
  }

  addresses() {
    return this.#ports.map((port) => ({ host: '127.0.0.1', port, token: TOKEN }));
  }

  async join(
    member: number,
    more: Partial<ServersOrder> = {},
    abort = new AbortController(),
    mailbox?: OwnMailbox,
  ): Promise<ServerExchange> {
    const { generation, members, leaves, replicas } = this.init;
    const near = this.#ports.map(() => true);
    const order = { generation, member, share: 1 / members, shards: leaves, placement: this.placement, replicas, near };
    const { mailboxes = (member: number) => member % 2 === 1 } = this.settings;
    const own = mailbox ?? (nativeAddon() && mailboxes(member) && !more.wire ? this.#mailbox() : undefined);
    const exchange = await joinServers({ ...order, servers: this.addresses(), ...more }, abort.signal, own);
    this.#exchanges.push(exchange);
    this.#aborts.push(abort);
    return exchange;
  }

  joinAll(more: Partial<ServersOrder> = {}): Promise<ServerExchange[]> {
    return Promise.all(Array.from({ length: this.init.members }, (_, member) => this.join(member, more)));
  }

  /** As `kill -9`: sockets close, nobody listens any more. */
  async kill(process: number): Promise<void> {
    this.#killed.add(process);
    await this.servers[process]!.close();
  }

  async close(): Promise<void> {
    for (const abort of this.#aborts) abort.abort(new Error('the test is over'));
    await Promise.all(this.#exchanges.map((exchange) => exchange.close()));
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
    await Promise.all(this.servers.map((server, process) => (this.#killed.has(process) ? undefined : server.close())));
    rmSync(this.#folder, { recursive: true });
  }

  /** Theta as the living servers have it. */
  theta(): Float32Array {
    const theta = new Float32Array(this.length);
    for (const server of this.servers.filter((_, process) => !this.#killed.has(process)))
      for (const { state } of server.shards.primaries.values())
        for (const { from, theta: values } of state.states()) theta.set(values, from);
    return theta;
  }

  #mailbox(): OwnMailbox {
    const shape = { length: this.length, nodes: this.init.leaves };
    const path = join(this.#folder, String(this.#mailboxes++));
    writeFileSync(path, new Uint8Array(mailboxBytes(shape)));
    const mailbox = new Mailbox(nativeAddon()!.map(path, mailboxBytes(shape)), shape).seal();
    return { mailbox, offer: { path, key: mailbox.key, ...shape } };
  }

  #state(shard: number): ShardState {
    const ranges = rangesOf(this.placement, shard);
    const theta = beginning(this.length);
    return new ShardState(
      ranges.map((range) => this.optimizer(range)),
      ranges.map(({ from, to }) => theta.subarray(from, to)),
      0,
    );
  }

  optimizer(range: Range): RangeOptimizer {
    const segments = [{ from: 0, to: this.length, kind: 'kernel' }] as const;
    return new RangeOptimizer(this.settings.update ?? ADAM, segments, range);
  }
}

export const ADAM: UpdateSpec = { optimizer: { kind: 'adam', learningRate: 0.01 } };
export const SGD: UpdateSpec = { optimizer: { kind: 'sgd', learningRate: 0.125 } };

export const beginning = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i));

/** A gradient sum of one shard in one step: depends on theta, so an update lost or made twice shows. */
export function leaf(index: number, step: number, theta: Float32Array): ValueNode<GradientSum> {
  const scale = Math.cos(index * 31 + step) * 10 ** (index % 3);
  const gradient = theta.map((value, i) => value * scale + Math.sin(i + step));
  return { level: 0, index, value: { gradient, rows: 2, weight: 2, lossSum: Math.cos(index) * 10 ** (index % 9) } };
}

/** What plain training on one machine gives: theta after each step. */
export function sequential(group: ServerGroup, steps: number): Float32Array[] {
  const theta = beginning(group.length);
  const optimizer = group.optimizer({ from: 0, to: group.length });
  const { leaves } = group.init;
  return Array.from({ length: steps }, (_, step) => {
    const nodes = Array.from({ length: leaves }, (_, index) => leaf(index, step, theta));
    const { gradient, weight } = reduceNodes(nodes, leaves, addGradientSums)!;
    const { clipNorm } = optimizer.spec;
    const scale = clipNorm && clipScale(clipNorm, optimizer.norms(gradient), weight);
    optimizer.update(theta, gradient, weight, step + 1, { scale });
    return theta.slice();
  });
}
