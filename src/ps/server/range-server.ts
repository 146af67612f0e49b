import { timingSafeEqual } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type Clock, systemClock } from '../../protocol/clock.js';
import { FailureError, toFailure } from '../../protocol/failure.js';
import type { RangeState } from '../exchange.js';
import { bytesOf } from '../float-bytes.js';
import type { Placement } from '../sharding/placement.js';
import { CHUNK } from '../slices.js';
import { Connection, type RequestHandler, type Vector } from './connection.js';
import { onFrames } from './frames.js';
import { HeldReplicas } from './held-replicas.js';
import { type Mailbox, type MailboxOffer, mapMailbox } from './mailbox.js';
import { type Reply, type Request, toWire } from './messages.js';
import { Norms } from './norms.js';
import { PeerLinks } from './peer-links.js';
import { type PrimarySettings, type PushAnswer, Refused, type TakeTheta } from './primary.js';
import { Roster, type RosterEvents } from './roster.js';
import { ServedShards } from './served-shards.js';
import type { ShardState } from './shard-state.js';
import { Takeovers } from './takeovers.js';

export interface RangeServerInit extends PrimarySettings {
  readonly generation: number;
  /** This process, 0 … processes - 1; it begins with the shard of the same number. */
  readonly process: number;
  readonly processes: number;
  readonly placement: Placement;
  /** Copies of each shard with the processes that follow. */
  readonly replicas: number;
  readonly token: string;
  /** How long a member may take to come back after its connection broke. Default 2000. */
  readonly graceMs?: number;
}

/** What a server process stands on. */
export interface RangeServerHooks {
  /** The state a shard begins with, or has to be given. */
  state(shard: number): ShardState;
  /** Writes states into blocks; answers with their references. */
  save(states: readonly RangeState[], step: number, scope: string): Promise<unknown>;
}

type Ask<K extends Request['kind']> = Extract<Request, { kind: K }>;
type ReplyBody = Reply extends infer R ? (R extends unknown ? Omit<R, 're'> : never) : never;

/**
 * One process of a group of parameter servers: the primary of a shard, a replica of those of the k processes before it.
 *
 * Failures: a member whose connection breaks may come back and send again what was not acknowledged; if it does not
 * within `graceMs`, a synchronous round ends for all (each is refused, now and later: nobody waits), others go on without
 * it. An exception in its own code is no loss: it is told to all, who give the training up. The process's own death closes
 * its sockets, on which members turn to the next process (`takeovers.ts`). Who has no token, or sends what is no request, is
 * refused or hung up on, and cannot make the server keep more than a few kilobytes; nobody can make it keep more than one
 * step's sums.
 */
export class RangeServer implements RequestHandler, RosterEvents {
  readonly shards: ServedShards;
  readonly #replicas: HeldReplicas;
  readonly #connections = new Set<Connection>();
  readonly #roster: Roster;
  readonly #takeovers = new Takeovers((shard) => this.#promote(shard));
  readonly #norms: Norms;
  readonly #server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  #peers: PeerLinks | undefined;
  bytesIn = 0;
  bytesOut = 0;

  constructor(
    readonly init: RangeServerInit,
    readonly hooks: RangeServerHooks,
    readonly clock: Clock = systemClock,
  ) {
    this.#norms = new Norms(init.placement);
    this.#roster = new Roster(init.members, this, clock, init.graceMs);
    this.#replicas = new HeldReplicas((shard) => hooks.state(shard));
    this.shards = new ServedShards(init.process, init, {
      living: () => this.#peers?.living() ?? [],
      link: (process) => this.#peers!.link(process),
      died: (process) => this.#peers!.died(process),
      norms: (shard, member, step, own) => this.#gatherNorms(shard, member, step, own),
    });
    this.shards.serve(init.process, hooks.state(init.process));
    for (let back = 1; back <= Math.min(init.replicas, init.processes - 1); back++)
      this.#replicas.hold((init.process - back + init.processes) % init.processes);
  }

  async listen(host: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, host, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.#peers?.close();
    for (const { socket } of this.#connections) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    const connection = new Connection(socket, this);
    this.#connections.add(connection);
    onFrames(socket, connection);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#connections.delete(connection);
      this.#roster.disconnected(connection);
    });
  }

  /** Tells all processes the shard's chunk sums, and waits for those of the others. */
  #gatherNorms(shard: number, member: number, step: number, own: readonly Float64Array[]): Promise<number[]> {
    const sums = Float64Array.from(own.flatMap((range) => [...range]));
    this.#norms.set(member, step, shard, sums);
    this.#peers?.tell({ kind: 'norms', shard, step, member }, [bytesOf(sums)]);
    return this.#norms.all(member, step);
  }

  place(request: Request, bytes: number, connection: Connection): Vector[] | undefined {
    if (request.kind === 'push' && connection.member !== undefined) {
      this.bytesIn += bytes;
      const { state } = this.shards.primaries.get(request.shard) ?? {};
      if (!state || request.nodes.length > this.init.leaves) return undefined;
      const vectors = connection.buffers(request.shard, request.nodes.length, state.length);
      return vectors && request.wire ? connection.encoded(request, state) : vectors;
    }
    if (!connection.peer) return undefined;
    if (request.kind === 'norms' && bytes <= (8 * this.#length()) / CHUNK + 8 * this.init.placement.length) {
      connection.norms = new Float64Array(bytes / 8);
      return [connection.norms];
    }
    const state = 'shard' in request ? this.#replicas.get(request.shard) : undefined;
    if (request.kind === 'replicate' && state) return connection.buffers(request.shard, 1, state.length);
    if (request.kind !== 'transfer' || this.shards.primaries.has(request.shard) || request.shard >= this.init.processes)
      return undefined;
    connection.arriving = this.#replicas.take(request.shard) ?? this.hooks.state(request.shard);
    return connection.arriving.vectors();
  }

  #length(): number {
    return this.init.placement.at(-1)!.to;
  }

  answer(request: Request, connection: Connection): void {
    void this.#answer(request, connection);
  }

  async #answer(request: Request, connection: Connection): Promise<void> {
    try {
      const [body, payload] = await this.#carryOut(request, connection);
      this.bytesOut += connection.send({ ...body, re: request.id } as Reply, payload);
    } catch (error) {
      connection.release(request);
      const body: ReplyBody =
        error instanceof Refused
          ? { kind: 'refused', reason: error.message }
          : { kind: 'failed', failure: this.#failed(error).failure };
      connection.send({ ...body, re: request.id } as Reply);
    }
  }

  /** A defect ends the round for all at once: nobody waits for an update that cannot be made, and the training is told why. */
  #failed(error: unknown): FailureError {
    if (error instanceof FailureError) return error; // told already, here or by another process
    console.error(error);
    const failure = toFailure(error);
    const told = new FailureError({ ...failure, message: `parameter server ${this.init.process}: ${failure.message}` });
    this.shards.fail(told);
    return told;
  }

  async #carryOut(request: Request, connection: Connection): Promise<[ReplyBody, Float32Array[]]> {
    if ('token' in request) this.#check(request.token);
    else if (connection.member === undefined && !connection.peer) throw new Refused('join first');
    switch (request.kind) {
      case 'join':
        return this.#join(request, connection);
      case 'push':
        return this.#push(request, connection);
      case 'pull':
        return this.#pull(request, connection);
      case 'takeover':
        await this.#takeOver(request, connection.member!);
        return DONE;
      case 'leave':
        this.#roster.leave(connection);
        return DONE;
      case 'consistency':
        this.shards.setConsistency(request.consistency);
        return DONE;
      case 'status':
        return [{ kind: 'status', ...this.status() }, []];
      case 'end':
        this.shards.fail(new Refused('the generation is over'));
        return DONE;
      case 'save':
        return [{ kind: 'saved', parts: await this.#save(request) }, []];
      case 'peer':
        this.#checkGeneration(request.generation);
        connection.peer = true;
        return DONE;
      case 'replicate':
        this.#replicate(request, connection);
        return DONE;
      case 'norms':
        this.#norms.set(request.member, request.step, request.shard, connection.norms!);
        return DONE;
      case 'transfer':
        this.#adopt(request, connection);
        return DONE;
    }
  }

  status() {
    const { bytesIn, bytesOut } = this;
    return { process: this.init.process, ...this.shards.status(this.#roster.ranks), bytesIn, bytesOut };
  }

  #check(token: string): void {
    const [a, b] = [Buffer.from(token), Buffer.from(this.init.token)];
    if (a.length !== b.length || !timingSafeEqual(a, b)) throw new Refused('wrong token');
  }

  #checkGeneration(generation: number): void {
    const { generation: own } = this.init;
    if (generation !== own) throw new Refused(`generation ${generation} is over; this is ${own}`);
  }

  #join({ generation, member, share, servers, mailbox }: Ask<'join'>, connection: Connection): [ReplyBody, []] {
    this.#checkGeneration(generation);
    if (!this.#peers) {
      this.#peers = new PeerLinks(this.init, servers);
      this.shards.begin();
    }
    this.#roster.join(member, connection);
    connection.share = share;
    connection.mailbox = mailbox && this.#mapped(mailbox);
    return [{ kind: 'joined', mailbox: connection.mailbox !== undefined }, []];
  }

  #mapped(offer: MailboxOffer): Mailbox | undefined {
    const fits = offer.length === this.#length() && offer.nodes <= this.init.leaves;
    return fits ? mapMailbox(offer) : undefined;
  }

  async #push(request: Ask<'push'>, connection: Connection): Promise<[ReplyBody, Float32Array[]]> {
    const { shard, step, basis, pull, rate } = request;
    const primary = this.shards.of(shard);
    const { state } = primary;
    if (request.wire) connection.decode(request, state);
    const nodes = connection.nodes(request, state);
    if (request.mailbox) this.bytesIn += 4 * nodes.length * state.length;
    const answer = await primary.push({
      ...{ member: connection.member!, step, basis, pull, rate, share: connection.share, nodes },
      take: this.#delivery(request, connection, state),
    });
    connection.release(request);
    return answered(answer);
  }

  async #pull(request: Ask<'pull'>, connection: Connection): Promise<[ReplyBody, Float32Array[]]> {
    const primary = this.shards.of(request.shard);
    return answered(await primary.pull(this.#delivery(request, connection, primary.state)));
  }

  /** How theta reaches a member that looks for it in its mailbox. */
  #delivery({ mailbox }: Ask<'push' | 'pull'>, connection: Connection, state: ShardState): TakeTheta | undefined {
    if (!mailbox) return undefined;
    const deliver = connection.deliver(state);
    return (theta) => {
      deliver(theta);
      this.bytesOut += theta.byteLength;
    };
  }

  #replicate({ shard, version, update }: Ask<'replicate'>, connection: Connection): void {
    if (!this.#replicas.get(shard)) throw new Refused(`no replica of shard ${shard} here`);
    const [sum] = connection.taken(shard);
    this.#replicas.update(shard, version, update, sum!);
  }

  #adopt({ shard, counters }: Ask<'transfer'>, connection: Connection): void {
    const state = connection.arriving;
    if (!state) throw new Refused(`no state of shard ${shard} came with it`);
    connection.arriving = undefined;
    this.#replicas.adopt(shard, state, counters);
  }

  async #takeOver({ shard, step }: Ask<'takeover'>, member: number): Promise<void> {
    if (this.shards.primaries.has(shard)) return;
    this.#replicas.checkTakeover(shard, member, step, this.init.process);
    await this.#takeovers.ask(shard, member, this.#roster.expected);
  }

  #promote(shard: number): void {
    this.#peers!.died(shard);
    const replicas = this.shards.serve(shard, this.#replicas.take(shard)!);
    replicas.spread().catch((error) => void this.#failed(error));
  }

  async #save({ scope, step, orphans = [] }: Ask<'save'>): Promise<unknown> {
    const replicas = orphans.flatMap((shard) => this.#replicas.get(shard) ?? []);
    const states = [...this.shards.states(step), ...replicas];
    return this.hooks.save(
      states.flatMap((state) => state.states()),
      step,
      scope,
    );
  }

  left(): void {
    this.#takeovers.look(this.#roster.expected);
  }

  lost(member: number): void {
    this.shards.lose(member);
  }
}

const DONE: [ReplyBody, Float32Array[]] = [{ kind: 'done' }, []];

function answered({ total, clock, progress, lead, pulled, theta }: PushAnswer): [ReplyBody, Float32Array[]] {
  const apart = Number.isFinite(lead) ? lead : null;
  const body = { kind: 'pushed' as const, clock, progress, lead: apart, pulled };
  return [total ? { ...body, total: toWire(total) } : body, theta ? [theta] : []];
}
