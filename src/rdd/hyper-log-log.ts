import { identityOf, mix } from './keys.js';

/**
 * HyperLogLog (Flajolet et al. 2007): 2^precision registers, each the longest run of leading zeros among the hashes dealt to
 * it. The relative standard error is about 1.04 / sqrt(2^precision).
 */
export function precisionFor(relativeSD: number): number {
  return Math.max(4, Math.ceil(2 * Math.log2(1.054 / relativeSD)));
}

const scratch = new DataView(new ArrayBuffer(8));

/** Notes a value; equal values, in any process, note the same. Changes `registers`. @param precision 4 to 24 */
export function noteValue(registers: Uint8Array, value: unknown, precision: number): Uint8Array {
  if (typeof value !== 'number')
    return typeof value === 'string'
      ? noteText(registers, value, 0x811c9dc5, precision)
      : noteText(registers, identityOf(value), 0x2545f491, precision);
  scratch.setFloat64(0, value === 0 ? 0 : value); // -0 is 0
  const high = scratch.getInt32(0);
  const low = scratch.getInt32(4);
  const a = mix(mix(low ^ 0x9e3779b9) + high);
  return note(registers, a, mix(mix(high ^ 0x85ebca6b) + Math.imul(low, 0xc2b2ae35)), precision);
}

function noteText(registers: Uint8Array, text: string, seed: number, precision: number): Uint8Array {
  let a = seed;
  let b = 0x9747b28c ^ seed;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x5bd1e995);
    b ^= b >>> 15;
  }
  return note(registers, mix(a ^ text.length), mix(b), precision);
}

/** A 64-bit hash: the first `precision` bits deal it to a register, the run begins in `b` and goes on in what is left of `a`. */
function note(registers: Uint8Array, a: number, b: number, precision: number): Uint8Array {
  const register = a >>> (32 - precision);
  const run = b === 0 ? 33 + Math.min(Math.clz32(a << precision), 32 - precision) : 1 + Math.clz32(b);
  if (run > registers[register]!) registers[register] = run;
  return registers;
}

export function mergeRegisters(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((run, register) => Math.max(run, b[register]!));
}

/**
 * Ertl's improved estimator (New cardinality estimation algorithms for HyperLogLog sketches, 2017, algorithm 6): good from 0 on,
 * so that no correction for small or large numbers is needed.
 */
export function estimate(registers: Uint8Array, precision: number): number {
  const longest = 64 - precision;
  const histogram = new Array<number>(longest + 2).fill(0);
  for (const run of registers) histogram[run]!++;
  const m = registers.length;
  let z = m * tau(1 - histogram[longest + 1]! / m);
  for (let run = longest; run >= 1; run--) z = 0.5 * (z + histogram[run]!);
  z += m * sigma(histogram[0]! / m);
  return Math.round((m / (2 * Math.LN2)) * (m / z));
}

function sigma(share: number): number {
  if (share === 1) return Number.POSITIVE_INFINITY;
  let [x, y, z] = [share, 1, share];
  for (let before = -1; z !== before; ) {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  }
  return z;
}

function tau(share: number): number {
  if (share === 0 || share === 1) return 0;
  let [x, y, z] = [share, 1, 1 - share];
  for (let before = -1; z !== before; ) {
    x = Math.sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) ** 2 * y;
  }
  return z / 3;
}
