import type { Socket } from 'node:net';

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly token: string;
}

/** One frame: lengths of header and payload (uint32 each), the header as JSON, the payload as raw bytes. */
export interface Frame<H> {
  readonly header: H;
  readonly payload: Buffer;
}

/** Every header names the generation and step it is for; a server refuses older ones. */
export type ToServer =
  | { readonly kind: 'join'; readonly token: string; readonly generation: number; readonly rank: number }
  /** The member's subtree sums of a step: their vectors follow each other in the payload. */
  | {
      readonly kind: 'push';
      readonly generation: number;
      readonly step: number;
      readonly nodes: readonly { level: number; index: number; rows: number; weight: number; lossSum: number | null }[];
    }
  /** The member's round is over. A connection that closes without it means that the member was lost. */
  | { readonly kind: 'leave'; readonly generation: number }
  /** Asks for the whole state (weights, then the optimizer's slots) after `step` updates. */
  | { readonly kind: 'state'; readonly token: string; readonly generation: number; readonly step: number };

export type FromServer =
  | { readonly kind: 'joined' }
  /** The payload is theta after the step's update: the pull is the answer to the push. */
  | {
      readonly kind: 'updated';
      readonly step: number;
      readonly rows: number;
      readonly weight: number;
      readonly lossSum: number | null;
    }
  | { readonly kind: 'state'; readonly step: number }
  | { readonly kind: 'refused'; readonly reason: string };

export function sendFrame<H>(socket: Socket, header: H, ...payload: readonly Uint8Array[]): void {
  const text = Buffer.from(JSON.stringify(header));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32LE(text.length, 0);
  lengths.writeUInt32LE(
    payload.reduce((sum, part) => sum + part.length, 0),
    4,
  );
  socket.cork();
  socket.write(lengths);
  socket.write(text);
  for (const part of payload) socket.write(part);
  socket.uncork();
}

/** Whether a header is a request that a server can look into: anybody may have sent it. */
export function isRequest(header: unknown): header is ToServer {
  const { kind, generation, token, rank, step, nodes } = (header ?? {}) as Record<string, unknown>;
  if (!Number.isInteger(generation)) return false;
  if (kind === 'join') return typeof token === 'string' && Number.isInteger(rank);
  if (kind === 'state') return typeof token === 'string' && Number.isInteger(step);
  if (kind === 'push') return Number.isInteger(step) && Array.isArray(nodes) && nodes.every(isNode);
  return kind === 'leave';
}

function isNode(node: unknown): boolean {
  const { level, index, rows, weight } = (node ?? {}) as Record<string, unknown>;
  return [level, index, rows, weight].every((value) => typeof value === 'number');
}

/** Largest header, and largest frame of a peer that has not yet said who it is. */
export const MAX_HEADER_BYTES = 1 << 20;
export const STRANGER_BYTES = 4096;

/**
 * Calls back with every frame of a socket; hangs up on what is none, or is larger than `maxBytes` says at the time. The
 * payload is a copy of its own, aligned for float views.
 */
export function onFrames<H>(
  socket: Socket,
  receive: (frame: Frame<H>) => void,
  maxBytes = () => Number.POSITIVE_INFINITY,
): void {
  const hangUp = () => void socket.destroy(new Error('this is no frame of a parameter server'));
  let chunks: Buffer[] = [];
  let available = 0;
  let needed = 8;
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    available += chunk.length;
    while (available >= needed && !socket.destroyed) {
      const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, available);
      const headerBytes = bytes.readUInt32LE(0);
      const total = 8 + headerBytes + bytes.readUInt32LE(4);
      if (headerBytes > MAX_HEADER_BYTES || total > maxBytes()) return hangUp();
      chunks = [bytes];
      needed = total;
      if (available < total) return;
      const payload = Buffer.from(new ArrayBuffer(total - 8 - headerBytes));
      bytes.copy(payload, 0, 8 + headerBytes, total);
      const header = parsed<H>(bytes.toString('utf8', 8, 8 + headerBytes));
      if (header === undefined) return hangUp();
      chunks = available > total ? [bytes.subarray(total)] : [];
      available -= total;
      needed = 8;
      receive({ header, payload });
    }
  });
}

function parsed<H>(text: string): H | undefined {
  try {
    return JSON.parse(text) as H;
  } catch {
    return undefined;
  }
}
