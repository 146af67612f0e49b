import type { Socket } from 'node:net';

/**
 * One frame: lengths of header and payload (uint32 each, little-endian), the header as JSON, the payload as raw bytes.
 * Payloads are written from where they lie and read to where they belong: nothing is joined, however large.
 */
export interface FrameReceiver<H> {
  /** Largest header that is looked at, in bytes; asked before each. */
  maxHeaderBytes(): number;
  /** Where a payload of so many bytes goes, in order; undefined: the peer is hung up on. Not asked when there is none. */
  place(header: H, bytes: number): readonly Uint8Array[] | undefined;
  /** A frame has arrived whole. */
  receive(header: H): void;
}

/** Of a payload, in all. */
export const bytesIn = (parts: readonly Uint8Array[]) => parts.reduce((sum, { length }) => sum + length, 0);

/** @returns bytes of the payload */
export function sendFrame(socket: Socket, header: object, payload: readonly Uint8Array[] = []): number {
  const text = Buffer.from(JSON.stringify(header));
  const bytes = bytesIn(payload);
  const head = Buffer.alloc(8 + text.length);
  head.writeUInt32LE(text.length, 0);
  head.writeUInt32LE(bytes, 4);
  text.copy(head, 8);
  socket.cork();
  socket.write(head);
  for (const part of payload) if (part.length > 0) socket.write(part);
  socket.uncork();
  return bytes;
}

/** Reads a socket's frames; hangs up on what is none. */
export function onFrames<H>(socket: Socket, receiver: FrameReceiver<H>): void {
  const reader = new FrameReader(receiver, () => {
    socket.destroy(new Error('this is no frame of a parameter server'));
  });
  socket.on('data', (chunk: Buffer) => reader.push(chunk));
}

const LENGTHS = 8;

/** Puts frames together from a stream cut anywhere. */
export class FrameReader<H> {
  readonly #lengths = Buffer.alloc(LENGTHS);
  #head = this.#lengths;
  #headAt = 0;
  /** What the payload still has to fill; undefined while lengths or header are read. */
  #parts: readonly Uint8Array[] | undefined;
  #part = 0;
  #partAt = 0;
  #payloadBytes = 0;
  #header: H | undefined;
  #over = false;

  constructor(
    readonly receiver: FrameReceiver<H>,
    readonly hangUp: () => void,
  ) {}

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && !this.#over; )
      at += this.#parts === undefined ? this.#readHead(chunk, at) : this.#readPayload(this.#parts, chunk, at);
  }

  #readHead(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#head, this.#headAt, at);
    this.#headAt += taken;
    if (this.#headAt < this.#head.length) return taken;
    this.#headAt = 0;
    if (this.#head === this.#lengths) {
      const headerBytes = this.#lengths.readUInt32LE(0);
      this.#payloadBytes = this.#lengths.readUInt32LE(4);
      if (headerBytes === 0 || headerBytes > this.receiver.maxHeaderBytes()) this.#end();
      else this.#head = Buffer.allocUnsafe(headerBytes);
    } else {
      const header = parsed<H>(this.#head.toString('utf8'));
      this.#head = this.#lengths;
      if (header === undefined) this.#end();
      else this.#begin(header);
    }
    return taken;
  }

  #begin(header: H): void {
    if (this.#payloadBytes === 0) {
      this.receiver.receive(header);
      return;
    }
    const parts = this.receiver.place(header, this.#payloadBytes)?.filter(({ length }) => length > 0);
    if (!parts || bytesIn(parts) !== this.#payloadBytes) {
      this.#end();
      return;
    }
    this.#header = header;
    this.#parts = parts;
    this.#part = 0;
    this.#partAt = 0;
  }

  #readPayload(parts: readonly Uint8Array[], chunk: Buffer, at: number): number {
    const part = parts[this.#part]!;
    const taken = Math.min(part.length - this.#partAt, chunk.length - at);
    part.set(chunk.subarray(at, at + taken), this.#partAt);
    this.#partAt += taken;
    if (this.#partAt === part.length) {
      this.#part++;
      this.#partAt = 0;
      if (this.#part === parts.length) {
        this.#parts = undefined;
        this.receiver.receive(this.#header!);
      }
    }
    return taken;
  }

  #end(): void {
    this.#over = true;
    this.hangUp();
  }
}

function parsed<H>(text: string): H | undefined {
  try {
    return JSON.parse(text) as H;
  } catch {
    return undefined;
  }
}
