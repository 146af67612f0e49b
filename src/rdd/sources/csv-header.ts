import { missingColumn } from './csv-errors.js';
import { type CsvRecord, CsvScanner, csvRecords } from './csv-scan.js';
import { SourceError } from './source.js';

/**
 * Names of a file's columns, from its first record; undefined for an empty file. A column without a name (as pandas
 * writes its index) is `column<k>`, counted from 0; so are all columns of a file without a header.
 */
export function columnNames(path: string, delimiter: string, header: boolean): string[] | undefined {
  const record = csvRecords(path, delimiter).next().value as CsvRecord | undefined;
  if (record && isBlank(record) && [...csvRecords(path, delimiter)].every(isBlank)) return undefined;
  return record && namesOf(record.fields, header);
}

/** The same from the bytes of a file's first record, which is not blank. */
export function namesIn(bytes: Uint8Array, delimiter: string, header: boolean): string[] {
  const scanner = new CsvScanner(delimiter);
  return namesOf([...scanner.push(bytes), ...scanner.end()][0]!.fields, header);
}

/** The same from the cells of a file's first record. */
export function namesOf(fields: readonly string[], header: boolean): string[] {
  return fields.map((name, k) => (header && name !== '' ? name : `column${k}`));
}

const isBlank = ({ fields }: CsvRecord) => fields.length === 1 && fields[0] === '';

/** Places of the wanted columns in the file. Without a header the wanted names are given to the columns from the left. */
export function positions(
  path: string,
  wanted: readonly string[],
  present: readonly string[],
  header: boolean,
): number[] {
  return wanted.map((name, k) => {
    const position = header ? present.indexOf(name) : k < present.length ? k : -1;
    if (position < 0) throw missingColumn(path, name, present);
    if (header && present.indexOf(name, position + 1) >= 0)
      throw new SourceError(`${path}: two columns are called "${name}"; rename one, or read the others only`);
    return position;
  });
}
