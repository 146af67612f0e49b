import { vectorKernels } from '../vector/vector-kernels.js';
import type { WireCodec } from './wire-codec.js';

/**
 * bfloat16, the upper half of float32: 8 bits of mantissa, rounded to nearest, ties to even. Half the bytes. Only what
 * travels is rounded (relative error at most 2^-8 a sum and hop); the owner adds in float32, its own sum unrounded, so
 * the bits depend on who sends what: on the number of members.
 */
export class Bf16Codec implements WireCodec {
  readonly name = 'bf16';
  readonly relays = true;

  maxBytes(length: number): number {
    return 2 * length;
  }

  encode(values: Float32Array, _offset: number, into: Uint8Array): number {
    vectorKernels().packBf16(values, new Uint16Array(into.buffer, into.byteOffset, values.length));
    return 2 * values.length;
  }

  decode(bytes: Uint8Array, values: Float32Array): void {
    if (bytes.length !== 2 * values.length)
      throw new RangeError(`${bytes.length} bytes are no ${values.length} values in bf16`);
    vectorKernels().unpackBf16(new Uint16Array(bytes.buffer, bytes.byteOffset, values.length), values);
  }
}
