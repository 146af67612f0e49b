import type { Socket } from 'node:net';
import { bytesOf } from '../float-bytes.js';
import type { GradientSum, ValueNode } from '../tree.js';
import { codecOf } from '../wire/wire.js';
import { type FrameReceiver, sendFrame } from './frames.js';
import { isRequest, type NodeHeader, type Reply, type Request } from './messages.js';
import { Refused } from './primary.js';
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

  /** The subtree sums that a push brought. @throws Refused when their number is another than the header says */
  nodes(shard: number, headers: readonly NodeHeader[]): ValueNode<GradientSum>[] {
    const buffers = this.#buffers.get(shard);
    if (headers.length > 0 && (!buffers?.busy || buffers.used !== headers.length))
      throw new Refused(`the sums of shard ${shard} are missing`);
    return headers.map(({ level, index, rows, weight, lossSum, spread }, k) => {
      const gradient = buffers!.vectors[k]!;
      return { level, index, value: { gradient, rows, weight, lossSum: lossSum ?? Number.NaN, spread } };
    });
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
    if (!codec || !parts || !vectors) throw new Refused(`the sums of shard ${shard} are missing`);
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
    if (!buffers?.busy) throw new Refused(`the sums of shard ${shard} are missing`);
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
