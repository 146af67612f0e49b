import { RecordBatchReader, type Schema } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import { mapOrdered } from '../map-ordered.js';
import { isGzip } from '../storage/names.js';
import { type FileEntry, openStorage, type Storage } from '../storage/storage.js';
import { registerCodecs } from './arrow-codecs.js';
import { type ArrowLayout, arrowLayout, type Range } from './arrow-layout.js';
import { contentOf } from './numbered-lines.js';
import { AT_ONCE } from './sample.js';
import { encodeSchema } from './schema.js';
import { checkedUnitBytes, type Source, type SourceUnit } from './source.js';
import { commonSchema } from './table-columns.js';

export interface ArrowFileOptions {
  /** Names of the columns to keep, in this order. Default: all of the first file. */
  readonly columns?: readonly string[];
  /** Bytes of a piece: record batches are read together up to this size. Default 32 MiB. */
  readonly unitBytes?: number;
}

const IN_DIRECTORY = /\.(arrow|arrows|feather|ipc)(\.gz)?$/i;

/**
 * Arrow IPC files and streams (Feather 2), also with LZ4 or Zstandard buffers: their record batches as they are. A piece
 * is some record batches, which are views of the bytes read: nothing is copied or converted. Gzipped files, and streams
 * from servers that send whole files only, are read in one piece. A directory stands for its `.arrow`, `.arrows`, `.feather` and `.ipc` files.
 * @throws SourceError by `units()` for missing files, what is no Arrow data, and files whose columns differ
 * @example arrowFileSource('features/*.arrow', { columns: ['features', 'label'] })
 */
export function arrowFileSource(paths: string | readonly string[], options: ArrowFileOptions = {}): Source {
  const list = typeof paths === 'string' ? [paths] : paths;
  const size = checkedUnitBytes(options.unitBytes, 32 * 2 ** 20);
  let schema: Schema | undefined;
  let schemas: string[] = [];
  const units = async (storage = openStorage()) => {
    const files = await storage.list(list, IN_DIRECTORY);
    const plans = await mapOrdered(files, AT_ONCE, (file) => planFile(file, size, storage));
    schema = commonSchema(plans, options.columns);
    const encoded = plans.map((plan) => encodeSchema(plan.schema));
    schemas = [...new Set(encoded)];
    return plans.flatMap((plan, k) => plan.units.map((unit) => ({ ...unit, schema: schemas.indexOf(encoded[k]!) })));
  };
  return {
    module: 'rdd/sources/arrow-file-reader',
    name: `arrow ${list.join(' ')}`,
    batches: true,
    get options(): Json {
      return { columns: schema?.fields.map(({ name }) => name) ?? [], schemas };
    },
    units,
    async schema(storage) {
      await units(storage);
      return schema!;
    },
  };
}

async function planFile(file: FileEntry, size: number, storage: Storage) {
  const { path, bytes, seekable } = file;
  if (isGzip(path) || !seekable) return { path, schema: await schemaFromTop(path, storage), units: [{ path, bytes }] };
  const layout = await arrowLayout(file, storage);
  return { path, schema: layout.schema, units: arrowUnits(path, layout, size) };
}

/**
 * Runs of record batches of about `size` bytes. Each comes with the dictionaries before it, so that behind the
 * schema it can be read as a stream of its own. Pure.
 */
function arrowUnits(path: string, { messages }: ArrowLayout, size: number): SourceUnit[] {
  const units: SourceUnit[] = [];
  let dictionaries: Range[] = [];
  let run: { ranges: Range[]; bytes: number; dictionaries: Range[] } | undefined;
  const close = () => {
    if (run) units.push({ path, bytes: run.bytes, ranges: joined([...run.dictionaries, ...run.ranges]) });
    run = undefined;
  };
  for (const { range, batch } of messages) {
    const bytes = range[1] - range[0];
    if (batch && run && run.bytes + bytes > size) close();
    if (batch) run ??= { ranges: [], bytes: 0, dictionaries: [...dictionaries] };
    else dictionaries = [...dictionaries, range];
    if (!run) continue;
    run.ranges.push(range);
    run.bytes += bytes;
  }
  close();
  return units;
}

/** Neighbours as one range. */
function joined(ranges: readonly Range[]): [number, number][] {
  const out: [number, number][] = [];
  for (const [start, end] of ranges) {
    const last = out.at(-1);
    if (last && last[1] === start) last[1] = end;
    else out.push([start, end]);
  }
  return out;
}

async function schemaFromTop(path: string, storage: Storage): Promise<Schema> {
  registerCodecs();
  const parts: Buffer[] = [];
  for await (const part of contentOf(path, storage)) parts.push(part);
  return RecordBatchReader.from(Buffer.concat(parts)).open().schema;
}
