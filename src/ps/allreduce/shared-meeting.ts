import { setImmediate as nextTurn } from 'node:timers/promises';
import { nativeAddon } from '../../native/addon.js';

/** Turns of looking before a member that waits asks the kernel to wake it: tens of microseconds. */
const SPINS = 2_000;
/** At most so long without a look at the event loop, where news of a lost member arrives. */
const SLEEP_MS = 2;

/** Where processes that share memory wait for each other; everybody's first word counts the phases it has ended. */
export class SharedMeeting {
  #phase = 0;
  readonly #addon = nativeAddon();

  constructor(
    readonly rank: number,
    /** Of all members, in order of rank. */
    readonly words: readonly Int32Array[],
    /** Ends the waits when a member is lost. */
    readonly signal: AbortSignal,
  ) {}

  /** Ends a phase: goes on when all members have ended it. @throws the signal's reason when one never will */
  async meet(): Promise<void> {
    const phase = ++this.#phase;
    const own = this.words[this.rank]!;
    Atomics.store(own, 0, phase);
    if (this.words.length > 1) this.#addon!.wake(own, 0);
    for (const words of this.words) await this.#arrival(words, phase);
  }

  async #arrival(words: Int32Array, phase: number): Promise<void> {
    for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(words, 0) >= phase) return;
    for (;;) {
      const seen = Atomics.load(words, 0);
      if (seen >= phase) return;
      this.#addon!.wait(words, 0, seen, SLEEP_MS);
      if (Atomics.load(words, 0) >= phase) return;
      await nextTurn();
      this.signal.throwIfAborted();
    }
  }
}
