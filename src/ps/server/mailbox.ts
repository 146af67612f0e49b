import { randomFillSync } from 'node:crypto';
import { nativeAddon } from '../../native/addon.js';
import { alignedBytes } from '../float-bytes.js';

/** How large a mailbox is. */
export interface MailboxShape {
  /** Of theta. */
  readonly length: number;
  /** Subtree sums the member may push in a step. */
  readonly nodes: number;
}

const KEY_BYTES = 64;

const vectorBytes = (length: number) => alignedBytes(4 * length);

/** Bytes of a mailbox: its key, sums, theta. */
export function mailboxBytes({ length, nodes }: MailboxShape): number {
  return KEY_BYTES + (nodes + 1) * vectorBytes(length);
}

/**
 * Where a member leaves the sums it pushes, and finds the weights it pulls. In memory that the servers of its host map too
 * nothing of either goes through sockets: only word of it does, so all that connections decide (who is told what, when, what
 * is sent again) holds alike. The sums are the servers' to read from a push to its last answer, theta theirs to write;
 * they are the member's at all other times.
 */
export class Mailbox {
  readonly sums: readonly Float32Array[];
  readonly theta: Float32Array;
  readonly #key: Uint8Array;

  constructor(buffer: ArrayBuffer, { length, nodes }: MailboxShape) {
    const vector = (k: number) => new Float32Array(buffer, KEY_BYTES + k * vectorBytes(length), length);
    this.#key = new Uint8Array(buffer, 0, KEY_BYTES);
    this.sums = Array.from({ length: nodes }, (_, k) => vector(k));
    this.theta = vector(nodes);
  }

  /** Gives it a key by which who maps the memory knows that it is this member's, not another of the same path. */
  seal(): this {
    randomFillSync(this.#key);
    return this;
  }

  get key(): string {
    return Buffer.from(this.#key).toString('base64');
  }
}

/** A mailbox in shared memory, as its member offers it to servers: those that can map it may use it. */
export interface MailboxOffer extends MailboxShape {
  readonly path: string;
  readonly key: string;
}

/** @returns undefined where there is no such memory: on another host, or in another container of it */
export function mapMailbox({ path, key, ...shape }: MailboxOffer): Mailbox | undefined {
  try {
    const mailbox = new Mailbox(nativeAddon()!.map(path, mailboxBytes(shape)), shape);
    return mailbox.key === key ? mailbox : undefined;
  } catch {
    return undefined;
  }
}
