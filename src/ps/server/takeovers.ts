/**
 * When a shard's server is lost, the next process goes on with its replica, but only when every member whose round is not
 * over has asked for it. A member that asks has closed its connection to the old server and does not go back to it, so
 * the old one, should it still live behind a broken network, has nobody left to acknowledge anything to: there is one
 * primary, without a third party that decides. If some member still reaches the old server, the others ask in vain, and
 * give up after a while.
 */
export class Takeovers {
  readonly #asked = new Map<number, { readonly members: Set<number>; readonly go: (() => void)[] }>();

  constructor(readonly promote: (shard: number) => void) {}

  /** Resolves when the shard has been taken over. */
  async ask(shard: number, member: number, expected: ReadonlySet<number>): Promise<void> {
    const asked = this.#asked.get(shard) ?? { members: new Set(), go: [] };
    this.#asked.set(shard, asked);
    asked.members.add(member);
    const promoted = new Promise<void>((resolve) => asked.go.push(resolve));
    this.look(expected);
    await promoted;
  }

  /** Fewer are expected, or one more has asked. */
  look(expected: ReadonlySet<number>): void {
    for (const [shard, { members, go }] of this.#asked) {
      if (![...expected].every((member) => members.has(member))) continue;
      this.#asked.delete(shard);
      this.promote(shard);
      for (const resolve of go) resolve();
    }
  }
}
