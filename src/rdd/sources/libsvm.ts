import { Field, FixedSizeList, Float32, Float64, Int32, List, Schema } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import { isGzip } from '../storage/names.js';
import { type FileEntry, openStorage, type Storage } from '../storage/storage.js';
import { type LibsvmReaderOptions, parseLine } from './libsvm-reader.js';
import { checkedUnitBytes, requireBadRows, type Source, SourceError, type SourceUnit } from './source.js';
import { pieces } from './text.js';
import { readPiece } from './text-reader.js';

export interface LibsvmOptions {
  /** Width of the feature vectors. Default: the highest index in the input, for which it is read once more, on the driver. */
  readonly numFeatures?: number;
  /**
   * Keep rows sparse: columns `indices` (List<Int32>, counted from 0) and `values` (List<Float32>) in place of `features`.
   * Default false.
   */
  readonly sparse?: boolean;
  /** What to do with a line that is not of the format. Default `error`. `drop` counts them in `badRows`. */
  readonly badRows?: 'error' | 'drop';
  /** Bytes of a piece: larger files are read in several. Default 16 MiB. */
  readonly unitBytes?: number;
}

/**
 * Files in libsvm's format, `label index:value index:value … # comment` with indices from 1 on, rising: a column `label`
 * (float64) and a column `features` (`FixedSizeList<Float32>`, what is not named is 0).
 * @throws SourceError by `units()` for missing files
 * @example libsvmSource('sample_libsvm_data.txt', { numFeatures: 692 })
 */
export function libsvmSource(paths: string | readonly string[], options: LibsvmOptions = {}): Source {
  return new LibsvmSource(typeof paths === 'string' ? [paths] : paths, options);
}

class LibsvmSource implements Source {
  readonly module = 'rdd/sources/libsvm-reader';
  readonly batches = true;
  readonly name: string;
  readonly #paths: readonly string[];
  readonly #unitBytes: number;
  readonly #sparse: boolean;
  readonly #badRows: 'error' | 'drop';
  #width: number | undefined;

  constructor(paths: readonly string[], { numFeatures, sparse = false, badRows, unitBytes }: LibsvmOptions) {
    if (numFeatures !== undefined && !(Number.isInteger(numFeatures) && numFeatures > 0))
      throw new SourceError(`numFeatures must be a whole number of at least 1, not ${numFeatures}`);
    this.#paths = paths;
    this.name = `libsvm ${paths.join(' ')}`;
    this.#unitBytes = checkedUnitBytes(unitBytes, 16 * 2 ** 20);
    this.#sparse = sparse;
    this.#badRows = requireBadRows(badRows);
    this.#width = numFeatures;
  }

  get options(): Json {
    return { width: this.#width ?? 0, sparse: this.#sparse, badRows: this.#badRows } satisfies LibsvmReaderOptions;
  }

  async schema(storage = openStorage()): Promise<Schema> {
    await this.#measure(() => storage.list(this.#paths, /./), storage);
    return libsvmSchema(this.#width!, this.#sparse);
  }

  async units(storage = openStorage()): Promise<SourceUnit[]> {
    const files = await storage.list(this.#paths, /./);
    await this.#measure(async () => files, storage);
    return files.flatMap((file) => pieces(file, isGzip(file.path) || !file.seekable ? undefined : this.#unitBytes));
  }

  async #measure(files: () => Promise<readonly FileEntry[]>, storage: Storage): Promise<void> {
    if (this.#width !== undefined) return;
    this.#width = this.#sparse ? 0 : Math.max(1, await highestIndex(await files(), storage));
  }
}

export function libsvmSchema(width: number, sparse: boolean): Schema {
  const label = new Field('label', new Float64(), false);
  const list = (name: string, item: Int32 | Float32) =>
    new Field(name, new List(new Field('item', item as never, false)), false);
  if (sparse) return new Schema([label, list('indices', new Int32()), list('values', new Float32())]);
  return new Schema([
    label,
    new Field('features', new FixedSizeList(width, new Field('item', new Float32(), false)), false),
  ]);
}

async function highestIndex(files: readonly FileEntry[], storage: Storage): Promise<number> {
  let highest = 0;
  for (const { path } of files)
    for await (const lines of readPiece({ path, start: 0 }, storage))
      for (const line of lines) {
        // Indices rise, so that the last one is the highest. A bad line is the reader's to report.
        const row = parseLine(line);
        if (typeof row === 'object' && row.indices.length > 0) highest = Math.max(highest, row.indices.at(-1)! + 1);
      }
  return highest;
}
