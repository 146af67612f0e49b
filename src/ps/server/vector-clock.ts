/** (member, clock): all pushes of the member for steps below the clock have been applied. */
export type ClockEntry = readonly [member: number, clock: number];

/**
 * Which pushes a range has seen: one clock a member, as every push covers all ranges of a server. What is behind a
 * member's clock is a duplicate (Li et al., OSDI 2014, section 4.1).
 */
export class VectorClock {
  readonly #clocks: Map<number, number>;

  /** @param start clock of members that are not named yet */
  constructor(
    readonly start: number,
    entries: Iterable<ClockEntry> = [],
  ) {
    this.#clocks = new Map(entries);
  }

  of(member: number): number {
    return this.#clocks.get(member) ?? this.start;
  }

  set(member: number, clock: number): void {
    this.#clocks.set(member, clock);
  }

  /** The clock of the slowest of these members; `start` when there are none. */
  slowest(members: Iterable<number>): number {
    let slowest = Number.POSITIVE_INFINITY;
    for (const member of members) slowest = Math.min(slowest, this.of(member));
    return Number.isFinite(slowest) ? slowest : this.start;
  }

  entries(): ClockEntry[] {
    return [...this.#clocks].sort(([a], [b]) => a - b);
  }
}
