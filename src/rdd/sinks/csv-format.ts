import type { RecordBatch, Schema } from 'apache-arrow';
import { tableBatches } from './batches.js';
import type { Format } from './format.js';
import { jsonOf } from './json-format.js';
import { plainColumns } from './plain-columns.js';
import { TextBuffer } from './text-buffer.js';

export interface CsvFormatOptions {
  readonly header: boolean;
  readonly delimiter: string;
  readonly nullValue: string;
}

/**
 * RFC 4180 with LF line ends: cells with delimiters, quotes or newlines are quoted. Null is the null value, text that
 * equals it is quoted; lists and structs are JSON.
 */
export const csvFormat: Format<CsvFormatOptions> = {
  extension: '.csv',
  compressible: true,
  async *encode(chunks, options, { name, schema }) {
    const text = new TextBuffer();
    const quote = quoting(options);
    let headed = !options.header;
    const head = ({ fields }: Schema) => {
      if (!headed) text.add(`${fields.map((field) => quote(field.name)).join(options.delimiter)}\n`);
      headed = true;
    };
    for await (const batch of tableBatches(chunks, name)) {
      head(batch.schema);
      for (const line of csvLines(batch, options, name)) {
        text.add(line);
        if (text.full) yield text.take();
      }
    }
    if (schema) head(schema);
    yield text.take();
  },
};

function* csvLines(batch: RecordBatch, options: CsvFormatOptions, name: string): Generator<string> {
  const columns = plainColumns(batch, name);
  const quote = quoting(options);
  // A line of nothing would be no record.
  const nothing = columns.length === 1 && options.nullValue === '' ? '""' : options.nullValue;
  const cell = (value: unknown): string => {
    if (value === null || value === undefined) return nothing;
    if (typeof value === 'string') return value === options.nullValue ? `"${value}"` : quote(value);
    if (typeof value === 'object')
      return quote(value instanceof Uint8Array ? Buffer.from(value).toString('base64') : jsonOf(value));
    return String(value);
  };
  for (let row = 0; row < batch.numRows; row++)
    yield `${columns.map(({ get }) => cell(get(row))).join(options.delimiter)}\n`;
}

function quoting({ delimiter }: CsvFormatOptions): (text: string) => string {
  // Spaces at the ends and a byte order mark are taken off by some readers.
  const special = new RegExp(`["\\r\\n${delimiter.replace(/[\\\]^-]/g, '\\$&')}]|^[\\s\uFEFF]|\\s$`);
  return (text) => (special.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
}
