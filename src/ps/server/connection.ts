import type { Socket } from 'node:net';
import { bytesOf } from '../float-bytes.js';
import type { ValueNode } from '../tree.js';
import { codecOf } from '../wire/wire.js';
import { type FrameReceiver, sendFrame } from './frames.js';
import type { Mailbox } from './mailbox.js';
import { isRequest, type Reply, type Request } from './messages.js';
import { Refused, type ShardSum, type TakeTheta } from './primary.js';
import type { ShardState } from './shard-state.js';

/** Largest header of a peer that has not yet said who it is, and of all others. */
const STRANGER_HEADER_BYTES = 1 << 14;
const MAX_HEADER_BYTES = 1 << 20;

export type Push = Extract<Request, { kind: 'push' }>;
export type Vector = Float32Array | Float64Array | Uint8Array;

/** Who decides what a connection may send, and answers it. */
export interface RequestHandler {
  /** Where a request's payload goes; undefined: nobody who may send it would send so much. */
  place(request: Request, bytes: number, connection: Connection): readonly Vector[] | undefined;
  answer(request: Request, connection: Connection): void;
}

/** What a server process knows of one connection, and the room for what comes through it. */
export class Connection implements FrameReceiver<Request> {
  member: number | undefined;
  share = 0;
  peer = false;
  /** Of a member whose memory this process shares. */
  mailbox: Mailbox | undefined;
  /** Chunk sums that have come. */
  norms: Float64Array | undefined;
  /** A state that is being transferred. */
  arriving: ShardState | undefined;
  /** By shard; kept from step to step. `busy` while a request's sums lie in them. */
  readonly #buffers = new Map<number, { vectors: Float32Array[]; busy: boolean; used: number }>();

  readonly #encoded = new Map<number, Uint8Array[]>();

  constructor(
    readonly socket: Socket,
    readonly handler: RequestHandler,
  ) {}

  maxHeaderBytes(): number {
    return this.member === undefined && !this.peer ? STRANGER_HEADER_BYTES : MAX_HEADER_BYTES;
  }

  place(request: Request, bytes: number): readonly Uint8Array[] | undefined {
    if (!isRequest(request)) return undefined;
    return this.handler.place(request, bytes, this)?.map(bytesOf);
  }

  receive(request: Request): void {
    if (!isRequest(request)) this.socket.destroy();
    else this.handler.answer(request, this);
  }

  /** One push of a shard at a time: a second one has no place. */
  buffers(shard: number, count: number, length: number): Float32Array[] | undefined {
    const known = this.#buffers.get(shard);
    if (known?.busy) return undefined;
    const vectors = known?.vectors ?? [];
    while (vectors.length < count) vectors.push(new Float32Array(length));
    this.#buffers.set(shard, { vectors, busy: true, used: count });
    return vectors.slice(0, count);
  }

  /** The subtree sums of a push, where they lie. @throws Refused when they are not there */
  nodes({ shard, nodes, mailbox }: Push, state: ShardState): ValueNode<ShardSum>[] {
    const gradients = mailbox ? this.#left(nodes.length, state) : this.#arrived(shard, nodes.length, state);
    return nodes.map(({ level, index, rows, weight, lossSum, spread }, k) => {
      const value = { gradients: gradients[k]!, rows, weight, lossSum: lossSum ?? Number.NaN, spread };
      return { level, index, value };
    });
  }

  #arrived(shard: number, count: number, state: ShardState): Float32Array[][] {
    const buffers = this.#buffers.get(shard);
    if (count > 0 && (!buffers?.busy || buffers.used !== count)) throw missing(shard);
    return (buffers?.vectors ?? []).map((vector) => state.views(vector));
  }

  #left(count: number, { ranges }: ShardState): Float32Array[][] {
    const { sums } = this.#mailbox();
    if (count > sums.length) throw new Refused(`a mailbox for ${sums.length} sums does not hold ${count}`);
    return sums.slice(0, count).map((sum) => ranges.map(({ from, to }) => sum.subarray(from, to)));
  }

  #mailbox(): Mailbox {
    if (!this.mailbox) throw new Refused('this server shares no memory with the member');
    return this.mailbox;
  }

  /** Puts theta in the mailbox. A member whose connection has broken meanwhile may compute with what it has found there. */
  deliver(state: ShardState): TakeTheta {
    const { theta: home } = this.#mailbox();
    return (theta) => {
      if (this.socket.destroyed) return;
      const views = state.views(theta);
      state.ranges.forEach(({ from }, k) => void home.set(views[k]!, from));
    };
  }

  /** Room for encoded sums, each beginning at a multiple of 4; undefined: no encoding of them is so long. */
  encoded({ shard, wire, lengths = [], nodes }: Push, state: ShardState): Uint8Array[] | undefined {
    const codec = codecOf(wire!, 0);
    const { ranges } = state;
    if (!codec || lengths.length !== nodes.length * ranges.length) return undefined;
    const parts: Uint8Array[] = [];
    for (const [k, bytes] of lengths.entries()) {
      const { from, to } = ranges[k % ranges.length]!;
      if (bytes > codec.maxBytes(to - from)) return undefined;
      parts.push(new Uint8Array(bytes));
    }
    this.#encoded.set(shard, parts);
    return parts;
  }

  /** Into the vectors where sums lie that come as they are. @throws Refused, when they are no encoding of them */
  decode({ shard, wire, nodes }: Push, state: ShardState): void {
    const codec = codecOf(wire!, 0);
    const parts = this.#encoded.get(shard);
    const { vectors } = this.#buffers.get(shard) ?? {};
    if (!codec || !parts || !vectors) throw missing(shard);
    this.#encoded.delete(shard);
    const views = vectors.slice(0, nodes.length).flatMap((vector) => state.views(vector));
    try {
      for (const [k, view] of views.entries()) codec.decode(parts[k]!, view);
    } catch (error) {
      throw new Refused((error as Error).message);
    }
  }

  taken(shard: number): Float32Array[] {
    const buffers = this.#buffers.get(shard);
    if (!buffers?.busy) throw missing(shard);
    buffers.busy = false;
    return buffers.vectors;
  }

  release(request: Request): void {
    const buffers = 'shard' in request ? this.#buffers.get(request.shard) : undefined;
    if (buffers) buffers.busy = false;
  }

  send(reply: Reply, payload: readonly Float32Array[] = []): number {
    return this.socket.destroyed ? 0 : sendFrame(this.socket, reply, payload.map(bytesOf));
  }
}

const missing = (shard: number) => new Refused(`the sums of shard ${shard} are missing`);
