import type { Socket } from 'node:net';
import { endsWithLeave, FRAME, type FrameHeader, frameHead, HEADER_BYTES, readHeader } from './frame.js';
import type { Received } from './mesh.js';

/** Bytes of frames that nobody asked for yet; with more the socket is paused, and so, in the end, the sender. */
const HELD_BYTES = 256 * 1024;
/** Metadata is a line a gradient shard at most. */
const MAX_META_BYTES = 16 * 1024 * 1024;
/** What a peer may send before it has said who it is: one frame of metadata. */
const STRANGER_META_BYTES = 1024;

interface Waiter {
  readonly tag: number;
  target(bytes: number): Uint8Array;
  resolve(received: Received): void;
  reject(error: Error): void;
}

/** One connection of a mesh, either side of it. Payloads are read into the receiver's memory, copied once. */
export class Link {
  /** Set once the peer has shown that it belongs here. */
  trusted = false;
  payloadBytes = 0;
  overheadBytes = 0;
  readonly #head = new Uint8Array(HEADER_BYTES);
  #header: FrameHeader | undefined;
  #meta = new Uint8Array(0);
  #metaRead = false;
  #payload: Uint8Array | undefined;
  /** What is left of the bytes at hand, and how many of them went into the part (head, metadata, payload) at hand. */
  #chunk: Uint8Array = new Uint8Array(0);
  #filled = 0;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #waiter: Waiter | undefined;
  #broken: Error | undefined;
  /** The peer has taken leave; so has this side. */
  #left = false;
  #leaving = false;
  #closed = false;
  #onBroken: (error: Error) => void = () => {};

  constructor(readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 5_000);
    socket.on('data', (chunk: Buffer) => this.#arrive(chunk));
    socket.on('error', (error) => this.break(error));
    socket.on('close', () => {
      this.#closed = true;
      if (!this.#left && !this.#heldLeave()) this.#lost();
    });
  }

  /** Called once, with the reason, when the connection is lost; not when the peer has taken leave and nobody misses it. */
  set onBroken(listener: (error: Error) => void) {
    this.#onBroken = listener;
    if (this.#broken) listener(this.#broken);
  }

  async send(tag: number, meta: Uint8Array, payload: readonly Uint8Array[]): Promise<void> {
    if (this.#broken) throw this.#broken;
    const bytes = payload.reduce((sum, part) => sum + part.length, 0);
    this.payloadBytes += bytes;
    this.overheadBytes += HEADER_BYTES + meta.length;
    const parts = [frameHead(FRAME.data, tag, meta, bytes), ...payload.filter((part) => part.length > 0)];
    await new Promise<void>((resolve, reject) => {
      // A socket that is destroyed answers for what it has not written too, without an error.
      const flushed = (error?: Error | null) => {
        const reason = this.#broken ?? error;
        if (reason && !this.#leaving) reject(reason);
        else resolve();
      };
      this.socket.cork();
      parts.forEach((part, i) => void this.socket.write(part, i === parts.length - 1 ? flushed : undefined));
      this.socket.uncork();
    });
  }

  receive(tag: number, target: (bytes: number) => Uint8Array): Promise<Received> {
    return new Promise((resolve, reject) => {
      if (this.#broken) return reject(this.#broken);
      this.#waiter = { tag, target, resolve, reject };
      if (this.#left) this.#lost();
      else this.#release();
    });
  }

  /** Tells the peer why it is not let in. */
  refuse(reason: string): void {
    this.socket.end(frameHead(FRAME.refused, 0, new TextEncoder().encode(reason), 0));
    this.break(new Error(`refused: ${reason}`), { destroy: false });
  }

  /** What was sent arrives; what still comes is read and forgotten, because closing on unread bytes would reset it all. */
  leave(): void {
    if (this.#broken) return;
    this.#leaving = true;
    this.socket.end(frameHead(FRAME.leave, 0, new Uint8Array(0), 0));
    this.break(new Error('this member has taken leave'), { destroy: false });
    this.socket.resume();
  }

  break(error: Error, { destroy = true } = {}): void {
    if (destroy) this.socket.destroy();
    if (this.#broken) return;
    this.#broken = error;
    this.#held = [];
    this.#waiter?.reject(error);
    this.#waiter = undefined;
    this.#onBroken(error);
  }

  #lost(): void {
    this.break(new Error(this.#left ? 'it has taken leave' : 'the connection was closed'));
  }

  #arrive(chunk: Uint8Array): void {
    if (this.#broken) return;
    if (this.#heldBytes === 0) this.#read(chunk);
    else this.#hold(chunk);
  }

  #hold(chunk: Uint8Array): void {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > HELD_BYTES) this.socket.pause();
  }

  /** Reads on, now that somebody waits. */
  #release(): void {
    if (!this.#header) return;
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    // A frame without payload may be held with no byte after it.
    if (held.length === 0) this.#read(new Uint8Array(0));
    for (const chunk of held) this.#arrive(chunk);
    if (this.#heldBytes <= HELD_BYTES && this.socket.isPaused()) this.socket.resume();
    if (this.#closed && !this.#broken && !this.#left && !this.#heldLeave()) this.#lost();
  }

  #heldLeave(): boolean {
    if (!this.#header || this.#payload) return false;
    return endsWithLeave(Buffer.concat(this.#held), this.#header.payloadBytes);
  }

  /** Goes through the bytes, part by part: head, metadata, payload, and again. */
  #read(chunk: Uint8Array): void {
    this.#chunk = chunk;
    while (!this.#broken && this.#readPart());
    // Payload that nobody has asked for yet; of a frame without one only the fact that it has come is kept.
    if (this.#chunk.length > 0 && !this.#broken) this.#hold(this.#chunk);
  }

  /** @returns whether to go on */
  #readPart(): boolean {
    if (!this.#header) return this.#fill(this.#head) && this.#begin(readHeader(this.#head));
    if (!this.#metaRead) {
      this.#metaRead = this.#fill(this.#meta);
      return this.#metaRead;
    }
    if (this.#header.kind !== FRAME.data) return this.#obey(this.#header.kind);
    if (!this.#payload && !this.#place(this.#header)) return false;
    if (!this.#fill(this.#payload!)) return false;
    const received = { meta: this.#meta, payload: this.#payload! };
    const waiter = this.#waiter!;
    this.#header = this.#payload = this.#waiter = undefined;
    waiter.resolve(received);
    return true;
  }

  #begin(header: FrameHeader): boolean {
    const { kind, metaBytes, payloadBytes } = header;
    const known = (Object.values(FRAME) as number[]).includes(kind);
    const maxMeta = this.trusted ? MAX_META_BYTES : STRANGER_META_BYTES;
    if (!known || metaBytes > maxMeta || (payloadBytes > 0 && !this.trusted)) {
      this.break(new Error('it sent what is no frame of a mesh'));
      return false;
    }
    this.#header = header;
    this.#meta = new Uint8Array(metaBytes);
    this.#metaRead = false;
    return true;
  }

  #obey(kind: number): boolean {
    if (kind === FRAME.refused) this.break(new Error(`it refused: ${new TextDecoder().decode(this.#meta)}`));
    this.#header = undefined;
    this.#left = true;
    if (this.#waiter) this.#lost();
    return true;
  }

  /** Asks whoever waits for the frame where its payload goes. */
  #place({ tag, payloadBytes }: FrameHeader): boolean {
    const waiter = this.#waiter;
    if (!waiter) return false;
    try {
      if (tag !== waiter.tag) throw new Error(`it sent frame ${tag}, expected ${waiter.tag}`);
      this.#payload = waiter.target(payloadBytes);
      return true;
    } catch (error) {
      this.break(error as Error);
      return false;
    }
  }

  /** Moves bytes of the chunk at hand into a part. @returns whether the part is full */
  #fill(part: Uint8Array): boolean {
    const bytes = Math.min(part.length - this.#filled, this.#chunk.length);
    part.set(this.#chunk.subarray(0, bytes), this.#filled);
    this.#chunk = this.#chunk.subarray(bytes);
    this.#filled += bytes;
    if (this.#filled < part.length) return false;
    this.#filled = 0;
    return true;
  }
}
