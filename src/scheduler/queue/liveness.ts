import type { Member } from './leases.js';

/**
 * Who of the other side lives, from what the roll says at each reading. Pure: time is given.
 *
 * A member whose lease ended is gone. A member that is missing from the roll may have been lost by Redis (a restart
 * without persistence): it gets one lease's time to stand in it again.
 */
export class Liveness {
  readonly #graceMs: number;
  readonly #lastSeen = new Map<string, number>();

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** A sign of life. */
  heard(id: string, now: number): void {
    this.#lastSeen.set(id, now);
  }

  forget(id: string): void {
    this.#lastSeen.delete(id);
  }

  has(id: string): boolean {
    return this.#lastSeen.has(id);
  }

  /** @returns who is gone since the last reading, and who is new. */
  read(roll: readonly Member[], now: number): { gone: string[]; fresh: Member[] } {
    const standing = new Map(roll.map((member) => [member.id, member]));
    const gone: string[] = [];
    for (const [id, seen] of this.#lastSeen) {
      const member = standing.get(id);
      if (member ? member.remainingMs <= 0 : now - seen >= this.#graceMs) gone.push(id);
    }
    for (const id of gone) this.#lastSeen.delete(id);
    const alive = roll.filter((member) => member.remainingMs > 0);
    const fresh = alive.filter((member) => !this.#lastSeen.has(member.id));
    for (const member of alive) this.#lastSeen.set(member.id, now);
    return { gone, fresh };
  }
}
