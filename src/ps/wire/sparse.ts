import { kthLargest } from './largest.js';
import type { WireCodec } from './wire-codec.js';

const MAGNITUDE = 0x7fffffff;
/** In place of a count: all values follow, because they take fewer bytes than values with their indices. */
const DENSE = -1;

/**
 * Sends few values with their indices, and keeps the others for later: what is sent next is chosen from the residual plus
 * the new values (error feedback: Strom 2015; Stich, Cordonnier, Jaggi 2018, algorithm 1). So nothing is lost: all that
 * was decoded plus the residual is all that was given, up to float32 rounding.
 *
 * Encoding: a count (int32), the indices (int32), the values (float32); or `DENSE` and all values.
 */
abstract class SparseCodec implements WireCodec {
  readonly relays = false;
  readonly residual: Float32Array;

  /** @param length of the whole vector */
  constructor(
    readonly name: string,
    length: number,
  ) {
    this.residual = new Float32Array(length);
  }

  /** Magnitudes above `magnitude` (as bits) are sent, and the first `ties` of those equal to it. */
  protected abstract choose(bits: Int32Array): { readonly magnitude: number; readonly ties: number };

  maxBytes(length: number): number {
    return 4 + 4 * length;
  }

  encode(values: Float32Array, offset: number, into: Uint8Array): number {
    const { length } = values;
    const words = new Int32Array(into.buffer, into.byteOffset, 1 + length);
    if (length === 0) {
      words[0] = 0;
      return 4;
    }
    const residual = this.residual.subarray(offset, offset + length);
    for (let i = 0; i < length; i++) residual[i] = residual[i]! + values[i]!;
    const bits = new Int32Array(residual.buffer, residual.byteOffset, length);
    const { magnitude, ties } = this.choose(bits);
    const room = length >>> 1;
    let count = 0;
    let equal = 0;
    for (let i = 0; i < length && count <= room; i++) {
      const own = bits[i]! & MAGNITUDE;
      if (own < magnitude || (own === magnitude && equal++ >= ties)) continue;
      if (count < room) words[1 + count] = i;
      count++;
    }
    if (count > room) {
      words[0] = DENSE;
      words.set(bits, 1);
      residual.fill(0);
      return 4 * (1 + length);
    }
    words[0] = count;
    for (let k = 0; k < count; k++) {
      const i = words[1 + k]!;
      words[1 + count + k] = bits[i]!;
      bits[i] = 0;
    }
    return 4 * (1 + 2 * count);
  }

  decode(bytes: Uint8Array, values: Float32Array): void {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
    const count = words[0];
    const dense = count === DENSE;
    if (count === undefined || count < DENSE || words.length !== (dense ? 1 + bits.length : 1 + 2 * count))
      throw new RangeError(`${bytes.length} bytes are no sparse vector of ${values.length} values`);
    if (dense) {
      bits.set(words.subarray(1));
      return;
    }
    bits.fill(0);
    for (let k = 1; k <= count; k++) {
      const index = words[k]!;
      if (index < 0 || index >= bits.length)
        throw new RangeError(`index ${index} lies outside a vector of ${values.length} values`);
      bits[index] = words[count + k]!;
    }
  }
}

/**
 * The largest values by magnitude, a fixed share of each range sent (Lin et al. 2018, "Deep gradient compression", without
 * its momentum correction: momentum stays with the owner).
 *
 * @example new TopKCodec(0.01, theta.length) // 8 bytes for every 100 values
 */
export class TopKCodec extends SparseCodec {
  /**
   * @param ratio share of the values, in (0, 1]; at least one of a range is sent
   * @param length of the whole vector
   */
  constructor(
    readonly ratio: number,
    length: number,
  ) {
    if (!(ratio > 0 && ratio <= 1)) throw new RangeError(`the share of values must be in (0, 1], got ${ratio}`);
    super(`top-${ratio * 100}%`, length);
  }

  protected choose(bits: Int32Array) {
    return kthLargest(bits, Math.max(1, Math.round(this.ratio * bits.length)));
  }
}

/**
 * All values of at least some magnitude (Strom 2015, but in full instead of as ± the threshold, so that large ones need not
 * wait). Bytes vary; what is NaN is always sent.
 *
 * @example new ThresholdCodec(1e-3, theta.length)
 */
export class ThresholdCodec extends SparseCodec {
  readonly #magnitude: number;

  /**
   * @param threshold in units of the sums (not means) that are sent; positive
   * @param length of the whole vector
   */
  constructor(
    readonly threshold: number,
    length: number,
  ) {
    if (!(threshold > 0 && threshold < Infinity))
      throw new RangeError(`the threshold must be a positive number, got ${threshold}`);
    super(`threshold ${threshold}`, length);
    this.#magnitude = new Int32Array(Float32Array.of(threshold).buffer)[0]!;
  }

  protected choose() {
    return { magnitude: this.#magnitude, ties: Number.POSITIVE_INFINITY };
  }
}
