import type { Clock } from '../../protocol/clock.js';
import type { Connection } from './connection.js';

const GRACE_MS = 2000;

/** What a server process does when members go. */
export interface RosterEvents {
  /** Fewer are expected. */
  left(): void;
  /** A member has not come back. */
  lost(member: number): void;
}

/**
 * The members of a round, as one server process sees them: who is connected, and who is expected still. A member whose
 * connection breaks has some time to come back before it counts as lost. When all are gone, all are expected again: the next
 * round begins.
 */
export class Roster {
  readonly #connections = new Map<number, Connection>();
  readonly #expected: Set<number>;

  constructor(
    readonly members: number,
    readonly events: RosterEvents,
    readonly clock: Clock,
    readonly graceMs = GRACE_MS,
  ) {
    this.#expected = new Set(this.ranks);
  }

  get ranks(): number[] {
    return Array.from({ length: this.members }, (_, rank) => rank);
  }

  /** Those that have neither taken leave nor been lost. */
  get expected(): ReadonlySet<number> {
    return this.#expected;
  }

  join(member: number, connection: Connection): void {
    this.#connections.get(member)?.socket.destroy(); // it has come back
    this.#connections.set(member, connection);
    this.#expected.add(member);
    connection.member = member;
  }

  leave(connection: Connection): void {
    const { member } = connection;
    if (member === undefined || this.#connections.get(member) !== connection) return;
    connection.member = undefined;
    this.#remove(member);
  }

  disconnected(connection: Connection): void {
    const { member } = connection;
    if (member === undefined || this.#connections.get(member) !== connection) return;
    this.clock.after(this.graceMs, () => {
      if (this.#connections.get(member) !== connection) return;
      this.events.lost(member);
      this.#remove(member);
    });
  }

  #remove(member: number): void {
    this.#connections.delete(member);
    this.#expected.delete(member);
    this.events.left();
    if (this.#expected.size > 0) return;
    for (const rank of this.ranks) this.#expected.add(rank);
  }
}
