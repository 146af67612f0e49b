import { shown } from './arguments.js';
import type { Row } from './arrow-rdd.js';
import { operatorName } from './call-site.js';
import { requireOptions } from './known-options.js';
import { RDD } from './rdd.js';
import { type Saved, type SaveOptions, save } from './sinks/save.js';
import { encodeSchema } from './sources/schema.js';

export interface CsvSaveOptions extends SaveOptions {
  /** Whether each file begins with the columns' names. Default true. */
  readonly header?: boolean;
  /** One ASCII character. Default `,`. */
  readonly delimiter?: string;
  /** Text that stands for null; text that equals it is quoted. Default: the empty cell. */
  readonly nullValue?: string;
}

type OwnCompression = Omit<SaveOptions, 'compression'>;

/**
 * Saving tables, as `Saves` does. A partition without a record batch, of a table whose columns are known only from its
 * batches, gives no Parquet and no Arrow file, and an empty CSV file.
 */
export abstract class TableSaves extends RDD<Row> {
  /**
   * CSV (RFC 4180 with LF line ends), each file with its header. Lists and structs are JSON, bytes base64.
   * @throws SourceError when the path exists already, unless `overwrite` is set; TypeError for a bad delimiter
   * @example await table.saveAsCsv('out/runs', { compression: 'gzip' })
   */
  saveAsCsv(path: string, options: CsvSaveOptions = {}): Promise<Saved> {
    requireOptions('saveAsCsv', options);
    const { header = true, delimiter = ',', nullValue = '', ...rest } = options;
    if (typeof delimiter !== 'string' || !/^[ -~\t]$/.test(delimiter) || delimiter === '"')
      throw new TypeError(
        `the delimiter of saveAsCsv must be one ASCII character other than a quote, not ${shown(delimiter)}`,
      );
    if (typeof nullValue !== 'string' || nullValue.includes(delimiter) || /["\r\n]/.test(nullValue))
      throw new TypeError(
        `the nullValue of saveAsCsv must be text without delimiter, quote and newline, not ${shown(nullValue)}`,
      );
    return this.#save('csv', path, rest, operatorName('saveAsCsv'), { header, delimiter, nullValue });
  }

  /**
   * Parquet with Snappy, statistics and row groups of at most 122,880 rows.
   * @throws SourceError when the path exists already, unless `overwrite` is set; JobError for a column whose type Parquet
   *   files do not hold (structs, maps)
   */
  saveAsParquet(path: string, options: OwnCompression = {}): Promise<Saved> {
    requireOptions('saveAsParquet', options);
    return this.#save('parquet', path, options, operatorName('saveAsParquet'));
  }

  /**
   * Arrow IPC files, also known as Feather V2. Dictionaries become plain columns.
   * @throws SourceError when the path exists already, unless `overwrite` is set
   */
  saveAsArrow(path: string, options: OwnCompression = {}): Promise<Saved> {
    requireOptions('saveAsArrow', options);
    return this.#save('arrow', path, options, operatorName('saveAsArrow'));
  }

  async #save(
    format: 'csv' | 'parquet' | 'arrow',
    path: string,
    options: SaveOptions,
    name: string,
    formatOptions: { [key: string]: string | boolean } = {},
  ): Promise<Saved> {
    const schema = await this.context.tableSchema(this.node);
    return save(this, format, path, options, formatOptions, name, schema && encodeSchema(schema));
  }
}
