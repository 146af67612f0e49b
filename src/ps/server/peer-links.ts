import { type Ask, Link } from './link.js';
import type { Peers } from './replica-set.js';

/** Connections from one server process to the others, opened when they are needed. */
export class PeerLinks implements Peers {
  readonly #links = new Map<number, Promise<Link>>();
  readonly #dead = new Set<number>();

  constructor(
    readonly self: { process: number; processes: number; generation: number; token: string },
    readonly addresses: readonly { readonly host: string; readonly port: number }[],
  ) {}

  living(): number[] {
    const { process, processes } = this.self;
    const after = Array.from({ length: processes - 1 }, (_, k) => (process + 1 + k) % processes);
    return after.filter((each) => !this.#dead.has(each));
  }

  link(process: number): Promise<Link> {
    const known = this.#links.get(process);
    if (known) return known;
    const opened = this.#open(process);
    opened.catch(() => {});
    this.#links.set(process, opened);
    return opened;
  }

  died(process: number): void {
    this.#dead.add(process);
  }

  /** Says something to all that live; who does not hear it is told nothing more. */
  tell(ask: Ask, payload: readonly Uint8Array[]): void {
    for (const process of this.living())
      this.link(process)
        .then((link) => link.ask(ask, payload))
        .catch(() => {});
  }

  close(): void {
    for (const link of this.#links.values()) void link.then((open) => open.close()).catch(() => {});
  }

  async #open(process: number): Promise<Link> {
    const { process: self, generation, token } = this.self;
    const link = await Link.open(this.addresses[process]!);
    await link.ask({ kind: 'peer', token, generation, process: self });
    return link;
  }
}
