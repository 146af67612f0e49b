import { Int32, makeData, type RecordBatch } from 'apache-arrow';
import { listColumn } from '../list-column.js';
import { isGzip } from '../storage/names.js';
import type { Storage } from '../storage/storage.js';
import { batchOf } from './arrow-values.js';
import { IDX_BYTES, type IdxReaderOptions, type IdxType, type IdxUnit, idxSchema } from './idx.js';
import { contentOf } from './numbered-lines.js';
import { SourceError, type SourceReader } from './source.js';

/** Of a batch: 16 MiB of floats. */
const MAX_VALUES = 4 * 2 ** 20;

/**
 * Reads runs of rows into record batches of at most 4 million numbers.
 * @throws SourceError when a file ends before its last row
 */
export const read: SourceReader<RecordBatch, { units: readonly IdxUnit[] }, IdxReaderOptions> = async function* (
  options,
  { units },
  { storage },
) {
  const { width, type, scale, labels } = options;
  const rowBytes = width * IDX_BYTES[type];
  const most = Math.max(1, Math.floor(MAX_VALUES / width));
  for (const unit of units) {
    const images = new ByteReader(unit.images, unit.imagesStart, unit.rows * rowBytes, storage);
    const marks = unit.labels === null ? undefined : new ByteReader(unit.labels, unit.labelsStart, unit.rows, storage);
    try {
      for (let left = unit.rows; left > 0; ) {
        const rows = Math.min(left, most);
        left -= rows;
        const features = listColumn('features', floats(await images.take(rows * rowBytes), type, scale), width);
        const label = labels ? [labelColumn(await marks!.take(rows))] : [];
        yield batchOf(idxSchema(options), rows, [features.data, ...label]);
      }
    } finally {
      await images.close();
      await marks?.close();
    }
  }
};

function labelColumn(bytes: Buffer) {
  return makeData({ type: new Int32(), length: bytes.length, nullCount: 0, data: Int32Array.from(bytes) });
}

function floats(bytes: Buffer, type: IdxType, scale: boolean): Float32Array {
  const values = new Float32Array(bytes.length / IDX_BYTES[type]);
  if (type === 'uint8') values.set(bytes);
  else {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const get = GETTERS[type];
    for (let i = 0; i < values.length; i++) values[i] = get(view, i);
  }
  if (scale) for (let i = 0; i < values.length; i++) values[i] = values[i]! / 255;
  return values;
}

const GETTERS: Record<Exclude<IdxType, 'uint8'>, (view: DataView, i: number) => number> = {
  int8: (view, i) => view.getInt8(i),
  int16: (view, i) => view.getInt16(2 * i),
  int32: (view, i) => view.getInt32(4 * i),
  float32: (view, i) => view.getFloat32(4 * i),
  float64: (view, i) => view.getFloat64(8 * i),
};

/** Takes runs of bytes off a file from an offset on, unpacked where it is gzipped. */
class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #path: string;
  #rest: Buffer[] = [];
  #length = 0;
  #skip: number;

  constructor(path: string, start: number, length: number, storage: Storage) {
    this.#path = path;
    this.#skip = isGzip(path) ? start : 0;
    const stream = isGzip(path) ? contentOf(path, storage) : storage.openStream(path, start, start + length);
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  async take(count: number): Promise<Buffer> {
    while (this.#length < count) {
      const { done, value } = await this.#chunks.next();
      if (done) throw new SourceError(`${this.#path}: the file ends before its last row; it is not whole`);
      const chunk = value.subarray(Math.min(this.#skip, value.length));
      this.#skip -= value.length - chunk.length;
      this.#rest.push(chunk);
      this.#length += chunk.length;
    }
    const all = Buffer.concat(this.#rest);
    this.#rest = [all.subarray(count)];
    this.#length = all.length - count;
    return all.subarray(0, count);
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
