import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Binary,
  Bool,
  type DataType,
  DateDay,
  Decimal,
  Dictionary,
  Field,
  FixedSizeList,
  Float32,
  Float64,
  Int8,
  Int32,
  Int64,
  List,
  makeData,
  makeVector,
  RecordBatch,
  Schema,
  Struct,
  TimestampMicrosecond,
  TimestampNanosecond,
  tableFromIPC,
  Uint32,
  Utf8,
  type Vector,
  vectorFromArray,
} from 'apache-arrow';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readContext } from '../../../test/support/read-context.js';
import { decodeChunks } from '../chunk-codec.js';
import { batchRows, type Chunk } from '../chunks.js';
import { csvSource } from '../sources/csv.js';
import { read } from '../sources/csv-reader.js';
import { connect } from '../sources/duckdb.js';
import { packUnits } from '../sources/source.js';
import { type FormatName, loadFormat } from './format.js';
import { OBJECT_MAGIC } from './object-format.js';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-formats-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const CSV = { header: true, delimiter: ',', nullValue: '' };

async function encoded(format: FormatName, chunks: Chunk[], options: object = {}, schema?: Schema): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  async function* all() {
    yield* chunks;
  }
  for await (const bytes of (await loadFormat(format)).encode(all(), options, { name: 'save at a.ts:1', schema }))
    parts.push(bytes);
  return Buffer.concat(parts);
}

function batchOf(columns: Record<string, Vector>): RecordBatch {
  const fields = Object.entries(columns).map(([name, { type }]) => new Field(name, type, true));
  const children = Object.values(columns).map(({ data }) => data[0]!);
  return new RecordBatch(
    new Schema(fields),
    makeData({ type: new Struct(fields), length: children[0]!.length, nullCount: 0, children }),
  );
}

const column = (values: unknown[], type: DataType): Vector => vectorFromArray(values as any[], type);

/** -1.23 and null. */
const decimal = makeVector(
  makeData({
    type: new Decimal(2, 20, 128),
    length: 2,
    nullCount: 1,
    nullBitmap: new Uint8Array([1]),
    data: new Uint32Array([0xffffff85, 0xffffffff, 0xffffffff, 0xffffffff, 0, 0, 0, 0]),
  }),
);
const micro = makeVector(
  makeData({
    type: new TimestampMicrosecond('UTC'),
    length: 2,
    nullCount: 1,
    nullBitmap: new Uint8Array([1]),
    data: new BigInt64Array([1_577_934_245_678_901n, 0n]),
  } as any),
);
const nano = makeVector(
  makeData({
    type: new TimestampNanosecond(),
    length: 2,
    nullCount: 0,
    data: new BigInt64Array([-1n, 1_000_000_001n]),
  } as any),
);

const everything = batchOf({
  text: column(['say "hi",\nthen 日本 👋', null], new Utf8()),
  word: column(['a', null], new Dictionary(new Utf8(), new Int32())),
  yes: column([true, null], new Bool()),
  byte: column([-128, null], new Int8()),
  whole: column([-7, null], new Int32()),
  big: column([-(2n ** 63n), null], new Int64()),
  unsigned: column([4_000_000_000, null], new Uint32()),
  single: column([1.5, null], new Float32()),
  double: column([0.1, null], new Float64()),
  day: column([new Date('1969-12-31'), null], new DateDay()),
  micro,
  nano,
  decimal,
  bytes: column([new Uint8Array([0, 255]), null], new Binary()),
  list: column([['x', null, ''], null], new List(new Field('item', new Utf8(), true))),
  pair: column([[1.5, 2.5], null], new FixedSizeList(2, new Field('item', new Float32(), true))),
});

async function duck(sql: string): Promise<unknown[]> {
  const connection = await connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowObjectsJson();
  } finally {
    connection.closeSync();
  }
}

function file(name: string, bytes: Uint8Array): string {
  writeFileSync(join(directory, name), bytes);
  return join(directory, name);
}

describe('csv', () => {
  it('writes every type', async () => {
    expect((await encoded('csv', [everything], CSV)).toString()).toBe(
      'text,word,yes,byte,whole,big,unsigned,single,double,day,micro,nano,decimal,bytes,list,pair\n' +
        '"say ""hi"",\nthen 日本 👋",a,true,-128,-7,-9223372036854775808,4000000000,1.5,0.1,1969-12-31,2020-01-02T03:04:05.678901Z,1969-12-31T23:59:59.999999999,-1.23,AP8=,"[""x"",null,""""]","[1.5,2.5]"\n' +
        ',,,,,,,,,,,1970-01-01T00:00:01.000000001,,,,\n',
    );
  });

  it('has a header, a delimiter and a null value as asked for', async () => {
    const batch = batchOf({
      'a;b': column(['x,y', 'NA', null, ''], new Utf8()),
      b: column([1, 2, null, 3], new Int32()),
    });
    const text = async (options: object) => (await encoded('csv', [batch], { ...CSV, ...options })).toString();
    expect(await text({ header: false, delimiter: ';', nullValue: 'NA' })).toBe('x,y;1\n"NA";2\nNA;NA\n;3\n');
    expect(await text({})).toBe('a;b,b\n"x,y",1\nNA,2\n,\n"",3\n');
  });

  it('gives columns to an empty partition when they are known', async () => {
    expect((await encoded('csv', [], CSV, everything.schema)).toString()).toMatch(/^text,word,.*pair\n$/);
    expect(await encoded('csv', [], CSV)).toEqual(Buffer.alloc(0));
  });

  it("gives the csv source's rows again, whatever the text", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.option(fc.string({ unit: 'grapheme' })), { minLength: 2, maxLength: 2 }), {
          maxLength: 6,
        }),
        async (rows) => {
          // A file's kind of line ends is one; text with another kind is not read back by the source.
          const clean = rows.map((row) =>
            row.map((text) => text?.replaceAll('\r', ' ').replaceAll('\uFEFF', '') || null),
          );
          const pick = (k: number) =>
            column(
              clean.map((row) => row[k]!),
              new Utf8(),
            );
          const path = file('random.csv', await encoded('csv', [batchOf({ a: pick(0), b: pick(1) })], CSV));
          const source = csvSource(path, { columns: { a: 'utf8', b: 'utf8' } });
          const found: unknown[] = [];
          for (const split of packUnits(await source.units(), 1))
            for await (const batch of read(source.options as any, split, readContext()))
              found.push(...batchRows(batch));
          expect(found).toEqual(clean.map(([a, b]) => ({ a, b })));
        },
      ),
      { numRuns: 60, seed: 7 },
    );
  });
});

describe('json', () => {
  it('writes tables and rows of any kind', async () => {
    const [first, second] = (await encoded('json', [everything])).toString().trimEnd().split('\n');
    expect(JSON.parse(first!)).toMatchObject({
      text: 'say "hi",\nthen 日本 👋',
      single: 1.5,
      list: ['x', null, ''],
      bytes: 'AP8=',
    });
    expect(first).toContain('"big":-9223372036854775808,');
    expect(Object.values(JSON.parse(second!)).filter((value) => value !== null)).toEqual([
      '1970-01-01T00:00:01.000000001',
    ]);
    const rows = [
      { a: 1n, b: [Number.NaN, undefined], c: undefined },
      'two\nlines',
      null,
      new Map([['k', new Date(0)]]),
      2,
    ];
    expect((await encoded('json', [rows])).toString()).toBe(
      '{"a":1,"b":[null,null]}\n"two\\nlines"\nnull\n[["k","1970-01-01T00:00:00.000Z"]]\n2\n',
    );
  });

  it('is read by DuckDB', async () => {
    const path = file('a.json', await encoded('json', [everything.selectAt([0, 5, 2, 15])]));
    const rows = await duck(`SELECT text, big, yes, pair FROM '${path}'`);
    expect(rows[0]).toEqual({
      text: 'say "hi",\nthen 日本 👋',
      big: '-9223372036854775808',
      yes: true,
      pair: [1.5, 2.5],
    });
  });
});

describe('text', () => {
  it('is a line a row', async () => {
    const rows = ['ä', 1, null, true, 2n, [1, 'x'], { a: 1 }, new Date(0), new URL('http://host/')];
    expect((await encoded('text', [rows.slice(0, 2), rows.slice(2)])).toString().split('\n')).toEqual([
      'ä',
      '1',
      'null',
      'true',
      '2',
      '[1,"x"]',
      '{"a":1}',
      '1970-01-01T00:00:00.000Z',
      'http://host/',
      '',
    ]);
  });
});

describe('parquet', () => {
  it('writes every type, as DuckDB reads them', async () => {
    const path = file('a.parquet', await encoded('parquet', [everything]));
    const [first, second] = (await duck(`SELECT *, typeof(COLUMNS(*)) FROM '${path}'`)) as any[];
    expect(first).toMatchObject({
      ...{ text: 'say "hi",\nthen 日本 👋', word: 'a', yes: true, byte: -128, whole: -7, big: '-9223372036854775808' },
      ...{ unsigned: 4_000_000_000, single: 1.5, double: 0.1, day: '1969-12-31', decimal: '-1.23' },
      ...{ micro: '2020-01-02 03:04:05.678901+00', list: ['x', null, ''], pair: [1.5, 2.5] },
    });
    expect(await duck(`SELECT hex(bytes) AS bytes, epoch_ns(nano) AS nano FROM '${path}'`)).toEqual([
      { bytes: '00FF', nano: '-1' },
      { bytes: null, nano: '1000000001' },
    ]);
    const types = (await duck(`DESCRIBE SELECT * FROM '${path}'`)) as { column_type: string }[];
    expect(types.map((row) => row.column_type)).toEqual([
      ...['VARCHAR', 'VARCHAR', 'BOOLEAN', 'TINYINT', 'INTEGER', 'BIGINT', 'UINTEGER', 'FLOAT', 'DOUBLE', 'DATE'],
      ...['TIMESTAMP WITH TIME ZONE', 'TIMESTAMP_NS', 'DECIMAL(20,2)', 'BLOB', 'VARCHAR[]', 'FLOAT[]'],
    ]);
    expect(Object.values(second).slice(0, 11)).toEqual(Array(11).fill(null));
  });

  it('cuts row groups, whatever the batches', async () => {
    const numbers = (from: number, length: number) =>
      batchOf({
        x: makeVector(Float64Array.from({ length }, (_, k) => from + k)),
        s: column(
          Array.from({ length }, (_, k) => (k % 7 === 0 ? null : `s${from + k}`)),
          new Utf8(),
        ),
      });
    const chunks = [numbers(0, 100_000), numbers(100_000, 150_001).slice(0, 100_000), numbers(200_000, 1)];
    const path = file('groups.parquet', await encoded('parquet', chunks));
    expect(await duck(`SELECT count(*) AS n, sum(x) AS sum, count(s) AS s FROM '${path}'`)).toEqual([
      { n: '200001', sum: (200_000 * 200_001) / 2, s: String(200_001 - 2 * 14_286 - 1) },
    ]);
    expect(await duck(`SELECT DISTINCT row_group_num_rows AS n FROM parquet_metadata('${path}') ORDER BY n`)).toEqual([
      { n: '77121' },
      { n: '122880' },
    ]);
  });

  it('gives an empty file with columns when they are known, else none', async () => {
    const path = file('empty.parquet', await encoded('parquet', [], {}, everything.schema));
    expect(await duck(`SELECT count(*) AS n FROM '${path}' WHERE text = 'a'`)).toEqual([{ n: '0' }]);
    expect((await encoded('parquet', [])).length).toBe(0);
  });

  it('names a column that it cannot hold', async () => {
    const struct = batchOf({ s: column([{ a: 1 }], new Struct([new Field('a', new Int32())])) });
    await expect(encoded('parquet', [struct])).rejects.toThrow(
      'save at a.ts:1: column "s" is of type Struct<{a:Int32}>, which',
    );
    expect((await encoded('csv', [struct], CSV)).toString()).toBe('s\n"{""a"":1}"\n');
  });
});

describe('arrow', () => {
  it('gives the same rows again, with dictionaries decoded', async () => {
    const other = batchOf({ word: column(['b', 'c'], new Dictionary(new Utf8(), new Int32())) });
    const chunks = [everything.selectAt([1]), other, other.slice(1)];
    const table = tableFromIPC(await encoded('arrow', chunks));
    expect(table.toArray().map((row) => row.word)).toEqual(['a', null, 'b', 'c', 'c']);
    expect(String(table.schema.fields[0]!.type)).toBe('Utf8');
    const all = tableFromIPC(await encoded('arrow', [everything]));
    expect(all.numRows).toBe(2);
    expect(all.schema.fields.map(String)).toEqual(
      everything.schema.fields.map((field) => String(field).replace('Dictionary<Int32, Utf8>', 'Utf8')),
    );
    expect(all.batches.flatMap(batchRows)).toEqual(batchRows(everything));
  });

  it('gives an empty file with columns when they are known, else none', async () => {
    const table = tableFromIPC(await encoded('arrow', [], {}, everything.schema));
    expect([table.numRows, table.schema.names.length]).toEqual([0, 16]);
    expect((await encoded('arrow', [])).length).toBe(0);
  });
});

describe('tables', () => {
  it('keep their columns within a file', async () => {
    const chunks = [batchOf({ a: column([1], new Int32()) }), batchOf({ a: column([1], new Float64()) })];
    for (const format of ['csv', 'parquet', 'arrow'] as const)
      await expect(encoded(format, chunks, CSV)).rejects.toThrow(
        'change within a partition, from (a: Int32) to (a: Float64)',
      );
    await expect(encoded('csv', [[{ a: 1 }]], CSV)).rejects.toThrow('needs Arrow record batches');
  });
});

describe('object', () => {
  it('frames chunks in the own encoding', async () => {
    const rows = [{ when: new Date(5), set: new Set([1n]) }, undefined, [Number.NaN, -0]];
    const bytes = await encoded('object', [rows, new Float64Array([1, 2])]);
    expect(bytes.subarray(0, 8)).toEqual(OBJECT_MAGIC);
    const length = Number(bytes.readBigUInt64LE(8));
    expect(16 + length).toBe(bytes.length);
    expect(decodeChunks(bytes.subarray(16))).toEqual([rows, new Float64Array([1, 2])]);
    expect(await encoded('object', [])).toEqual(OBJECT_MAGIC);
  });
});
