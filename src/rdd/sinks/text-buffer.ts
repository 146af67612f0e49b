/** Bytes of text that are handed on together. */
const FLUSH_CHARACTERS = 256 * 1024;

/** Gathers text into buffers worth a write. */
export class TextBuffer {
  #parts: string[] = [];
  #length = 0;

  add(text: string): void {
    this.#parts.push(text);
    this.#length += text.length;
  }

  get full(): boolean {
    return this.#length >= FLUSH_CHARACTERS;
  }

  /** What was added since the last call. */
  take(): Buffer {
    const bytes = Buffer.from(this.#parts.join(''), 'utf8');
    this.#parts = [];
    this.#length = 0;
    return bytes;
  }
}
