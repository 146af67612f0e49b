import { PassThrough } from 'node:stream';

const CTRL_C = 3;

/**
 * Standard input, one line at a time: what comes after a line is held back until the reader is `ready` for the next, so that
 * pasted and piped lines wait for what runs. Ctrl-C does not wait, and nothing typed before it is run.
 */
export class GatedInput extends PassThrough {
  #held: Buffer = Buffer.alloc(0);
  #open = true;
  #ended = false;

  /** @param interrupt called for a Ctrl-C that is typed while a line is being worked on */
  constructor(
    readonly source: NodeJS.ReadStream,
    readonly interrupt: () => void,
  ) {
    super();
    source.on('data', (chunk: Buffer) => this.#take(chunk));
    source.once('end', () => {
      this.#ended = true;
      this.#release();
    });
  }

  /** Readline asks for these when its input is a terminal. */
  get isTTY(): boolean {
    return this.source.isTTY === true;
  }

  setRawMode(mode: boolean): this {
    if (this.isTTY) this.source.setRawMode(mode);
    return this;
  }

  /** The reader has done with the last line. */
  ready(): void {
    this.#open = true;
    this.#release();
  }

  #take(chunk: Buffer): void {
    const at = this.#open || !this.isTTY ? -1 : chunk.lastIndexOf(CTRL_C);
    this.#held = at < 0 ? Buffer.concat([this.#held, chunk]) : chunk.subarray(at + 1);
    if (at >= 0) this.interrupt();
    this.#release();
  }

  #release(): void {
    if (!this.#open) return;
    const end = this.#held.findIndex((byte) => byte === 10 || byte === 13) + 1;
    const passed = end === 0 ? this.#held : this.#held.subarray(0, end);
    this.#held = this.#held.subarray(passed.length);
    this.#open = end === 0;
    if (passed.length > 0) this.write(passed);
    if (this.#open && this.#ended) this.end();
  }
}
