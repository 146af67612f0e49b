import type { DuckDBDataChunk } from '@duckdb/node-api';
import { Field, makeData, RecordBatch, Schema, Struct } from 'apache-arrow';
import { ARROW_TYPES, type Chunk, type ColumnBuilder, columnBuilder } from './csv-columns.js';
import { groupNames, pathValues } from './csv-path.js';
import { PathColumn, pathColumnType } from './csv-path-columns.js';
import type { CsvReaderOptions } from './csv-reader.js';

const pathNames = ({ pathColumns }: CsvReaderOptions) =>
  pathColumns ? groupNames(new RegExp(pathColumns.pattern, pathColumns.flags)) : [];

/** The columns of the file, then those of its path. */
export function csvSchema(options: CsvReaderOptions): Schema {
  const types = options.pathColumns?.types ?? {};
  return new Schema([
    ...options.columns.map(({ name, type }) => new Field(name, ARROW_TYPES[type](), true)),
    ...pathNames(options).map((name, k) => new Field(name, pathColumnType(types[name] ?? 'utf8', k), false)),
  ]);
}

/**
 * Cuts chunks (columns in the order of the options, then the file's number) into record batches. All batches of a split
 * share one schema and one dictionary a path column.
 */
export class BatchBuilder {
  readonly schema: Schema;
  readonly #columns: readonly ColumnBuilder[];
  readonly #pathColumns: readonly { readonly name: string; readonly column: PathColumn }[];
  readonly #values: ReadonlyMap<string, Record<string, string | number>>;
  /** Rows of a full batch, Infinity for whole files. */
  readonly #limit: number;
  #rows = 0;

  constructor(options: CsvReaderOptions, paths: readonly string[]) {
    const { columns, pathColumns, batch } = options;
    this.#limit = batch === 'file' ? Number.POSITIVE_INFINITY : batch;
    this.#columns = columns.map(({ type }) => columnBuilder(type));
    this.#values = new Map(pathColumns ? paths.map((path) => [path, pathValues(pathColumns, path)]) : []);
    this.#pathColumns = pathNames(options).map((name, k) => {
      const values = [...this.#values.values()].map((groups) => groups[name]!);
      return { name, column: new PathColumn(pathColumns!.types[name] ?? 'utf8', values, k) };
    });
    this.schema = csvSchema(options);
  }

  /** One flag a row of the chunk that holds a cell outside its column's type; undefined when there is none. */
  badRows(chunk: DuckDBDataChunk): Uint8Array | undefined {
    let bad: Uint8Array | undefined;
    for (const [k, column] of this.#columns.entries()) bad = column.check(chunk.getColumnVector(k), bad);
    return bad;
  }

  /** Takes rows `from` to `to` of a chunk, which belong to the file `path`; yields the batches they fill. */
  *append(path: string, chunk: Chunk, from: number, to: number): Generator<RecordBatch> {
    const vectors = this.#columns.map((_, k) => chunk.getColumnVector(k));
    while (from < to) {
      const end = Math.min(to, from + this.#limit - this.#rows);
      for (const [k, column] of this.#columns.entries()) column.append(vectors[k]!, from, end);
      this.#rows += end - from;
      from = end;
      if (this.#rows === this.#limit) yield this.#flush(path);
    }
  }

  *endFile(path: string): Generator<RecordBatch> {
    if (this.#rows > 0 || this.#limit === Number.POSITIVE_INFINITY) yield this.#flush(path);
  }

  #flush(path: string): RecordBatch {
    const length = this.#rows;
    this.#rows = 0;
    const children = [
      ...this.#columns.map((column) => column.finish()),
      ...this.#pathColumns.map(({ name, column }) => column.data(this.#values.get(path)![name]!, length)),
    ];
    return new RecordBatch(
      this.schema,
      makeData({ type: new Struct(this.schema.fields), length, nullCount: 0, children }),
    );
  }
}
