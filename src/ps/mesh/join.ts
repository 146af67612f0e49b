import { setMaxListeners } from 'node:events';
import { connect } from 'node:net';
import { FailureError } from '../../protocol/failure.js';
import { Link } from './link.js';
import { HELLO, type MeshAddress, type MeshListener, type MeshRound, WELCOME } from './listener.js';
import type { Mesh, Received } from './mesh.js';

export interface JoinOptions extends MeshRound {
  readonly rank: number;
  /** Of all members' listeners, by rank. */
  readonly addresses: readonly MeshAddress[];
  readonly listener: MeshListener;
  /** Ends every wait, now and later, with its reason. */
  readonly signal: AbortSignal;
}

const NOTHING = new Uint8Array(0);

/**
 * Connects a member with all others of a round: it calls those of lower rank and is called by those of higher rank.
 * Resolves when all are there. A new generation, or a later round of the same one, joins anew.
 *
 * @example
 * const mesh = await joinMesh({ listener, rank: 1, addresses, name: 'model-1', generation: 3, step: 40, signal });
 * @throws FailureError `executor-lost` when a member is not reached or refuses; the signal's reason when it is aborted
 */
export async function joinMesh({
  rank,
  addresses,
  listener,
  name,
  generation,
  step,
  signal,
}: JoinOptions): Promise<Mesh> {
  const mesh = new SocketMesh(rank, addresses.length, signal);
  const round = { name, generation, step };
  listener.begin(round);
  const call = async (peer: number, { host, port, token }: MeshAddress) => {
    const link = new Link(connect({ host, port }));
    mesh.add(peer, link);
    link.trusted = true;
    const hello = new TextEncoder().encode(JSON.stringify({ token, ...round, rank }));
    await link.send(HELLO, hello, []);
    await link.receive(WELCOME, () => NOTHING);
  };
  const answer = async (peer: number) => {
    const link = await listener.take(round, peer, mesh.ended);
    mesh.add(peer, link);
    await link.send(WELCOME, NOTHING, []);
  };
  try {
    await Promise.all(
      addresses.map((address, peer) => (peer < rank ? call(peer, address) : peer > rank ? answer(peer) : undefined)),
    );
    return mesh;
  } catch (error) {
    mesh.abort(error as Error);
    throw mesh.ended.reason;
  }
}

/** A mesh of sockets; see the contract in mesh.ts. */
class SocketMesh implements Mesh {
  readonly #links = new Map<number, Link>();
  readonly #end = new AbortController();
  readonly #signal: AbortSignal;
  readonly #onAbort = () => this.abort(this.#signal.reason);

  constructor(
    readonly rank: number,
    readonly members: number,
    signal: AbortSignal,
  ) {
    this.#signal = signal;
    setMaxListeners(0, this.ended); // a listener a member
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  get ended(): AbortSignal {
    return this.#end.signal;
  }

  get payloadBytes(): number {
    return this.#sum(({ payloadBytes }) => payloadBytes);
  }

  get overheadBytes(): number {
    return this.#sum(({ overheadBytes }) => overheadBytes);
  }

  add(peer: number, link: Link): void {
    this.#links.set(peer, link);
    if (this.ended.aborted) link.break(this.ended.reason);
    else link.onBroken = (error) => this.abort(lostMember(peer, error));
  }

  async send(to: number, tag: number, meta: Uint8Array, payload: readonly Uint8Array[]): Promise<void> {
    return this.#unlessEnded(this.#link(to).send(tag, meta, payload));
  }

  async receive(from: number, tag: number, target: (bytes: number) => Uint8Array): Promise<Received> {
    return this.#unlessEnded(this.#link(from).receive(tag, target));
  }

  close(): void {
    this.#finish(new Error('this member has left the mesh'), (link) => link.leave());
  }

  abort(reason: Error): void {
    this.#finish(reason, (link) => link.break(reason));
  }

  #finish(reason: Error, end: (link: Link) => void): void {
    if (this.ended.aborted) return;
    this.#end.abort(reason);
    this.#signal.removeEventListener('abort', this.#onAbort);
    for (const link of this.#links.values()) end(link);
  }

  #link(rank: number): Link {
    const link = this.#links.get(rank);
    if (!link) throw new RangeError(`member ${this.rank} of ${this.members} has no connection to member ${rank}`);
    return link;
  }

  /** Whatever a connection says of its own end, the reason is the mesh's: who was lost first. */
  async #unlessEnded<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw this.ended.aborted ? this.ended.reason : error;
    }
  }

  #sum(bytes: (link: Link) => number): number {
    return [...this.#links.values()].reduce((sum, link) => sum + bytes(link), 0);
  }
}

function lostMember(rank: number, { message }: Error): FailureError {
  return new FailureError({
    kind: 'executor-lost',
    executor: '',
    message: `member ${rank} of the round was lost: ${message}`,
  });
}
