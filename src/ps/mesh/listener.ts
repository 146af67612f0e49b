import { randomBytes, timingSafeEqual } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Link } from './link.js';

/** Where a member's listener is reached; whoever knows the token may join. */
export interface MeshAddress {
  readonly host: string;
  readonly port: number;
  readonly token: string;
}

/** Of one training, rounds are named by their generation and the step they begin with; later ones compare greater. */
export interface MeshRound {
  /** Which training: one listener serves several. */
  readonly name: string;
  readonly generation: number;
  readonly step: number;
}

/** The first frame of whoever connects, as JSON. */
export interface Hello extends MeshRound {
  readonly token: string;
  readonly rank: number;
}

export const HELLO = 1;
export const WELCOME = 2;
/** Whoever has not said by then who it is is hung up on: longer than a computation keeps this event loop from listening. */
const HELLO_MS = 60_000;
/** Connections of rounds this member has not begun yet: more than any cluster has members. */
const MAX_WAITING = 4096;

/**
 * Accepts the connections of other members, for whichever round they are: one a slot, kept while the slot lives. A member
 * may be ahead of this one; its connection then waits until its round begins here. Those of rounds that are over are
 * refused, and so is who has not the token.
 *
 * @example
 * const listener = await MeshListener.listen('0.0.0.0', 'host-a');
 * listener.address // { host: 'host-a', port: 40123, token: '…' }: for the other members
 */
export class MeshListener {
  readonly #server = createServer((socket) => void this.#accept(socket));
  readonly #sockets = new Set<Socket>();
  /** Arrived before anybody asked, or asked for before they arrived; by round and rank. */
  readonly #arrived = new Map<string, { link: Link; round: MeshRound }>();
  readonly #asked = new Map<string, (link: Link) => void>();
  /** The latest of each training. */
  readonly #rounds = new Map<string, MeshRound>();

  private constructor(
    readonly hostname: string,
    readonly token: string,
  ) {}

  /**
   * @param bind address to listen on
   * @param hostname under which other hosts reach it. Default: `bind`
   */
  static async listen(bind: string, hostname = bind): Promise<MeshListener> {
    const listener = new MeshListener(hostname, randomBytes(16).toString('hex'));
    const server = listener.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, bind, resolve);
    });
    return listener;
  }

  get address(): MeshAddress {
    const { port } = this.#server.address() as AddressInfo;
    return { host: this.hostname, port, token: this.token };
  }

  /** From now on members of older rounds are refused, those that wait among them. */
  begin(round: MeshRound): void {
    this.#rounds.set(round.name, round);
    for (const [key, { link, round }] of this.#arrived)
      if (this.#isOver(round)) {
        this.#arrived.delete(key);
        link.refuse('this round is over');
      }
  }

  /** The connection of a member in the round at hand, once it has come. The signal only ends the waiting. */
  take(round: MeshRound, rank: number, signal: AbortSignal): Promise<Link> {
    const key = keyOf(round, rank);
    const arrived = this.#arrived.get(key);
    this.#arrived.delete(key);
    if (arrived) return Promise.resolve(arrived.link);
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#asked.delete(key);
        reject(signal.reason);
      };
      if (signal.aborted) return stop();
      signal.addEventListener('abort', stop, { once: true });
      this.#asked.set(key, (link) => {
        signal.removeEventListener('abort', stop);
        this.#asked.delete(key);
        resolve(link);
      });
    });
  }

  /** Ends all connections that it has accepted. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #accept(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    const link = new Link(socket);
    socket.setTimeout(HELLO_MS, () => link.break(new Error('it did not say who it is')));
    try {
      const { meta } = await link.receive(HELLO, () => new Uint8Array(0));
      socket.setTimeout(0);
      this.#welcome(link, parseHello(meta));
    } catch (error) {
      link.break(error as Error);
    }
  }

  #welcome(link: Link, hello: Hello | undefined): void {
    const reason = this.#objection(hello);
    if (reason !== undefined || !hello) {
      link.refuse(reason ?? 'no greeting');
      return;
    }
    link.trusted = true;
    const { name, generation, step, rank } = hello;
    const round = { name, generation, step };
    const key = keyOf(round, rank);
    const asked = this.#asked.get(key);
    if (asked) {
      asked(link);
      return;
    }
    this.#arrived.set(key, { link, round });
    link.onBroken = () => {
      if (this.#arrived.get(key)?.link === link) this.#arrived.delete(key);
    };
  }

  /** Why somebody is not let in. */
  #objection(hello: Hello | undefined): string | undefined {
    if (!hello || !sameToken(hello.token, this.token)) return 'wrong token';
    if (this.#isOver(hello)) return 'this round is over';
    if (this.#arrived.has(keyOf(hello, hello.rank))) return `member ${hello.rank} has joined already`;
    return this.#arrived.size >= MAX_WAITING ? 'too many members wait here' : undefined;
  }

  #isOver({ name, generation, step }: MeshRound): boolean {
    const latest = this.#rounds.get(name);
    if (!latest) return false;
    return generation < latest.generation || (generation === latest.generation && step < latest.step);
  }
}

function keyOf({ name, generation, step }: MeshRound, rank: number): string {
  return `${generation}:${step}:${rank}:${name}`;
}

/** Anybody may have sent it. */
function parseHello(meta: Uint8Array): Hello | undefined {
  try {
    const { token, name, generation, step, rank } = JSON.parse(new TextDecoder().decode(meta)) as Record<
      string,
      unknown
    >;
    const numbers = [generation, step, rank].every(Number.isSafeInteger);
    const texts = typeof token === 'string' && typeof name === 'string';
    return numbers && texts ? ({ token, name, generation, step, rank } as Hello) : undefined;
  } catch {
    return undefined;
  }
}

function sameToken(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
