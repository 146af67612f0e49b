import { Field, FixedSizeList, Float32, Int32, Schema } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import { isGzip } from '../storage/names.js';
import { openStorage, type Storage } from '../storage/storage.js';
import { contentOf } from './numbered-lines.js';
import { checkedUnitBytes, type Source, SourceError, type SourceUnit } from './source.js';

export interface IdxOptions {
  /** Divide bytes by 255, so that pixels lie between 0 and 1. Default false: the numbers as they are stored. */
  readonly scale?: boolean;
  /** Bytes of a piece: larger files are read in several. Default 16 MiB. */
  readonly unitBytes?: number;
}

/** What `idxSource` sends to the slots. */
export interface IdxReaderOptions {
  /** Numbers of a row, and how they are stored. */
  readonly width: number;
  readonly type: IdxType;
  readonly scale: boolean;
  readonly labels: boolean;
  readonly [key: string]: number | boolean | string;
}

/** A run of rows and where its bytes lie (in the unpacked file). */
export type IdxUnit = SourceUnit & {
  readonly images: string;
  readonly imagesStart: number;
  readonly labels: string | null;
  readonly labelsStart: number;
  readonly rows: number;
};

/** The format's third byte. Numbers are stored with the highest byte first. */
const TYPES = { 8: 'uint8', 9: 'int8', 11: 'int16', 12: 'int32', 13: 'float32', 14: 'float64' } as const;
export type IdxType = (typeof TYPES)[keyof typeof TYPES];
export const IDX_BYTES: Record<IdxType, number> = { uint8: 1, int8: 1, int16: 2, int32: 4, float32: 4, float64: 8 };

interface IdxHeader {
  readonly type: IdxType;
  readonly shape: readonly number[];
  /** Of the data. */
  readonly start: number;
}

/**
 * A file in MNIST's idx format (also gzipped), and one of labels beside it: a column `features`
 * (`FixedSizeList<Float32>`, an image row by row) and, with labels, a column `label` (int32). The shape of an image is in the metadata of
 * `features`, key `sheaf.shape`. Files that are not gzipped are read in pieces.
 * @throws SourceError by `units()` for missing files, what is no idx file, and files that do not fit together
 * @example idxSource('train-images-idx3-ubyte.gz', 'train-labels-idx1-ubyte.gz', { scale: true })
 */
export function idxSource(images: string, labels?: string, { scale = false, unitBytes }: IdxOptions = {}): Source {
  const size = checkedUnitBytes(unitBytes, 16 * 2 ** 20);
  let planned: { options: IdxReaderOptions; schema: Schema; units: IdxUnit[] } | undefined;
  const plan = async (storage: Storage) => {
    planned ??= await planIdx(images, labels, scale, size, storage);
    return planned;
  };
  return {
    module: 'rdd/sources/idx-reader',
    name: `idx ${images}`,
    batches: true,
    get options(): Json {
      return planned?.options ?? null;
    },
    units: async (storage = openStorage()) => (await plan(storage)).units,
    schema: async (storage = openStorage()) => (await plan(storage)).schema,
  };
}

async function planIdx(images: string, labels: string | undefined, scale: boolean, size: number, storage: Storage) {
  const { path, bytes, header } = await open(images, storage);
  const [rows = 0, ...shape] = header.shape;
  const width = shape.reduce((a, b) => a * b, 1);
  const marked = labels === undefined ? undefined : await open(labels, storage);
  if (marked && (marked.header.shape.length !== 1 || marked.header.type !== 'uint8'))
    throw new SourceError(`${marked.path}: labels are one list of bytes, this is ${described(marked.header)}`);
  if (marked && marked.header.shape[0] !== rows)
    throw new SourceError(
      `${marked.path} holds ${marked.header.shape[0]} labels for the ${rows} rows of ${path}; they do not belong together`,
    );
  if (width === 0) throw new SourceError(`${path}: its rows hold nothing: ${described(header)}`);
  const rowBytes = width * IDX_BYTES[header.type];
  const whole = isGzip(path) || isGzip(marked?.path ?? '') || bytes === undefined;
  const count = whole ? 1 : Math.max(1, Math.ceil((rows * rowBytes) / size));
  const cut = (k: number) => Math.floor((rows * k) / count);
  const units = Array.from(
    { length: count },
    (_, k): IdxUnit => ({
      bytes: (cut(k + 1) - cut(k)) * rowBytes,
      images: path,
      imagesStart: header.start + cut(k) * rowBytes,
      labels: marked?.path ?? null,
      labelsStart: (marked?.header.start ?? 0) + cut(k),
      rows: cut(k + 1) - cut(k),
    }),
  );
  const options: IdxReaderOptions = { width, type: header.type, scale, labels: marked !== undefined };
  return { units, options, schema: idxSchema(options, shape) };
}

export function idxSchema({ width, labels }: IdxReaderOptions, shape: readonly number[] = [width]): Schema {
  const item = new Field('item', new Float32(), false);
  const metadata = new Map([['sheaf.shape', JSON.stringify(shape)]]);
  const features = new Field('features', new FixedSizeList(width, item), false, metadata);
  return new Schema(labels ? [features, new Field('label', new Int32(), false)] : [features]);
}

async function open(given: string, storage: Storage) {
  const files = await storage.list([given], /./);
  if (files.length !== 1)
    throw new SourceError(`${given} stands for ${files.length} files; idx takes one file of images and one of labels`);
  const { path, bytes, seekable } = files[0]!;
  const whole = isGzip(path) || !seekable;
  const head = whole ? await headOf(path, storage) : await storage.readRange(path, 0, HEADER_BYTES);
  const header = parseIdxHeader(path, head);
  const wanted = header.start + header.shape.reduce((a, b) => a * b, 1) * IDX_BYTES[header.type];
  if (!whole && bytes !== wanted)
    throw new SourceError(
      `${path}: ${described(header)} takes ${wanted} bytes, the file has ${bytes}; it is not whole`,
    );
  return { path, bytes: whole ? undefined : bytes, header };
}

/** Enough for as many dimensions as the format can have. */
const HEADER_BYTES = 4 + 255 * 4;

async function headOf(path: string, storage: Storage): Promise<Buffer> {
  for await (const bytes of contentOf(path, storage)) return bytes; // gunzip gives a MiB at once, or all there is
  return Buffer.alloc(0);
}

function parseIdxHeader(path: string, bytes: Buffer): IdxHeader {
  const type = TYPES[bytes[2] as keyof typeof TYPES];
  const dimensions = bytes[3] ?? 0;
  if (bytes.length < 4 + 4 * dimensions || bytes[0] !== 0 || bytes[1] !== 0 || !type || dimensions === 0)
    throw new SourceError(
      `${path}: this is no idx file: it does not begin with two zero bytes, a type and the number of dimensions` +
        (bytes[0] === 0x1f && bytes[1] === 0x8b ? ' (it is packed by gzip: name it .gz)' : ''),
    );
  const shape = Array.from({ length: dimensions }, (_, k) => bytes.readUInt32BE(4 + 4 * k));
  return { type, shape, start: 4 + 4 * dimensions };
}

const described = ({ type, shape }: IdxHeader) => `an array of ${shape.join(' x ')} ${type}`;
