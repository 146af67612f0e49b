import {
  Dictionary,
  Field,
  Float64,
  Int32,
  type RecordBatch,
  Schema,
  Utf8,
  type Vector,
  vectorFromArray,
} from 'apache-arrow';
import type { Storage } from '../storage/storage.js';
import { type ArffAttribute, type ArffCell, cellsOf } from './arff-header.js';
import { batchOf, columnOf, dictionaryColumn } from './arrow-values.js';
import { lineNumber, numberedLines } from './numbered-lines.js';
import { SourceError, type SourceReader, type SourceSplit, type SourceUnit } from './source.js';

/** What `arffSource` sends to the slots. */
export interface ArffReaderOptions {
  readonly columns: readonly ArffAttribute[];
  /** How the files' rows are laid out; a unit names its file's. */
  readonly layouts: readonly ArffLayout[];
  readonly badRows: 'error' | 'drop';
}

interface ArffLayout {
  readonly width: number;
  /** Where the columns stand in it. */
  readonly positions: readonly number[];
  /** What a sparse row leaves out in nominal columns. */
  readonly unsaid: readonly (string | null)[];
}

export function arffSchema(columns: readonly ArffAttribute[]): Schema {
  return new Schema(columns.map(({ name, kind }, k) => new Field(name, TYPES[kind](k), true)));
}

const TYPES = {
  number: () => new Float64(),
  text: () => new Utf8(),
  nominal: (id: number) => new Dictionary(new Utf8(), new Int32(), id),
};

type Value = number | string | null;

/**
 * Reads the rows of pieces into record batches, one for about a megabyte of text.
 * @throws SourceError naming file, line, attribute and text for what cannot be read
 */
export const read: SourceReader<RecordBatch, SourceSplit, ArffReaderOptions> = async function* (
  options,
  split,
  { storage, report },
) {
  const { columns, badRows } = options;
  const schema = arffSchema(columns);
  const dictionaries = columns.map(({ values }) => values && vectorFromArray(values as string[], new Utf8()));
  const codes = columns.map(({ values }) => values && new Map(values.map((value, code) => [value, code])));
  for (const unit of split.units) {
    const layout = options.layouts[unit.layout as number]!;
    // A file that cannot be entered in the middle comes with its header.
    let inHeader = unit.start === 0;
    for await (const { lines, before } of numberedLines(unit, storage)) {
      const values: Value[][] = columns.map(() => []);
      let rows = 0;
      for (const [index, line] of lines.entries()) {
        if (inHeader) inHeader = !/^\s*@data/i.test(line);
        else if (!/^\s*(%|$)/.test(line)) {
          const wrong = takeRow(line, layout, columns, codes, values, rows);
          if (wrong === undefined) rows++;
          else if (badRows === 'drop') report('badRows', 1);
          else throw await located(unit, before + index, wrong, storage);
        }
      }
      if (rows > 0) yield built(schema, values, rows, dictionaries);
    }
  }
};

function built(
  schema: Schema,
  values: Value[][],
  rows: number,
  dictionaries: readonly (Vector | undefined)[],
): RecordBatch {
  const children = schema.fields.map(({ type }, k) => {
    values[k]!.length = rows;
    if (!(type instanceof Dictionary)) return columnOf(type, values[k]!);
    return dictionaryColumn(
      type,
      Int32Array.from(values[k]!, (code) => (code ?? -1) as number),
      dictionaries[k],
    );
  });
  return batchOf(schema, rows, children);
}

async function located(unit: SourceUnit, index: number, wrong: string, storage: Storage): Promise<SourceError> {
  const line = await lineNumber(unit, index, storage);
  return new SourceError(
    `${unit.path}, line ${line}${wrong}. Correct it, or leave such rows out with badRows: 'drop'.`,
  );
}

/** Writes a line's values (codes, for nominal columns) into row `at`. @returns what is wrong, in words */
function takeRow(
  line: string,
  { width, positions, unsaid }: ArffLayout,
  columns: readonly ArffAttribute[],
  codes: readonly (Map<string, number> | undefined)[],
  values: Value[][],
  at: number,
): string | undefined {
  const text = line.trim();
  const sparse = text.startsWith('{');
  const cells = sparse ? sparseCells(text, width) : cellsOf(text);
  if (cells === undefined) return ': a quote is not closed, or text follows a quoted cell';
  if (typeof cells === 'string') return cells;
  if (!sparse && cells.length !== width)
    return `: the row has ${cells.length} cells, the file declares ${width} attributes`;
  for (let k = 0; k < columns.length; k++) {
    const { name, kind } = columns[k]!;
    const cell = cells[positions[k]!];
    const value = cell ? cellValue(cell, kind, codes[k]) : unsaidValue(kind, codes[k], unsaid[k]!);
    if (value === undefined)
      return `, attribute "${name}": "${cell!.text.slice(0, 80)}" is ${kind === 'nominal' ? 'none of its declared values' : 'not a number'}`;
    values[k]![at] = value;
  }
  return undefined;
}

function cellValue(
  { text, quoted }: ArffCell,
  kind: ArffAttribute['kind'],
  codes?: Map<string, number>,
): Value | undefined {
  if (text === '?' && !quoted) return null;
  if (kind === 'text') return text;
  if (kind === 'nominal') return codes!.get(text);
  const value = text === '' ? Number.NaN : Number(text);
  return Number.isNaN(value) && !/^nan$/i.test(text) ? undefined : value;
}

function unsaidValue(
  kind: ArffAttribute['kind'],
  codes: Map<string, number> | undefined,
  unsaid: string | null,
): Value {
  if (kind === 'number') return 0;
  return kind === 'nominal' && unsaid !== null ? codes!.get(unsaid)! : null;
}

/** The cells of `{index value, …}` at their places. */
function sparseCells(text: string, width: number): (ArffCell | undefined)[] | string | undefined {
  if (!text.endsWith('}')) return ': the sparse row does not end with "}"';
  const cells: (ArffCell | undefined)[] = new Array(width);
  const inner = text.slice(1, -1).trim();
  if (inner === '') return cells;
  // A value may be quoted and hold commas: the index is taken off in front of each.
  const items = inner.match(/(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^,'"])+/gs) ?? [];
  for (const item of items) {
    const found = /^\s*(\d+)\s+(.*)$/s.exec(item);
    const cell = found && cellsOf(found[2]!);
    if (!found || cell?.length !== 1) return `: "${item.trim().slice(0, 40)}" is no index and value`;
    if (Number(found[1]) >= width) return `: the index ${found[1]} is beyond the file's ${width} attributes`;
    cells[Number(found[1])] = cell[0]!;
  }
  return cells;
}
