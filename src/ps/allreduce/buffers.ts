/** Memory that one use after the other shares: by name, grown when it is too small, never given back. */
export class Buffers {
  readonly #kept = new Map<string, ArrayBuffer>();

  floats(name: string, length: number): Float32Array {
    return new Float32Array(this.#buffer(name, 4 * length), 0, length);
  }

  bytes(name: string, length: number): Uint8Array {
    return new Uint8Array(this.#buffer(name, length), 0, length);
  }

  #buffer(name: string, bytes: number): ArrayBuffer {
    const kept = this.#kept.get(name);
    if (kept && kept.byteLength >= bytes) return kept;
    const buffer = new ArrayBuffer(bytes);
    this.#kept.set(name, buffer);
    return buffer;
  }
}
