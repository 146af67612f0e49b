import { csvRecords } from './csv-scan.js';
import { COLUMN_TYPES, type ColumnType } from './csv-types.js';
import { SourceError } from './source.js';

/** What a file is checked against. */
export interface CsvExpectation {
  readonly delimiter: string;
  readonly header: boolean;
  readonly nullValues: readonly string[];
  /** Whether the types were found in the data. */
  readonly detected: boolean;
  /** Cells a record must have. */
  readonly width: number;
  /** The columns that are read, with their place in the file. */
  readonly columns: readonly { readonly name: string; readonly type: ColumnType; readonly position: number }[];
}

function whatToDo({ detected }: CsvExpectation): string {
  const infer = detected ? "detect types over all rows with infer: 'all', " : '';
  return `Correct it, give the column another type in \`columns\`, ${infer}add the text to nullValues, or leave such rows out with badRows: 'drop'.`;
}

/**
 * Reads a file that was refused and says what is wrong first, and where; undefined when nothing is found.
 * @param where what the user calls the file, of which the one that is read may be a piece
 */
export function firstBadCell(
  file: string,
  expected: CsvExpectation,
  { path, linesBefore }: { readonly path: string; readonly linesBefore: number },
): SourceError | undefined {
  let number = 0;
  for (const { fields, lines, unclosed } of csvRecords(file, expected.delimiter)) {
    if (number++ === 0 && expected.header) continue;
    if (unclosed)
      return new SourceError(
        `${path}, line ${linesBefore + lines.at(-1)!}: a quote is opened and never closed. Close it, or write it as "" within quotes.`,
      );
    if (fields.length === 1 && fields[0] === '' && expected.width > 1) continue;
    if (fields.length !== expected.width)
      return new SourceError(
        `${path}, line ${linesBefore + lines[0]!}: the row has ${fields.length} cells, the file's first row has ${expected.width}. ` +
          `Quote cells that hold the delimiter, or leave such rows out with badRows: 'drop'.`,
      );
    for (const { name, type, position } of expected.columns) {
      const text = fields[position]!;
      if (expected.nullValues.includes(text) || COLUMN_TYPES[type].accepts(text)) continue;
      return new SourceError(
        `${path}, line ${linesBefore + lines[position]!}, column "${name}": ${quote(text)} is not ${COLUMN_TYPES[type].noun} (${type}). ${whatToDo(expected)}`,
      );
    }
  }
  return undefined;
}

/** @throws SourceError naming the file, the column and the columns that are there */
export function missingColumn(path: string, column: string, present: readonly string[]): SourceError {
  const list = present.length > 0 ? present.map((name) => `"${name}"`).join(', ') : 'no columns';
  return new SourceError(`${path}: there is no column "${column}". The file has ${list}.`);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
