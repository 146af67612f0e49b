import { nativeAddon } from '../native/addon.js';

/** Zeros where a native graph reads them without a copy. */
export function alignedFloats(length: number): Float32Array {
  const addon = nativeAddon();
  return addon ? new Float32Array(addon.alignedMemory(4 * length)) : new Float32Array(length);
}

/** A block's bytes as numbers, without a copy; blocks come aligned. */
export function floats(bytes: Buffer): Float32Array {
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

/** The bytes of numbers, without a copy. */
export function bytesOf(values: Float32Array | Float64Array | Int32Array | Uint8Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Whether they are views of the same bytes. */
export function isSameView(one: Float32Array, other: Float32Array): boolean {
  return one.buffer === other.buffer && one.byteOffset === other.byteOffset && one.length === other.length;
}

const ALIGNMENT = 64;

/** So many bytes and what is to follow begins where a native graph reads vectors without a copy. */
export const alignedBytes = (bytes: number) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
