import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readContext } from '../../../test/support/read-context.js';
import { type CsvOptions, csvSource } from './csv.js';
import { PlainReader } from './csv-plain.js';
import { type CsvReaderOptions, read } from './csv-reader.js';
import type { ColumnType } from './csv-types.js';
import { packUnits, type Source } from './source.js';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-plain-'));
  path = join(directory, 'a.csv');
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A null value that is itself a plain number, and stands in no file here, leaves all files to DuckDB. */
const DUCKDB = '-8765432109876';
const columns = (type: ColumnType) => ({ a: type, b: type });

const optionsOf = (source: Source) => source.options as unknown as CsvReaderOptions;

/** Whether each unit was plain, with the rows of the whole source. */
async function load(content: string, options: CsvOptions) {
  writeFileSync(path, content);
  const source = csvSource(path, options);
  const units = await source.units();
  const context = readContext({});
  const plain = PlainReader.for(optionsOf(source), context);
  const taken: boolean[] = [];
  for (const unit of units) taken.push((await plain?.read(unit)) !== undefined);
  const batches: RecordBatch[] = [];
  for (const split of packUnits(units, 1))
    for await (const batch of read(optionsOf(source), split, context)) batches.push(batch);
  const rows = batches.map((batch) => batch.schema.fields.map((_, k) => [...batch.getChildAt(k)!]));
  return {
    taken,
    rows,
    nulls: batches.map((batch) => batch.schema.fields.map((_, k) => batch.getChildAt(k)!.nullCount)),
  };
}

const NUMBERS = [
  ...['0', '-0', '7', '-12', '007', '0.5', '-0.25', '123456789', '1234567890', '9007199254740993', '2147483648'],
  ...['0.21940500000000002', '-0.035845999999999996', '1.0827639999999998', '0.1', '3.14159265358979', '16777217'],
  ...[
    '123456789.123456789',
    '1234567890.5',
    '0.000000000000000000001',
    '999999999.9999999999',
    '4.35',
    '1e3',
    '2.5E-7',
  ],
  ...[
    '8.8e+2',
    '9007199254740993.0',
    '90071992547409.93',
    '0.00000000012345678901234567',
    '340282350000000000000',
    '1e-45',
  ],
];

describe('csv: plain numbers', () => {
  it.each(['float64', 'float32', 'int32', 'integer'] as const)('are what DuckDB reads, as %s', async (type) => {
    const fits = (text: string) =>
      type === 'int32' ? (Number(text) | 0) === Number(text) : type !== 'integer' || Number.isSafeInteger(Number(text));
    const digits = fc
      .tuple(fc.constantFrom('', '-'), fc.stringMatching(/^\d{1,12}$/), fc.stringMatching(/^(\.\d{1,17})?$/))
      .map((parts) => parts.join(''));
    const numbers = fc.constantFrom('', ...NUMBERS.filter(fits));
    const cell = type.startsWith('float') ? fc.oneof(numbers, digits) : numbers;
    const table = fc.array(fc.tuple(cell, cell, fc.constantFrom('', 'x', 'walks on')), { maxLength: 8 });
    const file = fc.tuple(table, fc.constantFrom('\n', '\r\n'), fc.boolean()).map(([rows, end, ended]) => {
      const lines = ['a,text,b', ...rows.map(([a, b, text]) => `${a},${text},${b}`)];
      return lines.join(end) + (ended ? end : '');
    });
    let plain = 0;
    await fc.assert(
      fc.asyncProperty(file, async (content) => {
        const options = { columns: columns(type), batch: 3 };
        const found = await load(content, options);
        const expected = await load(content, { ...options, nullValues: ['', DUCKDB] });
        expect(expected.taken).toEqual([false]);
        if (found.taken[0]) plain++;
        expect({ rows: found.rows, nulls: found.nulls }).toEqual({ rows: expected.rows, nulls: expected.nulls });
      }),
      { numRuns: 60, seed: 3 },
    );
    expect(plain).toBeGreaterThan(20);
  });

  it('are read from pieces without a scratch copy, and where there is no header', async () => {
    const lines = Array.from({ length: 400 }, (_, k) => `${k},${k / 8}\n`).join('');
    const options = { columns: columns('float64'), unitBytes: 1000 };
    const headed = await load(`a,b\n${lines}`, options);
    expect(headed.taken.length).toBeGreaterThan(3);
    const bare = await load(lines, { ...options, header: false });
    for (const { taken, rows } of [headed, bare]) {
      expect(taken.every(Boolean)).toBe(true);
      expect(rows.flatMap(([a]) => a)).toEqual(Array.from({ length: 400 }, (_, k) => k));
      expect(rows.flatMap(([, b]) => b)).toEqual(Array.from({ length: 400 }, (_, k) => k / 8));
    }
  });

  it('keep their places when a file that is not plain lies between', async () => {
    const files = ['a,b\n1,2\n3,4\n', 'a,b\n"5",6\n', 'a,b\n7,8\n', ''].map((content, k) => {
      const name = join(directory, `${k}.csv`);
      writeFileSync(name, content);
      return name;
    });
    const source = csvSource(files, { columns: columns('float64') });
    const [split] = packUnits(await source.units(), 1);
    const found: number[][] = [];
    for await (const batch of read(optionsOf(source), split!, readContext({}))) found.push([...batch.getChildAt(0)!]);
    expect(found).toEqual([[1, 3], [5], [7]]);
  });

  it.each([
    ['a quoted cell', 'a,b\n1,"2"\n'],
    ['a quote in a column that is not read', 'a,b,c\n1,2,"x"\n'],
    ['text beyond ASCII in one', 'a,b,c\n1,2,é\n'],
    ['a blank line', 'a,b\n1,2\n\n3,4\n'],
    ['a missing cell', 'a,b\n1\n'],
    ['one too many', 'a,b\n1,2,3\n'],
    ['another line end', 'a,b\r\n1,2\n'],
    ['a lone carriage return', 'a,b\n1,2\r3,4\n'],
    ['spaces', 'a,b\n1, 2\n'],
    ['no digits', 'a,b\n1,-\n'],
    ['no digits behind the point', 'a,b\n1,2.\n'],
    ['no digits before it', 'a,b\n1,.5\n'],
    ['a plus', 'a,b\n1,+5\n'],
    ['a word', 'a,b\n1,nan\n'],
    ['a number beyond the range of exponents', 'a,b\n1,1e100\n'],
  ])('are not in a file with %s', async (_, content) => {
    const { taken } = await load('a,b\n1,2\n', { columns: columns('float64') });
    expect(taken).toEqual([true]);
    writeFileSync(path, content);
    const source = csvSource(path, { columns: columns('float64') });
    const [unit] = await source.units();
    const reader = PlainReader.for(optionsOf(source), readContext({}))!;
    expect(await reader.read(unit!)).toBeUndefined();
  });

  it('are not what may round twice, overflow or underflow as float32', async () => {
    for (const text of ['16777217', '1e39', '1e-45']) {
      const { taken } = await load(`a,b\n1,2\n3,${text}\n`, { columns: { a: 'float32' } });
      expect(taken).toEqual([true]);
      writeFileSync(path, `a,b\n1,${text}\n`);
      const source = csvSource(path, { columns: columns('float32') });
      const [unit] = await source.units();
      const reader = PlainReader.for(optionsOf(source), readContext({}))!;
      expect(await reader.read(unit!)).toBeUndefined();
    }
  });
});
