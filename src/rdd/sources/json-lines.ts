import { Field, Schema } from 'apache-arrow';
import type { Json } from '../../protocol/json.js';
import { isGzip } from '../storage/names.js';
import { type FileEntry, openStorage, type Storage } from '../storage/storage.js';
import { JsonTypes } from './json-infer.js';
import type { JsonLinesReaderOptions } from './json-lines-reader.js';
import { arrowTypeOf, isObject, type JsonType, requireJsonType } from './json-types.js';
import { type Infer, linesOfSample, samples } from './sample.js';
import { checkedUnitBytes, requireBadRows, requireInfer, type Source, SourceError, type SourceUnit } from './source.js';
import { pieces } from './text.js';
import { readPiece } from './text-reader.js';

export interface JsonLinesOptions {
  /**
   * The columns to read, with their types; or the names of some, whose types are detected. Default: all that are found.
   * A field that a row does not have is null; fields that are no column are passed over.
   */
  readonly columns?: Readonly<Record<string, JsonType>> | readonly string[];
  /** Where types are looked for when they are not given. Default `sample`. */
  readonly infer?: Infer;
  /** What to do with a line that is no JSON object or has a value of another type. Default `error`. `drop` counts them in `badRows`. */
  readonly badRows?: 'error' | 'drop';
  /** Bytes of a piece: larger files are read in several. Default 16 MiB. */
  readonly unitBytes?: number;
}

const IN_DIRECTORY = /\.(jsonl|ndjson|json)(\.gz)?$/i;

/**
 * JSON lines (one object a line, UTF-8, also gzipped) as record batches: a path or URL, several, a directory (its `.jsonl`,
 * `.ndjson` and `.json` files, searched recursively) or a glob pattern. Files are split at line ends. Detected types are
 * widened over all rows of the sample: whole numbers and floats to `float64`; arrays become lists and objects structs,
 * with their items' and fields' types widened likewise; kinds that do not agree become text, JSON text where arrays or
 * objects are among them.
 * @throws SourceError by `units()` for missing files, and for a line of the sample that is no JSON object
 * @example jsonLinesSource('events', { columns: { time: 'int64', tags: ['utf8'], place: { lat: 'float64', lon: 'float64' } } })
 */
export function jsonLinesSource(paths: string | readonly string[], options: JsonLinesOptions = {}): Source {
  return new JsonLinesSource(typeof paths === 'string' ? [paths] : paths, options);
}

class JsonLinesSource implements Source {
  readonly module = 'rdd/sources/json-lines-reader';
  readonly batches = true;
  readonly name: string;
  readonly #paths: readonly string[];
  readonly #unitBytes: number;
  readonly #infer: Infer;
  readonly #wanted: readonly string[] | undefined;
  #options: JsonLinesReaderOptions;
  #detect: boolean;

  constructor(paths: readonly string[], { columns, infer, badRows, unitBytes }: JsonLinesOptions) {
    this.#paths = paths;
    this.name = `json lines ${paths.join(' ')}`;
    this.#unitBytes = checkedUnitBytes(unitBytes, 16 * 2 ** 20);
    this.#infer = requireInfer(infer);
    this.#wanted = Array.isArray(columns) ? columns : undefined;
    const given = columns === undefined || Array.isArray(columns) ? [] : Object.entries(columns);
    for (const [name, type] of given) requireJsonType(name, type);
    this.#detect = columns === undefined || Array.isArray(columns);
    this.#options = {
      columns: given.map(([name, type]) => ({ name, type })),
      badRows: requireBadRows(badRows),
      detected: this.#detect,
    };
  }

  get options(): Json {
    return this.#options as unknown as Json;
  }

  async schema(storage = openStorage()): Promise<Schema> {
    if (this.#detect) await this.#detectColumns(await storage.list(this.#paths, IN_DIRECTORY), storage);
    return schemaOf(this.#options);
  }

  async units(storage = openStorage()): Promise<SourceUnit[]> {
    const files = await storage.list(this.#paths, IN_DIRECTORY);
    if (this.#detect) await this.#detectColumns(files, storage);
    return files.flatMap((file) => pieces(file, isGzip(file.path) || !file.seekable ? undefined : this.#unitBytes));
  }

  async #detectColumns(files: readonly FileEntry[], storage: Storage): Promise<void> {
    const types = new JsonTypes();
    const skipBad = this.#options.badRows === 'drop';
    for await (const { path, lines, before } of this.#lines(files, storage))
      for (const [k, line] of lines.entries()) {
        if (line.trim() === '') continue;
        const row = parsed(line);
        if (row) types.add(row);
        else if (!skipBad)
          throw noObject(before === undefined ? `${path}: the line` : `${path}, line ${before + k + 1}:`, line);
      }
    this.#options = { ...this.#options, columns: selected(types.columns, this.#wanted, this.#paths) };
    this.#detect = false;
  }

  async *#lines(files: readonly FileEntry[], storage: Storage): AsyncGenerator<SeenLines> {
    if (this.#infer === 'sample')
      for await (const sample of samples(files, storage))
        yield { path: sample.path, lines: linesOfSample(sample), before: sample.top ? 0 : undefined };
    else
      for (const { path } of files) {
        let before = 0;
        for await (const lines of readPiece({ path, start: 0 }, storage)) {
          yield { path, lines, before };
          before += lines.length;
        }
      }
  }
}

interface SeenLines {
  readonly path: string;
  readonly lines: readonly string[];
  /** How many the file has before them, where that is known. */
  readonly before: number | undefined;
}

export function schemaOf({ columns }: Pick<JsonLinesReaderOptions, 'columns'>): Schema {
  return new Schema(columns.map(({ name, type }) => new Field(name, arrowTypeOf(type), true)));
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const row = JSON.parse(line);
    return isObject(row) ? row : undefined;
  } catch {
    return undefined;
  }
}

function noObject(where: string, line: string): SourceError {
  const text = JSON.stringify(line.length > 80 ? `${line.slice(0, 80)}…` : line);
  const whole = /^\s*[[{]\s*$/.test(line) || line.trimStart().startsWith('[');
  const advice = whole
    ? 'The file seems to be one JSON document: write each object on a line of its own (jq -c ".[]")'
    : "Correct it, or leave such lines out with badRows: 'drop'";
  return new SourceError(`${where} ${text} is no JSON object. ${advice}.`);
}

function selected<T extends { readonly name: string }>(
  found: readonly T[],
  wanted: readonly string[] | undefined,
  paths: readonly string[],
): readonly T[] {
  return (
    wanted?.map((name) => {
      const column = found.find((each) => each.name === name);
      if (column) return column;
      const there =
        found.length === 0 ? 'there are none' : `there are ${found.map((each) => `"${each.name}"`).join(', ')}`;
      throw new SourceError(
        `${paths.join(' ')}: no column "${name}" was seen; ${there}. Give its type in \`columns\` if it is rare.`,
      );
    }) ?? found
  );
}
