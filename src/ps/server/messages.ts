import type { Failure } from '../../protocol/failure.js';
import type { StepTotal } from '../exchange.js';
import type { Spread } from '../tree.js';
import { isWire, type Wire } from '../wire/wire.js';
import { type Consistency, isConsistency } from './consistency.js';
import type { MailboxOffer } from './mailbox.js';
import type { ShardCounters, ShardUpdate } from './shard-state.js';

/** Where a server process listens, and the secret that it asks for. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly token: string;
}

/** A subtree sum but for its gradient. JSON has no NaN: null is one. */
export interface NodeHeader {
  readonly level: number;
  readonly index: number;
  readonly rows: number;
  readonly weight: number;
  readonly lossSum: number | null;
  readonly spread?: Spread;
}

/** Requests; each is answered once, by `re: id`. Who has not said who it is may send those with a token only. */
export type Request = { readonly id: number } & (
  | {
      readonly kind: 'join';
      readonly token: string;
      readonly generation: number;
      readonly member: number;
      /** Part of all rows that this member's shards hold. */
      readonly share: number;
      /** Of all processes, in order: where replicas are. */
      readonly servers: readonly { readonly host: string; readonly port: number }[];
      /** Memory in which this member leaves sums and finds weights, for a server that can map it. */
      readonly mailbox?: MailboxOffer;
    }
  /** A member's sums of a step over a shard: their vectors follow each other in the payload. */
  | {
      readonly kind: 'push';
      readonly shard: number;
      readonly step: number;
      /** Progress of the weights the sums were computed with. */
      readonly basis: number;
      /** Whether the answer brings the shard's theta. */
      readonly pull: boolean;
      readonly nodes: readonly NodeHeader[];
      /** Of learning, in a synchronous step; absent: the optimizer's own. */
      readonly rate?: number;
      /** How the vectors are encoded, and how many bytes each range of each takes; absent: float32. */
      readonly wire?: Wire;
      readonly lengths?: readonly number[];
      /** The vectors lie in the mailbox, and theta is to be put there. */
      readonly mailbox?: boolean;
    }
  | { readonly kind: 'pull'; readonly shard: number; readonly mailbox?: boolean }
  /** The member has lost the shard's server: this one shall go on with its replica. @see takeover.ts */
  | { readonly kind: 'takeover'; readonly shard: number; readonly step: number }
  /** The member's round is over. A connection that closes without it means that the member was lost. */
  | { readonly kind: 'leave' }
  | { readonly kind: 'consistency'; readonly token: string; readonly consistency: Consistency }
  | { readonly kind: 'status'; readonly token: string }
  /** Nothing is acknowledged any more: what is saved then is all there will be. */
  | { readonly kind: 'end'; readonly token: string }
  /** Writes the ranges this process owns into blocks, and its replicas of shards that nobody serves any more. */
  | {
      readonly kind: 'save';
      readonly token: string;
      readonly scope: string;
      readonly step: number;
      readonly orphans?: readonly number[];
    }
  | { readonly kind: 'peer'; readonly token: string; readonly generation: number; readonly process: number }
  /** From a shard's server to its replicas: the same update. The payload is the sum. */
  | { readonly kind: 'replicate'; readonly shard: number; readonly version: number; readonly update: WireUpdate }
  /** Sums of squares of a sum's chunks over a shard, in the payload: for the norm over all of theta. @see norms.ts */
  | { readonly kind: 'norms'; readonly shard: number; readonly step: number; readonly member: number }
  /** The whole state of a shard, for a process that is to replicate it. */
  | { readonly kind: 'transfer'; readonly shard: number; readonly counters: WireCounters }
);

export type WireTotal = Omit<StepTotal, 'lossSum'> & { readonly lossSum: number | null };
export type WireUpdate = Omit<ShardUpdate, 'total'> & { readonly total?: WireTotal };
export type WireCounters = Omit<ShardCounters, 'total'> & { readonly total: WireTotal | null };

/** What one process serves, for whoever watches. */
export interface ServerStatus {
  readonly process: number;
  readonly consistency: Consistency;
  readonly shards: readonly {
    readonly shard: number;
    readonly clocks: readonly (readonly [member: number, clock: number])[];
    readonly progress: number;
  }[];
  /** Payload bytes since the beginning. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Whole milliseconds that members have waited for slower ones. */
  readonly waitedMs: number;
}

export type Reply = { readonly re: number } & (
  | { readonly kind: 'done' }
  /** Whether this server can map the member's mailbox. */
  | { readonly kind: 'joined'; readonly mailbox: boolean }
  | {
      readonly kind: 'pushed';
      /** Of all members, in a synchronous step. */
      readonly total?: WireTotal;
      /** Steps that even the slowest member has pushed. */
      readonly clock: number;
      readonly progress: number;
      /** Whether theta is in the payload, or in the mailbox. */
      readonly pulled: boolean;
      /** Steps that members may be apart; null: any number. */
      readonly lead: number | null;
    }
  | ({ readonly kind: 'status' } & ServerStatus)
  | { readonly kind: 'saved'; readonly parts: unknown }
  | { readonly kind: 'refused'; readonly reason: string }
  /** A defect of the server's code, or something it lacks: another try would meet it again. */
  | { readonly kind: 'failed'; readonly failure: Failure }
);

export const toWire = (total: StepTotal): WireTotal => total; // JSON makes NaN null by itself
export const fromWire = (total: WireTotal): StepTotal => ({ ...total, lossSum: total.lossSum ?? Number.NaN });

type Check = (value: unknown) => boolean;
const text: Check = (value) => typeof value === 'string';
const number: Check = (value) => typeof value === 'number';
const count: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const flag: Check = (value) => typeof value === 'boolean';
const list =
  (of: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(of);
const object =
  (form: Record<string, Check>): Check =>
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.entries(form).every(([key, check]) => check((value as Record<string, unknown>)[key]));
const optional =
  (of: Check): Check =>
  (value) =>
    value === undefined || of(value);
const node = object({
  ...{ level: count, index: count, rows: number, weight: number },
  spread: optional(object({ shards: count })),
});
const clocks = list((entry) => Array.isArray(entry) && entry.length === 2 && entry.every(count));

const FORMS: Record<Request['kind'], Check> = {
  join: object({
    ...{ token: text, generation: count, member: count, share: number },
    servers: list(object({ host: text, port: count })),
    mailbox: optional(object({ path: text, key: text, length: count, nodes: count })),
  }),
  push: object({
    ...{ shard: count, step: count, basis: number, pull: flag, nodes: list(node), rate: optional(number) },
    ...{ wire: optional(isWire), lengths: optional(list(count)), mailbox: optional(flag) },
  }),
  pull: object({ shard: count, mailbox: optional(flag) }),
  takeover: object({ shard: count, step: count }),
  leave: object({}),
  consistency: object({ token: text, consistency: isConsistency }),
  status: object({ token: text }),
  end: object({ token: text }),
  save: object({ token: text, scope: text, step: count, orphans: optional(list(count)) }),
  peer: object({ token: text, generation: count, process: count }),
  replicate: object({
    ...{ shard: count, version: count },
    update: object({ clocks, weight: number, step: count, progress: number }),
  }),
  norms: object({ shard: count, step: count, member: number }),
  transfer: object({
    shard: count,
    counters: object({ version: count, updates: count, start: count, clocks, progress: number }),
  }),
};

/** Whether a header is a request that a server can look into: anybody may have sent it. */
export function isRequest(header: unknown): header is Request {
  const { kind, id } = (header ?? {}) as { kind?: unknown; id?: unknown };
  return typeof kind === 'string' && count(id) && Object.hasOwn(FORMS, kind) && FORMS[kind as Request['kind']](header);
}
