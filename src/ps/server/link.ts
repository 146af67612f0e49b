import { connect, type Socket } from 'node:net';
import { FailureError } from '../../protocol/failure.js';
import { bytesIn, type FrameReceiver, onFrames, sendFrame } from './frames.js';
import type { Reply, Request } from './messages.js';
import { Refused } from './primary.js';

/** The connection, and with it perhaps the process behind it, is gone: what was asked may or may not have been done. */
export class LinkLost extends Error {
  override readonly name = 'LinkLost';
}

/** A request without what the link adds. */
export type Ask = Request extends infer R ? (R extends unknown ? Omit<R, 'id'> : never) : never;
/** What is not an exception. */
export type Answer = Exclude<Reply, { kind: 'refused' | 'failed' }>;

interface Waiter {
  readonly into: readonly Uint8Array[];
  resolve(reply: Answer): void;
  reject(error: Error): void;
}

const CONNECT_MS = 5000;
const MAX_REPLY_HEADER_BYTES = 16 << 20;

/** A connection to a server process: many requests may be under way. Ends all of them when it breaks. */
export class Link implements FrameReceiver<Reply> {
  /** Payload bytes. */
  bytesSent = 0;
  bytesReceived = 0;
  /** Of both, those that lay in the mailbox. */
  bytesShared = 0;
  /** Whether the process there has mapped this member's mailbox: then sums and weights lie in it, and are not sent. */
  mailbox = false;
  readonly closed: Promise<void>;
  readonly #waiters = new Map<number, Waiter>();
  #next = 0;
  #broken: LinkLost | undefined;

  private constructor(readonly socket: Socket) {
    onFrames<Reply>(socket, this);
    socket.on('error', (error) => this.#break(error.message));
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#break('the connection was closed');
        resolve();
      });
    });
  }

  /** @throws LinkLost when nobody listens there */
  static async open({ host, port }: { host: string; port: number }): Promise<Link> {
    const socket = connect({ host, port, noDelay: true });
    const link = new Link(socket);
    const late = setTimeout(() => socket.destroy(new Error(`no connection within ${CONNECT_MS} ms`)), CONNECT_MS);
    await new Promise<void>((resolve) => {
      socket.once('connect', resolve);
      socket.once('close', () => resolve());
    });
    clearTimeout(late);
    if (link.#broken) throw new LinkLost(`${host}:${port} cannot be reached: ${link.#broken.message}`);
    return link;
  }

  /** Bytes of headers, both ways. */
  get overheadBytes(): number {
    return this.socket.bytesWritten + this.socket.bytesRead - (this.bytesSent + this.bytesReceived - this.bytesShared);
  }

  get broken(): boolean {
    return this.#broken !== undefined;
  }

  /**
   * @param payload sent as it is; must not change before the answer. With a mailbox it lies there
   * @param into where the answer's payload is written; with a mailbox places in it
   * @throws LinkLost; Refused with the server's reason; FailureError with what went wrong in the server
   */
  async ask(request: Ask, payload: readonly Uint8Array[] = [], into: readonly Uint8Array[] = []): Promise<Answer> {
    if (this.#broken) throw this.#broken;
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiters.set(id, { into, resolve, reject });
      const mailbox = this.mailbox && (request.kind === 'push' || request.kind === 'pull');
      const header = mailbox ? { ...request, id, mailbox } : { ...request, id };
      const sent = sendFrame(this.socket, header, mailbox ? [] : payload);
      if (mailbox) this.bytesShared += bytesIn(payload);
      this.bytesSent += mailbox ? bytesIn(payload) : sent;
    });
  }

  /** Whatever is under way ends with `LinkLost`. */
  close(): void {
    this.#break('the connection was closed');
    this.socket.destroy();
  }

  maxHeaderBytes(): number {
    return MAX_REPLY_HEADER_BYTES;
  }

  place(reply: Reply, bytes: number): readonly Uint8Array[] | undefined {
    this.bytesReceived += bytes;
    return this.#waiters.get(reply.re)?.into;
  }

  receive(reply: Reply): void {
    const waiter = this.#waiters.get(reply.re);
    this.#waiters.delete(reply.re);
    if (this.mailbox && waiter && reply.kind === 'pushed' && reply.pulled) {
      this.bytesShared += bytesIn(waiter.into);
      this.bytesReceived += bytesIn(waiter.into);
    }
    if (reply.kind === 'refused') waiter?.reject(new Refused(reply.reason));
    else if (reply.kind === 'failed') waiter?.reject(new FailureError(reply.failure));
    else waiter?.resolve(reply);
  }

  #break(reason: string): void {
    this.#broken ??= new LinkLost(reason);
    for (const waiter of this.#waiters.values()) waiter.reject(this.#broken);
    this.#waiters.clear();
  }
}
