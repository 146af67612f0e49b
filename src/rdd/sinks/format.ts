import type { Schema } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import type { Chunks } from '../chunks.js';

export type FormatName = 'text' | 'json' | 'csv' | 'parquet' | 'arrow' | 'object';

/** What a task knows when it writes a part. */
export interface EncodeContext {
  /** For messages: `saveAsCsv at job.ts:12`. */
  readonly name: string;
  /** Of the table, where it is known before the first batch: an empty partition then gives a file with columns. */
  readonly schema?: Schema;
}

/** A file format: how the chunks of a partition become the bytes of a file, a few at a time. */
export interface Format<Options = any> {
  readonly extension: string;
  /** Whether gzip may be laid over it. */
  readonly compressible: boolean;
  /**
   * @returns the file's bytes in buffers of some hundred kilobytes; nothing at all when no file can be made (a table's file
   *   without any column known)
   * @throws FailureError for a value that the format cannot hold, naming its column
   */
  encode(chunks: Chunks, options: Options, context: EncodeContext): AsyncIterable<Uint8Array>;
}

const MODULES: Record<FormatName, () => Promise<Format>> = {
  text: async () => (await import('./text-format.js')).textFormat,
  json: async () => (await import('./json-format.js')).jsonFormat,
  csv: async () => (await import('./csv-format.js')).csvFormat,
  parquet: async () => (await import('./parquet-format.js')).parquetFormat,
  arrow: async () => (await import('./arrow-format.js')).arrowFormat,
  object: async () => (await import('./object-format.js')).objectFormat,
};

/** Loaded by name, where it is used: slots start without any of them. */
export const loadFormat = (name: FormatName): Promise<Format> => MODULES[name]();

/** Of a save, as it travels. */
export type FormatOptions = { readonly [key: string]: Json };
