import { rowsOf } from '../chunks.js';
import type { Format } from './format.js';
import { jsonOf } from './json-format.js';
import { TextBuffer } from './text-buffer.js';

/** A line a row. */
export const textFormat: Format = {
  extension: '.txt',
  compressible: true,
  async *encode(chunks) {
    const text = new TextBuffer();
    for await (const chunk of chunks)
      for (const row of rowsOf(chunk)) {
        text.add(`${lineOf(row)}\n`);
        if (text.full) yield text.take();
      }
    yield text.take();
  },
};

/** Text as it is; arrays and plain objects as JSON; anything else as `String` has it. */
function lineOf(row: unknown): string {
  if (typeof row === 'string') return row;
  if (typeof row !== 'object' || row === null) return String(row);
  const ownText = row.toString !== Object.prototype.toString && !Array.isArray(row) && !(row instanceof Date);
  return ownText ? row.toString() : row instanceof Date ? row.toISOString() : jsonOf(row);
}
