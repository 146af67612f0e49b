/**
 * How a vector of sums travels. Sums travel encoded and are decoded before they are added, in float32; weights always
 * travel in float32, so that all members compute with the same ones.
 *
 * A codec belongs to one member and one training: formats that leave something out keep what they left (error feedback) and
 * send it later.
 */
export interface WireCodec {
  readonly name: string;
  /** Whether partial sums may be encoded again on their way round a ring. */
  readonly relays: boolean;
  /** Largest encoding of so many values. */
  maxBytes(length: number): number;
  /**
   * @param values a range of the flat vector; not changed
   * @param offset where the range begins in it
   * @param into at least `maxBytes(values.length)` long, beginning at a multiple of 4
   * @returns how many bytes were written
   */
  encode(values: Float32Array, offset: number, into: Uint8Array): number;
  /**
   * @param bytes beginning at a multiple of 4
   * @throws RangeError when they are no encoding of so many values
   */
  decode(bytes: Uint8Array, values: Float32Array): void;
  /** What was left out so far, of the whole vector: belongs into checkpoints. Absent where nothing is. May be changed. */
  readonly residual?: Float32Array;
}
