import { createHash } from 'node:crypto';

/**
 * Keyed randomness: what is drawn depends on (seed, purpose, numbers) alone, never on the executor, the time or how
 * much was drawn elsewhere. The key is hashed with SHA-256 (FIPS 180-4) into the state of sfc32, Chris Doty-Humphrey's
 * small fast counting generator (PractRand): 128 bits of state, a counter that guarantees a period of at least 2^32.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter: number;

  constructor(key: Uint8Array) {
    const words = new DataView(key.buffer, key.byteOffset, key.byteLength);
    this.#a = words.getInt32(0, true);
    this.#b = words.getInt32(4, true);
    this.#c = words.getInt32(8, true);
    this.#counter = words.getInt32(12, true);
    for (let i = 0; i < 12; i++) this.uint32(); // PractRand's warm-up
  }

  /** Uniform in 0 … 2^32 - 1. */
  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1), 53 bits. */
  uniform(): number {
    return ((this.uint32() >>> 5) * 0x4000000 + (this.uint32() >>> 6)) / 0x20000000000000;
  }

  /** Uniform in 0 … bound - 1, without bias; 1 <= bound <= 2^32. */
  below(bound: number): number {
    for (;;) {
      const draw = this.uint32();
      if (bound > 0xffffffff) return draw;
      const value = draw % (bound >>> 0); // of 32-bit integers: a tenth of the time of a remainder of larger numbers
      if (draw - value <= 0x100000000 - bound) return value; // else among the last, incomplete `bound` draws
    }
  }
}

/** @example keyedRandom(42, 'shuffle', epoch, shard).below(6) */
export function keyedRandom(seed: number, purpose: string, ...numbers: readonly number[]): Random {
  for (const number of [seed, ...numbers])
    if (!Number.isSafeInteger(number)) throw new RangeError(`a key of randomness must be an integer, got ${number}`);
  return new Random(
    createHash('sha256')
      .update(JSON.stringify([seed, purpose, ...numbers]))
      .digest(),
  );
}

/** 0 … n - 1 in random order (Fisher and Yates). */
export function shuffledIndices(n: number, random: Random): Int32Array {
  const order = new Int32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  for (let i = n - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const swapped = order[i]!;
    order[i] = order[j]!;
    order[j] = swapped;
  }
  return order;
}
