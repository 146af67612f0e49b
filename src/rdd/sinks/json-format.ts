import { type Chunk, isBatch, rowsOf } from '../chunks.js';
import type { Format } from './format.js';
import { plainColumns } from './plain-columns.js';
import { TextBuffer } from './text-buffer.js';

/** JSON lines: an object or other value a line, newlines in text escaped. */
export const jsonFormat: Format = {
  extension: '.json',
  compressible: true,
  async *encode(chunks, _options, { name }) {
    const text = new TextBuffer();
    for await (const chunk of chunks)
      for (const line of linesOf(chunk, name)) {
        text.add(line);
        if (text.full) yield text.take();
      }
    yield text.take();
  },
};

function* linesOf(chunk: Chunk, name: string): Generator<string> {
  if (!isBatch(chunk)) {
    for (const row of rowsOf(chunk)) yield `${jsonOf(row)}\n`;
    return;
  }
  const columns = plainColumns(chunk, name);
  const keys = columns.map((column) => `${JSON.stringify(column.name)}:`);
  for (let row = 0; row < chunk.numRows; row++)
    yield `{${columns.map(({ get }, k) => keys[k]! + jsonOf(get(row))).join(',')}}\n`;
}

/**
 * JSON with what JSON itself has no word for: bigints are numbers with all their digits, NaN and the infinities null, dates
 * text (ISO 8601), bytes base64, Maps and Sets arrays.
 */
export function jsonOf(value: unknown): string {
  switch (typeof value) {
    case 'bigint':
      return String(value);
    case 'object':
      break;
    case 'number':
      return Number.isFinite(value) ? String(value) : 'null';
    default:
      return JSON.stringify(value) ?? 'null';
  }
  if (value === null) return 'null';
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'));
  if (Array.isArray(value) || ArrayBuffer.isView(value) || value instanceof Set || value instanceof Map)
    return `[${Array.from(value as Iterable<unknown>, jsonOf).join(',')}]`;
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') return jsonOf((value as any).toJSON());
  const entries = Object.entries(value).filter(([, each]) => each !== undefined && typeof each !== 'function');
  return `{${entries.map(([key, each]) => `${JSON.stringify(key)}:${jsonOf(each)}`).join(',')}}`;
}
