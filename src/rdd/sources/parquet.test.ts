import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadTable, TestFolder } from '../../../test/support/load-source.js';
import { readContext } from '../../../test/support/read-context.js';
import { batchRows } from '../chunks.js';
import { openStorage, type Storage } from '../storage/storage.js';
import { connect, sqlText } from './duckdb.js';
import { type ParquetOptions, parquetSource } from './parquet.js';
import { type ParquetRange, planRuns } from './parquet-plan.js';
import { read } from './parquet-reader.js';

let folder: TestFolder;
beforeEach(() => {
  folder = new TestFolder();
});
afterEach(() => folder[Symbol.dispose]());

const load = (path: string | string[], options: ParquetOptions = {}, partitions = 1) =>
  loadTable(parquetSource(path, options), partitions);

/** Writes what a query gives, in row groups of 2048 rows. */
async function write(name: string, query: string, settings = ''): Promise<string> {
  const path = folder.file(name, '');
  const connection = await connect();
  await connection.run(`COPY (${query}) TO ${sqlText(path)} (FORMAT parquet, ROW_GROUP_SIZE 2048${settings})`);
  connection.closeSync();
  return path;
}
const NUMBERS = "SELECT i::INTEGER AS i, i / 4 AS x, 'text ' || (i % 10) AS t, i AS big FROM range(10000) r(i)";

describe('parquet', () => {
  it('reads every type, as other programs write them', async () => {
    const path = fileURLToPath(new URL('../../../test/data/types.parquet', import.meta.url));
    const { schema, batches } = await load(path);
    expect(Object.fromEntries(schema.fields.map(({ name, type }) => [name, String(type)]))).toEqual({
      i8: 'Int8',
      u16: 'Uint16',
      i64: 'Int64',
      f32: 'Float32',
      s: 'Utf8',
      bin: 'Binary',
      b: 'Bool',
      day: 'Date32<DAY>',
      at: 'Timestamp<MICROSECOND>',
      utc: 'Timestamp<MICROSECOND, UTC>',
      d: 'Float64',
      l: 'List<Int32>',
      o: 'Struct<{x:Int32, y:List<Utf8>}>',
      m: 'List<Struct<{key:Utf8, value:Int32}>>',
      dict: 'Utf8',
      t: 'Utf8',
    });
    const shown = (row: any) =>
      JSON.parse(JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? `${value}n` : value)));
    const [first, second, third] = batches[0]!.toArray().map(shown);
    expect(first).toMatchObject({ i8: 1, u16: 1, i64: '9007199254740993n', f32: 1.5, s: 'å', b: true, d: 12.34 });
    expect(first).toMatchObject({
      l: [1, null],
      o: { x: 1, y: ['a'] },
      m: [{ key: 'k', value: 1 }],
      dict: 'a',
      t: '01:02:03',
    });
    expect([first.day, Math.floor(first.at), first.utc]).toEqual([
      Date.UTC(2024, 0, 2),
      Date.UTC(2024, 0, 2, 3, 4, 5, 678),
      Date.UTC(2024, 0, 2, 3, 4, 5),
    ]);
    expect(second).toMatchObject({ i8: -128, u16: 65535, s: '', d: -0.01, l: [], o: { x: null, y: [] }, m: [] });
    expect([second.day, second.at]).toEqual([-86_400_000, -86_400_000]);
    expect(Object.values(third)).toEqual(schema.fields.map(() => null));
    expect([...(batches[0]!.getChild('bin')!.get(0) as Uint8Array)]).toEqual([0, 255]);
  });

  it('reads row groups as pieces, alone or together, in any partitions', async () => {
    const path = await write('a.parquet', NUMBERS);
    const expected = Array.from({ length: 10_000 }, (_, i) => ({ t: `text ${i % 10}`, i }));
    for (const [unitBytes, pieces] of [
      [1, 5],
      [2 ** 20, 1],
    ] as const) {
      const { units, rows } = await load(path, { columns: ['t', 'i'], unitBytes }, 3);
      expect([units.length, rows]).toEqual([pieces, expected]);
    }
  });

  it('reads many small files, empty ones among them, in queries of many', async () => {
    for (let k = 0; k < 70; k++)
      await write(`d/${String(k).padStart(2, '0')}.parquet`, `SELECT ${k} AS k${k % 7 === 0 ? ' LIMIT 0' : ''}`);
    const { rows } = await load(`${folder.path}/d`, {}, 2);
    expect(rows.map((row) => row.k)).toEqual([...Array(70).keys()].filter((k) => k % 7 !== 0));
  });

  it('leaves out row groups that cannot hold what is wanted, and rows that do not', async () => {
    const path = await write('a.parquet', NUMBERS);
    const where = async (range: ParquetRange | ParquetRange[]) => {
      const { units, rows } = await load(path, { columns: ['big'], where: range, unitBytes: 1 });
      return { groups: units.length, rows: rows.length, first: rows[0]?.big };
    };
    expect(await where({ column: 'i', min: 3000, max: 3999 })).toEqual({ groups: 1, rows: 1000, first: 3000n });
    expect(await where({ column: 'x', min: 2400.1 })).toEqual({ groups: 1, rows: 399, first: 9601n });
    expect(await where({ column: 'big', max: 9n })).toEqual({ groups: 1, rows: 10, first: 0n });
    expect(await where({ column: 't', min: 'text 9', max: 'text 9' })).toEqual({ groups: 5, rows: 1000, first: 9n });
    expect(await where({ column: 't', min: 'u' })).toEqual({ groups: 0, rows: 0, first: undefined });
    const both = [
      { column: 'i', min: 2047, max: 2048 },
      { column: 'x', min: 512 },
    ];
    expect(await where(both)).toEqual({ groups: 1, rows: 1, first: 2048n });
  });

  it('compares dates and times, and takes NaN and null for no value', async () => {
    const days = await write(
      'a.parquet',
      "SELECT DATE '2024-01-01' + i::INTEGER AS day, TIMESTAMPTZ '2024-01-01 00:00:00+00' + to_days(i::INTEGER) AS at FROM range(5000) r(i)",
    );
    for (const column of ['day', 'at']) {
      const { rows, units } = await load(days, { where: { column, min: new Date('2037-01-01') }, unitBytes: 1 });
      expect([rows.length, units.length, rows[0]![column]]).toEqual([251, 1, Date.UTC(2037, 0, 1)]);
    }
    const gaps = await write('b.parquet', "SELECT * FROM (VALUES (1.5), ('nan'::DOUBLE), (NULL), (-1)) t(x)");
    expect((await load(gaps, { where: { column: 'x', min: 0 } })).rows).toEqual([{ x: 1.5 }]);
  });

  it('fetches of a remote file the footer and the wanted columns of the wanted row groups only', async () => {
    const path = await write('a.parquet', `SELECT i, hash(i) AS noise, hash(i + 1) AS more FROM range(100000) r(i)`);
    const disk = openStorage();
    let fetched = 0;
    const here = (url: string) => url.replace('far://', '/');
    const far: Storage = {
      ...disk,
      list: async () => (await disk.list([path], /./)).map((file) => ({ ...file, path: `far:/${file.path}` })),
      readRange: async (url, start, end) => {
        const bytes = await disk.readRange(here(url), start, end);
        fetched += bytes.length;
        return bytes;
      },
      openStream: () => {
        throw new Error('the whole file was wanted');
      },
      localCopy: () => {
        throw new Error('the whole file was wanted');
      },
    };
    const source = parquetSource(`far:/${path}`, {
      columns: ['noise'],
      where: { column: 'i', min: 50_000, max: 50_009 },
      unitBytes: 1,
    });
    const units = await source.units(far);
    expect(units.length).toBe(1);
    const total = (await disk.list([path], /./))[0]!.bytes;
    expect(total).toBeGreaterThan(1_500_000);
    const rows = [];
    for await (const batch of read(source.options as any, { bytes: 0, units }, readContext({ storage: far })))
      rows.push(...batchRows(batch));
    const near = await load(path, { columns: ['noise'], where: { column: 'i', min: 50_000, max: 50_009 } });
    expect(rows).toEqual(near.rows);
    expect(rows.length).toBe(10);
    expect(fetched).toBeLessThan(total / 4);
  });

  it('takes columns by name, wherever each file has them, and names what does not fit', async () => {
    const first = await write('d/a.parquet', 'SELECT 1 AS a, 2 AS b');
    await write('d/b.parquet', 'SELECT 4 AS b, 3 AS a, 5 AS c');
    expect((await load(`${folder.path}/d`, {}, 2)).rows).toEqual([
      { a: 1, b: 2 },
      { a: 3, b: 4 },
    ]);
    expect((await load(`${folder.path}/d`)).rows).toEqual([
      { a: 1, b: 2 },
      { a: 3, b: 4 },
    ]);
    await expect(load(`${folder.path}/d`, { columns: ['c'] })).rejects.toThrow(
      `${first}: there is no column "c". The file has "a", "b"`,
    );
    const third = await write('d/c.parquet', "SELECT 'x' AS a, 1 AS b");
    await expect(load(`${folder.path}/d`)).rejects.toThrow(`${third}: the column "a" is Utf8, in ${first} it is Int32`);
  });

  it('refuses what is no Parquet file, and bounds that are none', async () => {
    const path = folder.file('a.parquet', 'x,y\n1,2\n3,4,5,6\n');
    await expect(load(path)).rejects.toThrow(`${path}: this is no Parquet file that can be read`);
    expect(() => parquetSource('a', { where: { column: 'x' } })).toThrow('a least or a greatest value');
    expect(() => parquetSource('a', { where: { column: 'x', min: Number.NaN } })).toThrow('not NaN');
    expect(() => parquetSource('a', { where: { column: 'x', min: {} as Date } })).toThrow('is no number');
  });
});

describe('planRuns', () => {
  it('joins neighbours up to a size, never across what is left out', () => {
    const group = (rows: number, bytes: number, min: number, max: number) => ({
      num_rows: BigInt(rows),
      columns: [
        {
          meta_data: {
            path_in_schema: ['x'],
            total_uncompressed_size: BigInt(bytes),
            statistics: { min_value: min, max_value: max },
          },
        },
      ],
    });
    const metadata = {
      row_groups: [
        group(10, 50, 0, 9),
        group(10, 50, 10, 19),
        group(0, 0, 0, 0),
        group(10, 60, 20, 29),
        group(5, 10, 0, 3),
      ],
    } as any;
    expect(planRuns(metadata, ['x'], [], 100)).toEqual([
      { from: 0, to: 20, bytes: 100 },
      { from: 20, to: 35, bytes: 70 },
    ]);
    expect(planRuns(metadata, ['x'], [{ column: 'x', max: 9 }], 1000)).toEqual([
      { from: 0, to: 10, bytes: 50 },
      { from: 30, to: 35, bytes: 10 },
    ]);
  });
});
