import type { WireCodec } from './wire-codec.js';

/** Values as they are, little-endian. */
export class Float32Codec implements WireCodec {
  readonly name = 'float32';
  readonly relays = true;

  maxBytes(length: number): number {
    return 4 * length;
  }

  encode(values: Float32Array, _offset: number, into: Uint8Array): number {
    into.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return values.byteLength;
  }

  decode(bytes: Uint8Array, values: Float32Array): void {
    if (bytes.length !== values.byteLength)
      throw new RangeError(`${bytes.length} bytes are no ${values.length} values in float32`);
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength).set(bytes);
  }
}
