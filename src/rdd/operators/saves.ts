import { operatorName } from '../call-site.js';
import { requireOptions } from '../known-options.js';
import type { FormatName } from '../sinks/format.js';
import { type Saved, type SaveOptions, save } from '../sinks/save.js';
import { NumericActions } from './numeric.js';

type RowSave = 'saveAsTextFile' | 'saveAsJson' | 'saveAsObjectFile';

/**
 * Saving: a directory with one file a partition, shown all at once when the last task is done, and `_SUCCESS`. A job that
 * fails leaves nothing. The path is a local directory that all hosts share, or an S3 URL.
 */
export abstract class Saves<T> extends NumericActions<T> {
  /**
   * A line a row: text as it is (its own newlines too), arrays and plain objects as JSON, anything else as `String` has it.
   * @throws SourceError when the path exists already, unless `overwrite` is set
   * @example await words.saveAsTextFile('s3://bucket/words', { compression: 'gzip' })
   */
  saveAsTextFile(path: string, options: SaveOptions = {}): Promise<Saved> {
    return this.#save('saveAsTextFile', 'text', path, options);
  }

  /**
   * JSON lines, a row each. Bigints become numbers, NaN and the infinities null, dates text, bytes base64.
   * @throws SourceError when the path exists already, unless `overwrite` is set
   */
  saveAsJson(path: string, options: SaveOptions = {}): Promise<Saved> {
    return this.#save('saveAsJson', 'json', path, options);
  }

  /**
   * Rows of any kind in the engine's own encoding, which `objectFile` reads again: dates, Maps, typed arrays and cycles too.
   * @throws SourceError when the path exists already, unless `overwrite` is set
   */
  saveAsObjectFile(path: string, options: Omit<SaveOptions, 'compression'> = {}): Promise<Saved> {
    return this.#save('saveAsObjectFile', 'object', path, options);
  }

  async #save(operator: RowSave, format: FormatName, path: string, options: SaveOptions): Promise<Saved> {
    const name = operatorName(operator);
    requireOptions(operator, options);
    return save(this, format, path, options, {}, name);
  }
}
