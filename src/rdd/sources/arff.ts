import type { Schema } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import { mapOrdered } from '../map-ordered.js';
import { isGzip } from '../storage/names.js';
import { type FileEntry, openStorage, type Storage } from '../storage/storage.js';
import { type ArffAttribute, parseArffHeader } from './arff-header.js';
import { type ArffReaderOptions, arffSchema } from './arff-reader.js';
import { missingColumn } from './csv-errors.js';
import { contentOf } from './numbered-lines.js';
import { AT_ONCE } from './sample.js';
import { checkedUnitBytes, requireBadRows, type Source, SourceError, type SourceUnit } from './source.js';
import { pieces } from './text.js';

export interface ArffOptions {
  /** Names of the columns to read. Default: all of the first file. */
  readonly columns?: readonly string[];
  /** What to do with a row of the wrong number of cells or a cell that does not fit its attribute. Default `error`. `drop` counts them in `badRows`. */
  readonly badRows?: 'error' | 'drop';
  /** Bytes of a piece: larger files are read in several. Default 16 MiB. */
  readonly unitBytes?: number;
}

/**
 * Weka's ARFF files (also gzipped): numeric attributes as float64, nominal ones as dictionary-encoded text whose codes are
 * the declared order (of all files together), `string` and `date` as text, `?` as null; dense and sparse rows.
 * A directory stands for its `.arff` files.
 * @throws SourceError by `units()` for missing files, and a header that cannot be read, naming file and line
 * @example arffSource('activity.arff', { columns: ['XAVG', 'class'] })
 */
export function arffSource(paths: string | readonly string[], options: ArffOptions = {}): Source {
  return new ArffSource(typeof paths === 'string' ? [paths] : paths, options);
}

const IN_DIRECTORY = /\.arff(\.gz)?$/i;

class ArffSource implements Source {
  readonly module = 'rdd/sources/arff-reader';
  readonly batches = true;
  readonly name: string;
  readonly #paths: readonly string[];
  readonly #unitBytes: number;
  readonly #wanted: readonly string[] | undefined;
  #options: ArffReaderOptions;

  constructor(paths: readonly string[], { columns, badRows, unitBytes }: ArffOptions) {
    this.#paths = paths;
    this.name = `arff ${paths.join(' ')}`;
    this.#unitBytes = checkedUnitBytes(unitBytes, 16 * 2 ** 20);
    this.#wanted = columns;
    this.#options = { columns: [], layouts: [], badRows: requireBadRows(badRows) };
  }

  get options(): Json {
    return this.#options as unknown as Json;
  }

  async schema(storage = openStorage()): Promise<Schema> {
    await this.units(storage);
    return arffSchema(this.#options.columns);
  }

  async units(storage = openStorage()): Promise<SourceUnit[]> {
    const files = await storage.list(this.#paths, IN_DIRECTORY);
    const headers = await mapOrdered(files, AT_ONCE, ({ path }) => readHeader(path, storage));
    const columns = mergedColumns(headers, this.#wanted);
    const layouts = new Map<string, number>();
    const units = headers.flatMap((header, k) => {
      const layout = JSON.stringify(layoutOf(header, columns));
      if (!layouts.has(layout)) layouts.set(layout, layouts.size);
      return this.#pieces(files[k]!, header.dataStart).map((unit) => ({ ...unit, layout: layouts.get(layout)! }));
    });
    this.#options = { ...this.#options, columns, layouts: [...layouts.keys()].map((text) => JSON.parse(text)) };
    return units;
  }

  #pieces(file: FileEntry, dataStart: number): SourceUnit[] {
    if (isGzip(file.path) || !file.seekable) return pieces(file, undefined);
    const data = { ...file, bytes: Math.max(0, file.bytes - dataStart) };
    return pieces(data, this.#unitBytes).map(({ start, end, ...unit }) => ({
      ...unit,
      start: (start as number) + dataStart,
      end: (end as number) + dataStart,
    }));
  }
}

interface Header {
  readonly path: string;
  readonly attributes: readonly ArffAttribute[];
  /** Offset of the first line below `@data`. */
  readonly dataStart: number;
}

async function readHeader(path: string, storage: Storage): Promise<Header> {
  let text = ''; // one character a byte
  for await (const bytes of contentOf(path, storage)) {
    text += bytes.toString('latin1');
    const data = /^[ \t]*@data[^\n]*(\n|$)/im.exec(text);
    if (!data || data[1] === '') continue;
    return headerOf(path, text, data.index + data[0].length);
  }
  const data = /^[ \t]*@data[^\n]*$/im.exec(text);
  if (data) return headerOf(path, text, text.length);
  throw new SourceError(`${path}: there is no @data line, so this is no ARFF file, or only a part of one`);
}

function headerOf(path: string, text: string, dataStart: number): Header {
  const lines = Buffer.from(text.slice(0, dataStart), 'latin1')
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/);
  return { path, attributes: parseArffHeader(path, lines), dataStart };
}

/** The wanted columns with the nominal values of all files. */
function mergedColumns(headers: readonly Header[], wanted: readonly string[] | undefined): ArffAttribute[] {
  const first = headers[0]!;
  return (wanted ?? first.attributes.map(({ name }) => name)).map((name) => {
    const found = headers.map((header) => ({ path: header.path, attribute: attributeOf(header, name) }));
    const kind = found[0]!.attribute.kind;
    const other = found.find(({ attribute }) => attribute.kind !== kind);
    if (other)
      throw new SourceError(
        `${other.path}: the attribute "${name}" is ${NOUNS[other.attribute.kind]}, in ${first.path} it is ${NOUNS[kind]}; ` +
          'make them the same, or read the files apart',
      );
    if (kind !== 'nominal') return { name, kind };
    return { name, kind, values: [...new Set(found.flatMap(({ attribute }) => attribute.values!))] };
  });
}

const NOUNS = { number: 'numeric', text: 'text', nominal: 'nominal' } as const;

function attributeOf({ path, attributes }: Header, name: string): ArffAttribute {
  const attribute = attributes.find((each) => each.name === name);
  if (attribute) return attribute;
  throw missingColumn(
    path,
    name,
    attributes.map((each) => each.name),
  );
}

function layoutOf({ attributes }: Header, columns: readonly ArffAttribute[]) {
  const positions = columns.map(({ name }) => attributes.findIndex((each) => each.name === name));
  // In a sparse row the first declared value goes without saying.
  const unsaid = columns.map(({ kind }, k) =>
    kind === 'nominal' ? (attributes[positions[k]!]!.values![0] ?? null) : null,
  );
  return { width: attributes.length, positions, unsaid };
}
