import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadTable, TestFolder } from '../../../test/support/load-source.js';
import { type JsonLinesOptions, jsonLinesSource } from './json-lines.js';
import type { JsonType } from './json-types.js';

let folder: TestFolder;
beforeEach(() => {
  folder = new TestFolder();
});
afterEach(() => folder[Symbol.dispose]());

const lines = (...rows: unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const load = (path: string | string[], options: JsonLinesOptions = {}, partitions = 1) =>
  loadTable(jsonLinesSource(path, options), partitions);
const types = ({ schema }: { schema: { fields: { name: string; type: unknown }[] } }) =>
  Object.fromEntries(schema.fields.map(({ name, type }) => [name, String(type)]));

describe('json lines: detected schema', () => {
  it('widens types over all rows, of all files', async () => {
    folder.file('d/a.jsonl', lines({ n: 1, f: 1, t: 1, b: true, z: null, m: 1 }));
    folder.file('d/b.ndjson', lines({ n: 2, f: 0.5, t: 'x', b: null, m: [1] }, { late: 'yes' }));
    const table = await load(`${folder.path}/d`);
    expect(types(table)).toEqual({
      n: 'Float64',
      f: 'Float64',
      t: 'Utf8',
      b: 'Bool',
      z: 'Utf8',
      m: 'Utf8',
      late: 'Utf8',
    });
    expect(table.rows).toEqual([
      { n: 1, f: 1, t: '1', b: true, z: null, m: '1', late: null },
      { n: 2, f: 0.5, t: 'x', b: null, z: null, m: '[1]', late: null },
      { n: null, f: null, t: null, b: null, z: null, m: null, late: 'yes' },
    ]);
  });

  it('makes lists of arrays and structs of objects, their parts widened too', async () => {
    const path = folder.file(
      'a.json',
      lines(
        { tags: ['a'], at: { lat: 1, lon: 2 }, deep: [{ x: [1] }] },
        { tags: [], at: { lat: 0.5, alt: 'high' }, deep: [{ x: [] }, { x: [2.5], y: true }] },
        { tags: null },
      ),
    );
    const table = await load(path);
    expect(types(table)).toEqual({
      tags: 'List<Utf8>',
      at: 'Struct<{lat:Float64, lon:Float64, alt:Utf8}>',
      deep: 'List<Struct<{x:List<Float64>, y:Bool}>>',
    });
    expect(JSON.parse(JSON.stringify(table.batches[0]!.toArray()))).toEqual([
      { tags: ['a'], at: { lat: 1, lon: 2, alt: null }, deep: [{ x: [1], y: null }] },
      {
        tags: [],
        at: { lat: 0.5, lon: null, alt: 'high' },
        deep: [
          { x: [], y: null },
          { x: [2.5], y: true },
        ],
      },
      { tags: null, at: null, deep: null },
    ]);
  });

  it('finds a type that changes at the end of the last of many files', async () => {
    for (let k = 0; k < 300; k++)
      folder.file(`d/${String(k).padStart(3, '0')}.jsonl`, `${lines({ n: k })}\n`.repeat(2000));
    folder.file('d/last.jsonl', `${lines({ n: 1 }).repeat(50_000)}${lines({ n: 'end' })}`);
    expect(types({ schema: await jsonLinesSource(`${folder.path}/d`).schema!() })).toEqual({ n: 'Utf8' });
  });

  it("sees every row with infer: 'all', and else says how to go on", async () => {
    const rows = lines({ n: 1, pad: '.'.repeat(200) }).repeat(12_000);
    const path = folder.file('a.jsonl', `${rows}${lines({ n: 'odd' })}${rows}`);
    await expect(load(path)).rejects.toThrow(
      `${path}, line 12001, column "n": "odd" is not a whole number of at most 2^53 (integer). ` +
        "Correct it, give the column another type in `columns` ('json' takes anything), detect types over all rows with infer: 'all', " +
        "or leave such lines out with badRows: 'drop'.",
    );
    const source = jsonLinesSource(path, { infer: 'all' });
    expect(types({ schema: await source.schema!() })).toEqual({ n: 'Utf8', pad: 'Utf8' });
  });

  it('reads the wanted columns only', async () => {
    const path = folder.file('a.jsonl', lines({ a: 1, b: 2, c: 3 }));
    expect((await load(path, { columns: ['c', 'a'] })).rows).toEqual([{ c: 3, a: 1 }]);
    await expect(load(path, { columns: ['d'] })).rejects.toThrow(
      'no column "d" was seen; there are "a", "b", "c". Give its type',
    );
  });

  it('knows no columns of empty input, and reads none', async () => {
    folder.file('d/a.jsonl', '');
    folder.file('d/b.jsonl', '\n\n');
    expect(await load(`${folder.path}/d`)).toMatchObject({ rows: [] });
  });
});

describe('json lines: given types', () => {
  it('reads every type, exactly', async () => {
    const columns = {
      f: 'float32',
      i: 'int32',
      l: 'int64',
      s: 'utf8',
      j: 'json',
      constructor: 'integer',
      v: ['float64'],
      o: { a: 'int32', b: ['utf8'] },
    } as unknown as Record<string, JsonType>;
    const path = folder.file(
      'a.jsonl',
      lines(
        { f: 0.5, i: -1, l: '9007199254740993', s: { x: 1 }, j: 'text', constructor: 7, v: [1, null], o: { b: ['x'] } },
        {},
      ),
    );
    const { batches } = await load(path, { columns });
    const [first, second] = batches[0]!.toArray().map((row) => row!.toJSON()) as [any, any];
    expect(first).toMatchObject({ f: 0.5, i: -1, l: 9007199254740993n, s: '{"x":1}', j: '"text"', constructor: 7 });
    expect(JSON.stringify([first.v, first.o])).toBe('[[1,null],{"a":null,"b":["x"]}]');
    expect(Object.values(second)).toEqual(Object.keys(columns).map(() => null));
  });

  it.each([
    ['int32', 3_000_000_000, '3000000000 is not a 32-bit whole number (int32)'],
    ['integer', 0.5, '0.5 is not a whole number of at most 2^53 (integer)'],
    ['bool', 'true', '"true" is not true or false (bool)'],
    [['int32'], [1, 'two'], '"two" is not a 32-bit whole number (int32)'],
    [['int32'], 1, '1 is not an array'],
    [{ a: 'utf8' }, [1], '[1] is not an object'],
  ] as [JsonType, unknown, string][])('refuses to read as %j the value %j', async (type, value, why) => {
    const path = folder.file('a.jsonl', lines({ x: null }, { x: value }));
    await expect(load(path, { columns: { x: type } })).rejects.toThrow(why);
    const { rows, counters } = await load(path, { columns: { x: type }, badRows: 'drop' });
    expect([rows, counters]).toEqual([[{ x: null }], { badRows: 1 }]);
  });

  it('names the place inside a value', async () => {
    const path = folder.file('a.jsonl', lines({ at: { points: [{ x: 1 }, { x: 'b' }] } }));
    await expect(load(path, { columns: { at: { points: [{ x: 'float64' }] } } })).rejects.toThrow(
      `${path}, line 1, column "at.points[1].x": "b" is not a number (float64)`,
    );
  });

  it('refuses types and options that are none', () => {
    expect(() => jsonLinesSource('a', { columns: { x: 'text' as 'utf8' } })).toThrow('column "x" has no type "text"');
    expect(() => jsonLinesSource('a', { columns: { x: [] as unknown as JsonType } })).toThrow('one type for all');
    expect(() => jsonLinesSource('a', { columns: { x: { y: {} } } })).toThrow('column "x.y": an object\'s type needs');
    expect(() => jsonLinesSource('a', { infer: 'some' as 'all' })).toThrow("'sample' or 'all'");
    expect(() => jsonLinesSource('a', { unitBytes: 0 })).toThrow('unitBytes');
  });
});

describe('json lines: files', () => {
  it('takes CRLF, a byte order mark, blank lines, a missing last newline, gzip', async () => {
    folder.file('d/a.jsonl', '\uFEFF{"a":1}\r\n\r\n{"a":2}');
    folder.file('d/b.jsonl.gz', gzipSync('{"a":3}\n'));
    expect((await load(`${folder.path}/d`, {}, 2)).rows).toEqual([{ a: 1 }, { a: 2 }, { a: 3 }]);
  });

  it('tells file and line of what is no JSON object, also behind cuts', async () => {
    const path = folder.file('a.jsonl', `${lines({ a: 1 }).repeat(50)}{"a": oops}\n`);
    const options: JsonLinesOptions = { columns: { a: 'int32' }, unitBytes: 64 };
    await expect(load(path, options)).rejects.toThrow(`${path}, line 51: {"a": oops} is no JSON`);
    expect(await load(path, { ...options, badRows: 'drop' })).toMatchObject({ counters: { badRows: 1 } });
    await expect(load(folder.file('c.jsonl', '{"a":1}\n{"a":\n'))).rejects.toThrow(
      'c.jsonl, line 2: "{\\"a\\":" is no JSON',
    );
    const whole = folder.file('b.jsonl', '[\n{"a":1},\n{"a":2}\n]\n');
    await expect(load(whole)).rejects.toThrow('one JSON document');
  });

  it('gives the same rows however small the pieces and however many the partitions', async () => {
    const value = fc.record(
      {
        id: fc.integer(),
        text: fc.string({ unit: 'grapheme', maxLength: 8 }),
        flag: fc.boolean(),
        list: fc.array(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null)), {
          maxLength: 3,
        }),
        at: fc.record({ x: fc.integer(), y: fc.string({ maxLength: 3 }) }),
      },
      { requiredKeys: ['id'] },
    );
    const columns: Record<string, JsonType> = {
      id: 'int32',
      text: 'utf8',
      flag: 'bool',
      list: ['float64'],
      at: { x: 'int32', y: 'utf8' },
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(value, { maxLength: 30 }),
        fc.integer({ min: 30, max: 600 }),
        fc.integer({ min: 1, max: 5 }),
        async (rows, unitBytes, partitions) => {
          const path = folder.file('a.jsonl', lines(...rows));
          const { batches } = await load(path, { columns, unitBytes }, partitions);
          const found = batches.flatMap((batch) => JSON.parse(JSON.stringify(batch.toArray())));
          const none = { text: null, flag: null, list: null, at: null };
          expect(found).toEqual(JSON.parse(JSON.stringify(rows.map((row) => ({ ...none, ...row })))));
        },
      ),
      { numRuns: 60, seed: 4 },
    );
  });
});
