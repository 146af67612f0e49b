import type { Clock } from '../../src/protocol/clock.js';

interface Timer {
  readonly due: number;
  readonly serial: number;
  run(): void;
}

/** Time that passes only when told, and then at once: everything runs in one thread, in the order of its due time. */
export class VirtualClock implements Clock {
  #now = 1_000_000;
  #serial = 0;
  #timers: Timer[] = [];

  readonly now = (): number => this.#now;

  readonly after = (milliseconds: number, run: () => void): (() => void) => {
    const timer = { due: this.#now + Math.max(0, milliseconds), serial: this.#serial++, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  };

  /** Lets time pass until `condition` holds. @throws Error after `ms` virtual milliseconds */
  async until(condition: () => boolean, ms = 600_000): Promise<void> {
    const end = this.#now + ms;
    await settled();
    while (!condition()) {
      const next = this.#earliest();
      if (!next || next.due > end) throw new Error(`nothing came of it within ${ms / 1000} virtual seconds`);
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#now = Math.max(this.#now, next.due);
      next.run();
      await settled();
    }
  }

  #earliest(): Timer | undefined {
    let first: Timer | undefined;
    for (const each of this.#timers)
      if (!first || each.due < first.due || (each.due === first.due && each.serial < first.serial)) first = each;
    return first;
  }

  async pass(ms: number): Promise<void> {
    let passed = false;
    this.after(ms, () => {
      passed = true;
    });
    await this.until(() => passed);
  }
}

/** All promises that can go on have gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
