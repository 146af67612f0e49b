import { FailureError } from '../../protocol/failure.js';
import { addTotals, type Exchange, type RangeState, type StepTotal, totalOf } from '../exchange.js';
import { bytesOf, isSameView } from '../float-bytes.js';
import { type Placement, rangesOf } from '../sharding/placement.js';
import { addGradientSums, type GradientSum, reduceNodes, type ValueNode } from '../tree.js';
import { codecOf, type Wire } from '../wire/wire.js';
import type { WireCodec } from '../wire/wire-codec.js';
import { type Ask, LinkLost } from './link.js';
import type { Mailbox, MailboxOffer } from './mailbox.js';
import { fromWire, type ServerAddress } from './messages.js';
import { Refused } from './primary.js';
import { ServerLinks } from './server-links.js';

/** What a member of a round is told of the servers. */
export interface ServersOrder {
  readonly generation: number;
  readonly member: number;
  /** Part of all rows that the member's shards hold. */
  readonly share: number;
  /** G, gradient shards of the canonical tree. */
  readonly shards: number;
  readonly placement: Placement;
  /** Of all server processes; process i begins with shard i of the placement. */
  readonly servers: readonly ServerAddress[];
  /** Of each process, whether it runs on the member's host: those share memory with it. Default: none does. */
  readonly near?: readonly boolean[];
  /** Copies of each shard. */
  readonly replicas: number;
  /** With staleness t, weights are used again that lack no update of more than t steps before. Default false. */
  readonly cache?: boolean;
  /** How sums travel. Formats but float32 send one sum a member: synchronous bits then depend on the number of members. */
  readonly wire?: Wire;
  /** How long members wait for each other when a server was lost, in milliseconds. Default 20,000. */
  readonly takeoverMs?: number;
}

/** A mailbox, and how servers of its host find it. */
export interface OwnMailbox {
  readonly mailbox: Mailbox;
  readonly offer: MailboxOffer;
}

/** One server's part of theta, as a member sees it. */
interface Part {
  readonly shard: number;
  readonly ranges: readonly { readonly from: number; readonly to: number }[];
  /** Steps of this member that the server has acknowledged. */
  acknowledged: number;
  /** Of the weights that were pulled last. */
  progress: number;
  /** Steps of all members that are in them. */
  clock: number;
  /** Steps that members may be apart. */
  lead: number;
  /** For encoded sums, one a range. */
  buffers?: readonly Uint8Array[];
}

/**
 * Joins a group of parameter servers for a round.
 *
 * ```ts
 * const exchange = await joinServers(order, signal);
 * for (let step = order.step; step < last; step++) await exchange.step(step, replica.gradients(shards), replica.theta);
 * await exchange.close();
 * ```
 *
 * @param own memory that servers of this host may share; for sums that are not encoded
 * @throws FailureError `executor-lost` when a server cannot be reached
 */
export async function joinServers(order: ServersOrder, signal: AbortSignal, own?: OwnMailbox): Promise<ServerExchange> {
  const exchange = new ServerExchange(order, signal, own);
  await exchange.join();
  return exchange;
}

/**
 * A member's side of the parameter servers: pushes the slices of its sums to all of them at once, and each answer is that
 * server's part of theta, written where it belongs. Push and pull are one exchange.
 *
 * What is not acknowledged is sent again: to the same process when only the connection broke, to the one that takes over
 * when the process is gone. When nobody can, every wait ends with `executor-lost`.
 *
 * Where the servers are not synchronous the totals are those of this member's own sums.
 */
export class ServerExchange implements Exchange {
  readonly #parts: Part[];
  readonly #links: ServerLinks;
  readonly #codec: WireCodec | undefined;
  readonly homes: Mailbox | undefined;
  #failed = false;

  constructor(
    readonly order: ServersOrder,
    readonly signal: AbortSignal,
    own?: OwnMailbox,
  ) {
    const shards = [...new Set(order.placement.map(({ server }) => server))].sort((a, b) => a - b);
    this.#parts = shards.map((shard) => ({
      ...{ shard, ranges: rangesOf(order.placement, shard) },
      ...{ acknowledged: 0, progress: 0, clock: -1, lead: 0 },
    }));
    this.#codec = codecOf(order.wire ?? 'float32', order.placement.at(-1)!.to);
    const acknowledged = (shard: number) => this.#parts.find((part) => part.shard === shard)?.acknowledged ?? 0;
    this.#links = new ServerLinks(order, acknowledged, signal, own?.offer);
    this.homes = own?.mailbox;
  }

  async join(): Promise<void> {
    await this.#guarded(() => this.#links.joinAll());
  }

  async step(
    step: number,
    nodes: readonly ValueNode<GradientSum>[],
    theta: Float32Array,
    rate?: number,
  ): Promise<StepTotal> {
    const sums = this.#codec ? merged(nodes, this.order.shards) : this.#atHome(nodes);
    const own = ownTotal(sums, this.order.shards);
    const totals = await this.#guarded(() =>
      Promise.all(this.#parts.map((part) => this.#push(part, step, sums, rate, theta))),
    );
    return totals[0] ?? own;
  }

  /** Fills theta with the servers' weights as they are. */
  async pull(theta: Float32Array): Promise<void> {
    await this.#guarded(() =>
      Promise.all(this.#parts.map((part) => this.#ask(part, { kind: 'pull', shard: part.shard }, [], theta))),
    );
  }

  /** Servers keep the state. */
  state(): readonly RangeState[] {
    return [];
  }

  get residual(): Float32Array | undefined {
    return this.#codec?.residual;
  }

  get bytesSent(): number {
    return this.#links.bytesSent;
  }

  /** Payload bytes that servers have sent to this member. */
  get bytesReceived(): number {
    return this.#links.bytesReceived;
  }

  /** Of the payload bytes both ways, those that lay in memory shared with servers. */
  get bytesShared(): number {
    return this.#links.bytesShared;
  }

  /** Bytes of headers, both ways: what is neither sums nor weights. */
  get overheadBytes(): number {
    return this.#links.overheadBytes;
  }

  async close(): Promise<void> {
    await this.#links.close(!this.#failed);
  }

  /** In the mailbox, where there is one. */
  #atHome(nodes: readonly ValueNode<GradientSum>[]): readonly ValueNode<GradientSum>[] {
    if (!this.homes) return nodes;
    const { sums } = this.homes;
    return nodes.map(({ value, ...node }, k) => {
      const gradient = sums[k]!;
      if (!isSameView(value.gradient, gradient)) gradient.set(value.gradient);
      return { ...node, value: { ...value, gradient } };
    });
  }

  /** @returns the total of all members when the servers are synchronous */
  async #push(
    part: Part,
    step: number,
    nodes: readonly ValueNode<GradientSum>[],
    rate: number | undefined,
    theta: Float32Array,
  ): Promise<StepTotal | undefined> {
    const { shard, ranges, progress: basis } = part;
    const { cache = false } = this.order;
    const pull = !(cache && Number.isFinite(part.lead) && part.clock >= step + 1 - part.lead);
    const headers = nodes.map(({ level, index, value }) => ({ level, index, ...totalOf(value) }));
    const slices = nodes.flatMap(({ value }) => ranges.map(({ from, to }) => value.gradient.subarray(from, to)));
    const payload = this.#codec ? this.#encode(this.#codec, part, slices) : slices.map(bytesOf);
    const { wire } = this.order;
    const encoding = this.#codec ? { wire, lengths: payload.map(({ length }) => length) } : {};
    part.acknowledged = step;
    const ask = { kind: 'push' as const, shard, step, basis, pull, rate, nodes: headers, ...encoding };
    return this.#ask(part, ask, payload, theta);
  }

  /** Into buffers that stay as they are until the next step: what is sent again is the same. */
  #encode(codec: WireCodec, part: Part, slices: readonly Float32Array[]): Uint8Array[] {
    part.buffers ??= part.ranges.map(({ from, to }) => new Uint8Array(Math.ceil(codec.maxBytes(to - from) / 4) * 4));
    return slices.map((values, k) => {
      const buffer = part.buffers![k]!;
      return buffer.subarray(0, codec.encode(values, part.ranges[k]!.from, buffer));
    });
  }

  async #ask(part: Part, ask: Ask, payload: Uint8Array[], theta: Float32Array): Promise<StepTotal | undefined> {
    const home = this.homes?.theta ?? theta;
    const into = part.ranges.map(({ from, to }) => home.subarray(from, to));
    const reply = await this.#links.ask(part.shard, ask, payload, into.map(bytesOf));
    if (reply.kind !== 'pushed') throw new Error(`a parameter server answered "${reply.kind}" to a ${ask.kind}`);
    part.lead = reply.lead ?? Number.POSITIVE_INFINITY;
    if (reply.pulled) {
      part.progress = reply.progress;
      part.clock = reply.clock;
      if (home !== theta) part.ranges.forEach(({ from }, k) => void theta.set(into[k]!, from));
    }
    return reply.total && fromWire(reply.total);
  }

  async #guarded<T>(act: () => Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    try {
      return await act();
    } catch (error) {
      this.#failed = true;
      this.signal.throwIfAborted();
      if (!(error instanceof LinkLost || error instanceof Refused)) throw error;
      throw lostServers(error);
    }
  }
}

/** The failure after which a generation begins anew. */
export function lostServers({ message }: Error): FailureError {
  return new FailureError({
    kind: 'executor-lost',
    executor: '',
    message: `the parameter servers' round ended: ${message}`,
  });
}

/** One sum: what an encoding leaves out is kept once. */
function merged(nodes: readonly ValueNode<GradientSum>[], shards: number): ValueNode<GradientSum>[] {
  const value = reduceNodes(nodes, shards, addGradientSums);
  return value ? [{ ...nodes[0]!, value }] : [];
}

function ownTotal(nodes: readonly ValueNode<GradientSum>[], shards: number): StepTotal {
  const totals = nodes.map(({ level, index, value }) => ({ level, index, value: totalOf(value) }));
  return reduceNodes(totals, shards, addTotals) ?? { rows: 0, weight: 0, lossSum: 0 };
}
