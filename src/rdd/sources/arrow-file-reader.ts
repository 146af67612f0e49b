import { type RecordBatch, RecordBatchReader } from 'apache-arrow';
import type { Storage } from '../storage/storage.js';
import { registerCodecs } from './arrow-codecs.js';
import { contentOf } from './numbered-lines.js';
import { SourceError, type SourceReader, type SourceSplit, type SourceUnit } from './source.js';

/** Ends a stream, as its messages begin: a mark, and a length of 0. */
const END = Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

/** What `arrowFileSource` sends to the slots. */
export interface ArrowReaderOptions {
  readonly columns: readonly string[];
  /** Of the files, encoded; a unit names its file's. */
  readonly schemas: readonly string[];
}

/** Reads runs of record batches, without copying: their columns are views of the bytes read. */
export const read: SourceReader<RecordBatch, SourceSplit, ArrowReaderOptions> = async function* (
  { columns, schemas },
  split,
  { storage },
) {
  registerCodecs();
  for (const unit of split.units) {
    const bytes = await unitBytes(unit, schemas, storage);
    for (const batch of batchesIn(unit.path as string, bytes)) {
      const positions = columns.map((name) => batch.schema.fields.findIndex((field) => field.name === name));
      const all = positions.length === batch.schema.fields.length && positions.every((position, k) => position === k);
      yield all ? batch : batch.selectAt(positions);
    }
  }
};

function* batchesIn(path: string, bytes: readonly Buffer[]): Generator<RecordBatch> {
  try {
    yield* RecordBatchReader.from(bytes.length === 1 ? bytes[0]! : bytes);
  } catch (error) {
    throw new SourceError(`${path}: the Arrow data cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

async function unitBytes(
  { path, ranges, schema }: SourceUnit,
  schemas: readonly string[],
  storage: Storage,
): Promise<Buffer[]> {
  if (ranges)
    return Promise.all([
      Buffer.from(schemas[schema as number]!, 'base64').subarray(0, -END.length),
      ...(ranges as unknown as [number, number][]).map(([start, end]) => storage.readRange(path as string, start, end)),
      END,
    ]);
  const parts: Buffer[] = [];
  for await (const part of contentOf(path as string, storage)) parts.push(part);
  return [Buffer.concat(parts)]; // a whole file or stream: the reader tells which
}
