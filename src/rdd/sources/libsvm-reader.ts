import { Float64, makeData, type RecordBatch } from 'apache-arrow';
import { listColumn } from '../list-column.js';
import { batchOf, columnOf } from './arrow-values.js';
import { libsvmSchema } from './libsvm.js';
import { lineNumber, numberedLines } from './numbered-lines.js';
import { SourceError, type SourceReader, type SourceSplit } from './source.js';

/** What `libsvmSource` sends to the slots. */
export interface LibsvmReaderOptions {
  /** Of the feature vectors; not used for sparse rows, which may be 0 to say that any index goes. */
  readonly width: number;
  readonly sparse: boolean;
  readonly badRows: 'error' | 'drop';
  readonly [key: string]: number | boolean | string;
}

export interface LibsvmRow {
  readonly label: number;
  /** Counted from 0, rising. */
  readonly indices: readonly number[];
  readonly values: readonly number[];
}

/**
 * Reads lines into record batches, one for at most a megabyte of text and 4 million features.
 * @throws SourceError naming file, line and text for what cannot be read
 */
export const read: SourceReader<RecordBatch, SourceSplit, LibsvmReaderOptions> = async function* (
  options,
  split,
  { storage, report },
) {
  const { width, sparse, badRows } = options;
  const limit = sparse ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(MAX_VALUES / width));
  for (const unit of split.units)
    for await (const { lines, before } of numberedLines(unit, storage)) {
      let rows: LibsvmRow[] = [];
      for (const [index, line] of lines.entries()) {
        const row = parseLine(line, width || undefined);
        if (row === undefined) continue;
        if (typeof row === 'object') rows.push(row);
        else if (badRows === 'drop') report('badRows', 1);
        else
          throw new SourceError(
            `${unit.path}, line ${await lineNumber(unit, before + index, storage)}: ${row}. ` +
              "Correct it, or leave such lines out with badRows: 'drop'.",
          );
        if (rows.length === limit) {
          yield batchFrom(rows, options);
          rows = [];
        }
      }
      if (rows.length > 0) yield batchFrom(rows, options);
    }
};

/** Of a dense batch: 16 MiB. */
const MAX_VALUES = 4 * 2 ** 20;

function batchFrom(rows: readonly LibsvmRow[], { width, sparse }: LibsvmReaderOptions): RecordBatch {
  const schema = libsvmSchema(width, sparse);
  const label = makeData({
    type: new Float64(),
    length: rows.length,
    nullCount: 0,
    data: Float64Array.from(rows, (row) => row.label),
  });
  if (sparse) {
    const indices = columnOf(
      schema.fields[1]!.type,
      rows.map((row) => row.indices),
    );
    const values = columnOf(
      schema.fields[2]!.type,
      rows.map((row) => row.values),
    );
    return batchOf(schema, rows.length, [label, indices, values]);
  }
  const matrix = new Float32Array(rows.length * width);
  for (const [r, { indices, values }] of rows.entries())
    for (let k = 0; k < indices.length; k++) matrix[r * width + indices[k]!] = values[k]!;
  return batchOf(schema, rows.length, [label, listColumn('features', matrix, width).data]);
}

const NUMBER = /^[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?|nan)$/i;

/**
 * A line's row; undefined for a blank line or a comment; a text that says what is wrong.
 * @param width features there may be. Default: any number
 */
export function parseLine(line: string, width = Number.POSITIVE_INFINITY): LibsvmRow | string | undefined {
  const comment = line.indexOf('#');
  const text = (comment < 0 ? line : line.slice(0, comment)).trim();
  if (text === '') return undefined;
  const [label, ...items] = text.split(/\s+/);
  if (!NUMBER.test(label!)) return `the label "${short(label!)}" is not a number`;
  const indices: number[] = [];
  const values: number[] = [];
  let last = -1;
  for (const item of items) {
    const colon = item.indexOf(':');
    if (item.startsWith('qid:')) continue; // a query's number, of ranking data
    const index = colon > 0 && /^\d+$/.test(item.slice(0, colon)) ? Number(item.slice(0, colon)) - 1 : Number.NaN;
    const value = item.slice(colon + 1);
    if (Number.isNaN(index) || !NUMBER.test(value)) return `"${short(item)}" is no index:value`;
    if (index < 0) return `"${short(item)}": indices begin with 1`;
    if (index <= last) return `"${short(item)}": indices must rise, and the one before is ${last + 1}`;
    if (index >= width) return `"${short(item)}": the index is beyond numFeatures, which is ${width}`;
    indices.push(index);
    values.push(numberOf(value));
    last = index;
  }
  return { label: numberOf(label!), indices, values };
}

function numberOf(text: string): number {
  const value = Number(text);
  if (!Number.isNaN(value) || /nan/i.test(text)) return value;
  return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

const short = (text: string) => (text.length > 40 ? `${text.slice(0, 40)}…` : text);
