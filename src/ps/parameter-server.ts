import { timingSafeEqual } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { BlockRef } from '../protocol/block.js';
import type { Json } from '../protocol/json.js';
import type { ServiceProgram } from '../protocol/program.js';
import {
  type Frame,
  type FromServer,
  isRequest,
  MAX_HEADER_BYTES,
  onFrames,
  STRANGER_BYTES,
  sendFrame,
  type ToServer,
} from './ps-protocol.js';
import { addGradientSums, type GradientSum, reduceNodes, type ValueNode } from './tree.js';

export interface ParameterServerInit {
  /** Engine module whose `createUpdater(parameters, state)` makes the optimizer's steps. */
  readonly updater: string;
  readonly parameters: Json;
  readonly generation: number;
  /** Updates the state has had. */
  readonly step: number;
  /** Weights and optimizer slots; absent: the updater's own beginning. */
  readonly state: BlockRef | null;
  readonly members: number;
  readonly shards: number;
  readonly token: string;
}

/** Applies updates to a state; lives where the network's compute backend does. */
export interface Updater {
  /** Divides the sums by their rows and makes one optimizer step; `step` counts from 1. */
  update(total: GradientSum, step: number): void;
  theta(): Float32Array;
  state(): Float32Array;
}

/** As a service: answers with its `ServerAddress`. */
const parameterServer: ServiceProgram = {
  async start(parameters, { blocks, bind, hostname }) {
    const init = parameters as unknown as ParameterServerInit;
    const module: { createUpdater(parameters: Json, state: Float32Array | undefined): Promise<Updater> } = await import(
      new URL(`../${init.updater}.js`, import.meta.url).href
    );
    const bytes = init.state ? await blocks.get(init.state) : undefined;
    const state = bytes && new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const updater = await module.createUpdater(init.parameters, state);
    const port = await new SynchronousServer(init, updater).listen(bind);
    return { host: hostname, port, token: init.token };
  },
};
export default parameterServer;

interface Member {
  readonly socket: Socket;
  /** Nodes of the step at hand, once pushed. */
  nodes: ValueNode<GradientSum>[] | undefined;
}

/**
 * One server, synchronous (BSP): waits until every member has pushed the step's sums, adds them along the canonical
 * tree, so that the bits are those of tree aggregation, makes the update and answers all with the new weights.
 *
 * Failures: a member that goes without taking leave ends the generation for all (each is refused, now and later: nobody
 * waits); a frame of another generation or step is refused. The server's own death closes its sockets, which the members
 * notice. Who has no token, or sends what is no request, is refused or hung up on, and cannot make the server keep more
 * than a few kilobytes.
 */
export class SynchronousServer {
  readonly #members = new Map<number, Member>();
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  #step: number;
  #bytes: number | undefined;
  /** Why the generation is over, when it is. */
  #over: string | undefined;

  constructor(
    readonly init: ParameterServerInit,
    readonly updater: Updater,
  ) {
    this.#step = init.step;
  }

  async listen(host: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, host, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    let rank: number | undefined;
    const receive = (frame: Frame<ToServer>) => {
      const { header } = frame;
      if (!isRequest(header)) socket.destroy();
      else if (header.kind === 'join') rank = this.#join(socket, header);
      else if (rank === undefined && !(header.kind === 'state' && sameToken(header.token, this.init.token)))
        this.#refuse(socket, 'join first');
      else if (header.generation !== this.init.generation)
        this.#refuse(socket, `generation ${header.generation} is over; this is ${this.init.generation}`);
      else if (header.kind === 'leave') this.#left(rank!, socket);
      else if (header.kind === 'push') this.#push(this.#memberAt(rank!, socket), socket, frame as Frame<Push>);
      else this.#answerState(socket, header.step);
    };
    // A member pushes at most one vector a shard.
    const maxBytes = () =>
      rank === undefined ? STRANGER_BYTES : MAX_HEADER_BYTES + this.init.shards * this.#vectorBytes();
    onFrames<ToServer>(socket, receive, maxBytes);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (rank !== undefined && this.#memberAt(rank, socket)) this.#lost(rank);
    });
  }

  #join(socket: Socket, { token, generation, rank }: Extract<ToServer, { kind: 'join' }>): number | undefined {
    if (!sameToken(token, this.init.token)) return this.#refuse(socket, 'wrong token');
    if (generation !== this.init.generation)
      return this.#refuse(socket, `generation ${generation} is over; this is ${this.init.generation}`);
    if (this.#over) return this.#refuse(socket, this.#over);
    this.#members.set(rank, { socket, nodes: undefined });
    sendFrame<FromServer>(socket, { kind: 'joined' });
    return rank;
  }

  #vectorBytes(): number {
    this.#bytes ??= this.updater.theta().byteLength;
    return this.#bytes;
  }

  #push(member: Member | undefined, socket: Socket, { header, payload }: Frame<Push>): void {
    if (!member) return void this.#refuse(socket, this.#over ?? 'join again: this member has taken leave');
    if (header.step !== this.#step)
      return void this.#refuse(member.socket, `step ${header.step} is not step ${this.#step}`);
    if (payload.length !== header.nodes.length * this.#vectorBytes()) return void socket.destroy();
    const length = this.#vectorBytes() / 4;
    member.nodes = header.nodes.map(({ level, index, rows, weight, lossSum }, k) => {
      const gradient = new Float32Array(payload.buffer, payload.byteOffset + k * length * 4, length);
      return { level, index, value: { gradient, rows, weight, lossSum: lossSum ?? Number.NaN } };
    });
    if (this.#pushed().length === this.init.members) this.#update();
  }

  #update(): void {
    const nodes = this.#pushed().flatMap(({ nodes }) => nodes!);
    const total = reduceNodes(nodes, this.init.shards, addGradientSums)!;
    this.#step++;
    this.updater.update(total, this.#step);
    const theta = this.updater.theta();
    const payload = new Uint8Array(theta.buffer, theta.byteOffset, theta.byteLength);
    for (const member of this.#members.values()) {
      member.nodes = undefined;
      const { rows, weight, lossSum } = total;
      sendFrame<FromServer>(member.socket, { kind: 'updated', step: this.#step, rows, weight, lossSum }, payload);
    }
  }

  #answerState(socket: Socket, step: number): void {
    if (step !== this.#step) return void this.#refuse(socket, `the state is after step ${this.#step}, not ${step}`);
    const state = this.updater.state();
    sendFrame<FromServer>(
      socket,
      { kind: 'state', step },
      new Uint8Array(state.buffer, state.byteOffset, state.byteLength),
    );
  }

  #pushed(): Member[] {
    return [...this.#members.values()].filter(({ nodes }) => nodes !== undefined);
  }

  /** A rank that has joined again for the next round is another connection's. */
  #memberAt(rank: number, socket: Socket): Member | undefined {
    const member = this.#members.get(rank);
    return member?.socket === socket ? member : undefined;
  }

  #left(rank: number, socket: Socket): void {
    if (this.#memberAt(rank, socket)) this.#members.delete(rank);
  }

  /** Whoever has pushed waits for the lost one, and whoever has not would. */
  #lost(rank: number): void {
    this.#members.delete(rank);
    this.#over = `member ${rank} was lost in step ${this.#step}`;
    for (const { socket, nodes } of this.#members.values()) if (nodes) this.#refuse(socket, this.#over);
    this.#members.clear();
  }

  #refuse(socket: Socket, reason: string): undefined {
    sendFrame<FromServer>(socket, { kind: 'refused', reason });
    return undefined;
  }
}

type Push = Extract<ToServer, { kind: 'push' }>;

function sameToken(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
