import { type Answer, type Ask, Link, LinkLost } from './link.js';
import type { MailboxOffer } from './mailbox.js';
import { Refused } from './primary.js';
import type { ServersOrder } from './server-exchange.js';

/** Attempts to come back to a process that hangs up, without one answer in between. */
const MAX_RECONNECTIONS = 3;
const TAKEOVER_MS = 20_000;

/**
 * A member's connections to the server processes, and which of them serves which shard by now. A request goes on until it
 * is answered: over a new connection when the old one broke, to the next process in the ring when one is gone.
 */
export class ServerLinks {
  readonly #links = new Map<number, Promise<Link>>();
  /** All there ever were, for their bytes. */
  readonly #opened: Link[] = [];
  readonly #dead = new Set<number>();
  readonly #reconnections = new Map<number, number>();
  /** Process that serves a shard, where it is not the first one. */
  readonly #serving = new Map<number, Promise<number>>();

  constructor(
    readonly order: ServersOrder,
    /** Steps of this member that a shard's servers have acknowledged. */
    readonly acknowledged: (shard: number) => number,
    readonly signal: AbortSignal,
    /** Memory that servers of this host may use. */
    readonly mailbox?: MailboxOffer,
  ) {
    signal.addEventListener('abort', this.#abort);
  }

  #closing = false;
  readonly #abort = () => {
    for (const link of this.#opened) link.close();
  };

  get bytesSent(): number {
    return this.#opened.reduce((sum, link) => sum + link.bytesSent, 0);
  }

  get bytesReceived(): number {
    return this.#opened.reduce((sum, link) => sum + link.bytesReceived, 0);
  }

  get bytesShared(): number {
    return this.#opened.reduce((sum, link) => sum + link.bytesShared, 0);
  }

  get overheadBytes(): number {
    return this.#opened.reduce((sum, link) => sum + link.overheadBytes, 0);
  }

  /** Processes that own nothing may hold replicas: all are joined. */
  async joinAll(): Promise<void> {
    await Promise.all(this.order.servers.map((_, process) => this.#reach(process)));
  }

  /** @throws LinkLost when nobody serves the shard any more; Refused; FailureError, which no other server would mend */
  async ask(shard: number, ask: Ask, payload: readonly Uint8Array[], into: readonly Uint8Array[]): Promise<Answer> {
    for (;;) {
      const process = (await this.#serving.get(shard)) ?? shard;
      try {
        const link = await this.#reach(process);
        const reply = await link.ask(ask, payload, into);
        this.#reconnections.delete(process);
        return reply;
      } catch (error) {
        if (!(error instanceof LinkLost) || this.signal.aborted) throw error;
        if (this.#dead.has(process)) await this.#moved(shard, process, error);
      }
    }
  }

  async close(leave: boolean): Promise<void> {
    this.#closing = true;
    this.signal.removeEventListener('abort', this.#abort);
    const open = this.#opened.filter(({ broken }) => !broken);
    if (leave) await Promise.all(open.map((link) => link.ask({ kind: 'leave' }).catch(() => {})));
    for (const link of open) link.close();
  }

  /** The link that there is, or a new one. @throws LinkLost when the process is gone, which is then known */
  async #reach(process: number): Promise<Link> {
    const known = this.#links.get(process);
    if (known && !(await known).broken) return known;
    if (this.#links.get(process) !== known) return this.#reach(process); // another request was faster
    const opened = this.#open(process, known !== undefined);
    opened.catch(() => {});
    this.#links.set(process, opened);
    return opened;
  }

  async #open(process: number, again: boolean): Promise<Link> {
    const { servers, near = [], generation, member, share } = this.order;
    const tries = (this.#reconnections.get(process) ?? 0) + (again ? 1 : 0);
    this.#reconnections.set(process, tries);
    try {
      if (tries > MAX_RECONNECTIONS) throw new LinkLost(`server process ${process} hung up ${tries} times`);
      const { token, ...address } = servers[process]!;
      const link = await Link.open(address);
      this.#opened.push(link);
      if (this.signal.aborted) link.close();
      const addresses = servers.map(({ host, port }) => ({ host, port }));
      const mailbox = near[process] ? this.mailbox : undefined;
      const joined = await link.ask({ kind: 'join', token, generation, member, share, servers: addresses, mailbox });
      link.mailbox = joined.kind === 'joined' && joined.mailbox;
      void link.closed.then(() => this.#notice(process));
      return link;
    } catch (error) {
      if (error instanceof LinkLost) this.#dead.add(process);
      throw error;
    }
  }

  /** A member that asks for nothing at the moment agrees to takeovers too: others wait for that. */
  async #notice(process: number): Promise<void> {
    if (this.#closing || this.signal.aborted || this.order.replicas === 0) return;
    try {
      await this.#reach(process);
    } catch (error) {
      if (!(error instanceof LinkLost)) return; // whoever asks next hears of it
      const shards = new Set(this.order.placement.map(({ server }) => server));
      for (const shard of shards) await this.#moved(shard, process, error).catch(() => {});
    }
  }

  /** Resolves when another process serves the shard. */
  async #moved(shard: number, from: number, cause: LinkLost): Promise<void> {
    const serving = this.#serving.get(shard);
    if (((await serving) ?? shard) !== from) return;
    const moved = this.#nextServer(shard, from, cause);
    moved.catch(() => {});
    this.#serving.set(shard, moved);
    await moved;
  }

  async #nextServer(shard: number, from: number, cause: LinkLost): Promise<number> {
    const { servers, replicas, takeoverMs = TAKEOVER_MS } = this.order;
    if (replicas === 0) throw cause;
    for (let ahead = 1; ahead < servers.length; ) {
      const process = (from + ahead) % servers.length;
      if (this.#dead.has(process)) {
        ahead++;
        continue;
      }
      try {
        const link = await this.#reach(process);
        await within(takeoverMs, link.ask({ kind: 'takeover', shard, step: this.acknowledged(shard) }), () => {
          return `not all members lost server process ${from}, so that process ${process} could take over`;
        });
        return process;
      } catch (error) {
        if (!(error instanceof LinkLost) || this.signal.aborted) throw error; // else it is tried again, unless it is gone
      }
    }
    throw cause;
  }
}

async function within<T>(milliseconds: number, promise: Promise<T>, reason: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Refused(reason())), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
