import type { Control, Heartbeat } from '../../protocol/channel.js';
import { open, SignatureError, sign } from '../../protocol/signing.js';
import type { ResultMessage, TaskMessage } from '../../protocol/task.js';
import { abridged, type SentMessage } from '../../protocol/template.js';

/** Everything that travels between driver and executors, by kind. */
export interface Mail {
  /** Written whole; what is read may be a repetition. */
  task: SentMessage;
  result: ResultMessage;
  control: Control;
  heartbeat: Heartbeat;
  /** A driver or an executor says goodbye. */
  bye: { readonly from: string; readonly reason: string };
}
export type MailKind = keyof Mail;
export type Letter = { [K in MailKind]: { readonly kind: K; readonly value: Mail[K] } }[MailKind];

/** Recipient of what goes to everybody. */
export const ALL = '*';

/**
 * Largest JSON text of one letter. A task has a few hundred bytes and a result carries small values: both are held in
 * memory by Redis, and JSON of a million numbers takes 100 ms to write. Larger data travels as blocks.
 */
export const MAX_BYTES: { readonly [K in MailKind]: number } = {
  task: 1 << 20,
  result: 8 << 20,
  control: 1 << 20,
  heartbeat: 1 << 20,
  bye: 1 << 20,
};

/** Turns letters into text and back: plain JSON, signed for their kind and recipient. */
export interface Post {
  /** @throws RangeError when the value is larger than `MAX_BYTES`; it names the message. */
  write<K extends MailKind>(kind: K, to: string, value: Mail[K]): string;
  /** @returns undefined, after a warning, for what is not signed with our secret for this recipient. */
  read(to: string, text: string): Letter | undefined;
}

/**
 * @param secret the cluster's secret; `undefined` leaves the signature out, for a queue that does not leave the process
 * @param warn told about refused letters, once for each kind of refusal: whoever floods the queue does not flood the log
 */
export function post(secret: string | undefined, warn: (message: string) => void): Post {
  const warned = new Set<string>();
  return {
    write(kind, to, value) {
      const sent = kind === 'task' ? abridged(value as TaskMessage) : value;
      const { body, mac } =
        secret === undefined ? { body: JSON.stringify(sent), mac: '' } : sign(secret, sent, `${kind}:${to}`);
      if (body.length > MAX_BYTES[kind])
        throw new RangeError(
          `${describe(kind, value)} is ${(body.length / 1e6).toFixed(1)} MB of JSON, more than the ` +
            `${(MAX_BYTES[kind] / 1e6).toFixed(1)} MB that may pass through the queue: send large data as a block (a broadcast, a file)`,
        );
      return `${kind} ${mac} ${body}`;
    },
    read(to, text) {
      try {
        const [kind, mac] = text.split(' ', 2) as [MailKind, string];
        // Nothing of an unverified text may reach the log.
        if (!Object.hasOwn(MAX_BYTES, kind)) throw new SignatureError('', 'it is of no kind that Sheaf knows');
        const body = text.slice(kind.length + (mac ?? '').length + 2);
        const recipient = kind === 'heartbeat' || kind === 'bye' ? ALL : to;
        const value = secret === undefined ? JSON.parse(body) : open(secret, { body, mac }, `${kind}:${recipient}`);
        return { kind, value } as Letter;
      } catch (error) {
        const message = (error as Error).message;
        if (!warned.has(message)) warn(message);
        warned.add(message);
        return undefined;
      }
    },
  };
}

function describe<K extends MailKind>(kind: K, value: Mail[K]): string {
  if (kind === 'task') {
    const { id, tasks } = value as TaskMessage;
    const first = tasks[0];
    return `task message ${id}${first ? ` (job ${first.job}, stage ${first.stage}, partition ${first.partition})` : ''}`;
  }
  if (kind === 'result') {
    const { id, outcomes } = value as ResultMessage;
    return `the result of message ${id} (stage ${outcomes[0]?.stage}, partitions ${outcomes.map((o) => o.partition).join(', ')})`;
  }
  return `a ${kind}`;
}

/** Where warnings go when nobody asked for them. */
export function warnOnStderr(message: string): void {
  process.stderr.write(`sheaf: ${message}\n`);
}

/** Calls a handler whose mistakes are its own: they surface as uncaught exceptions and do not stop the mail. */
export function call<A extends unknown[]>(handler: (...args: A) => void, ...args: A): void {
  try {
    handler(...args);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** Waits for something that may fail or never come, but no longer than `ms`. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work.catch(() => {}), late]);
  clearTimeout(timer);
}
