import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type RecordBatch, RecordBatchStreamWriter, tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readContext } from '../../../test/support/read-context.js';
import { type CsvOptions, csvSource } from './csv.js';
import { read } from './csv-reader.js';
import { packUnits } from './source.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-csv-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** Reads a source as a job would: through JSON, in splits. */
async function load(paths: string | string[], options: CsvOptions = {}, partitions = 1) {
  const source = csvSource(paths, options);
  const units = await source.units();
  const counters: Record<string, number> = {};
  const report = (name: string, amount: number) => {
    counters[name] = (counters[name] ?? 0) + amount;
  };
  const batches: RecordBatch[] = [];
  for (const split of packUnits(units, partitions)) {
    const shipped = JSON.parse(JSON.stringify({ options: source.options, split }));
    for await (const batch of read(shipped.options, shipped.split, readContext({ report }))) batches.push(batch);
  }
  const rows = batches.flatMap((batch) => batch.toArray().map((row) => row!.toJSON()));
  return { source, units, batches, rows, counters };
}

describe('csv: reading', () => {
  it('reads the named columns only, in the order named', async () => {
    const path = file('a.csv', 'id,x,note,ok\n1,1.5,a,true\n2,-2,b,false\n');
    const { rows, batches } = await load(path, { columns: { ok: 'bool', x: 'float32', id: 'int32' } });
    expect(rows).toEqual([
      { ok: true, x: 1.5, id: 1 },
      { ok: false, x: -2, id: 2 },
    ]);
    expect(batches[0]!.schema.fields.map((field) => `${field.name}: ${field.type}`)).toEqual([
      'ok: Bool',
      'x: Float32',
      'id: Int32',
    ]);
  });

  it('reads quoted cells with delimiters, quotes and newlines', async () => {
    const path = file('a.csv', 'text,n\n"a, b",1\n"say ""hi""",2\n"two\nlines\r\nthree",3\nend,4');
    const { rows } = await load(path, { columns: { text: 'utf8', n: 'int32' } });
    expect(rows.map((row) => row.text)).toEqual(['a, b', 'say "hi"', 'two\nlines\r\nthree', 'end']);
    expect(rows.map((row) => row.n)).toEqual([1, 2, 3, 4]);
  });

  it('takes CRLF, a byte order mark, a missing last newline, tabs, gzip and text beyond ASCII', async () => {
    file('d/a.csv', '\uFEFFname,x\r\nÅsa,1\r\nΩ,2');
    file('d/b.csv.gz', gzipSync('name,x\n日本,3\n'));
    const { rows } = await load(join(directory, 'd'), { columns: { name: 'utf8', x: 'float64' } });
    expect(rows).toEqual([
      { name: 'Åsa', x: 1 },
      { name: 'Ω', x: 2 },
      { name: '日本', x: 3 },
    ]);
    expect((await load(file('t.tsv', 'a\tb\n1\t2\n'))).rows).toEqual([{ a: 1, b: 2 }]);
    expect((await load(file('s.csv', 'a;b\n1;2\n'), { delimiter: ';' })).rows).toEqual([{ a: 1, b: 2 }]);
  });

  it('makes null of empty cells, of NaN in float columns and of nullValues', async () => {
    const path = file('a.csv', 'x,s,n\n,,\nNaN,NA,3\n1,"",NA\n2,t,4\n');
    const { rows, batches } = await load(path, {
      columns: { x: 'float32', s: 'utf8', n: 'int32' },
      nullValues: ['', 'NA'],
    });
    expect(rows).toEqual([
      { x: null, s: null, n: null },
      { x: null, s: null, n: 3 },
      { x: 1, s: null, n: null },
      { x: 2, s: 't', n: 4 },
    ]);
    expect(batches[0]!.data.children.map((column) => column.nullCount)).toEqual([2, 3, 2]);
    const values = batches[0]!.data.children[0]!.values as Float32Array;
    expect([...values]).toEqual([Number.NaN, Number.NaN, 1, 2]);
  });

  it('finds columns by name, wherever each file has them', async () => {
    file('d/a.csv', 'x,y\n1,2\n');
    file('d/b.csv', 'extra,y,x\nz,4,3\n');
    const { rows } = await load(join(directory, 'd'), { columns: { x: 'float32', y: 'float32' } });
    expect(rows).toEqual([
      { x: 1, y: 2 },
      { x: 3, y: 4 },
    ]);
  });

  it('names the columns from the left where there is no header', async () => {
    const path = file('a.csv', '1,2,3\n4,5,6\n');
    expect((await load(path, { header: false, columns: { a: 'int32', b: 'float32' } })).rows).toEqual([
      { a: 1, b: 2 },
      { a: 4, b: 5 },
    ]);
    expect((await load(path, { header: false })).rows[1]).toEqual({ column0: 4, column1: 5, column2: 6 });
  });

  it('keeps 64-bit numbers exact', async () => {
    const path = file('a.csv', 'n\n9007199254740993\n-9223372036854775808\n\n');
    const { rows } = await load(path, { columns: { n: 'int64' } });
    expect(rows.map((row) => row.n)).toEqual([9007199254740993n, -9223372036854775808n, null]);
  });

  it('reads paths that hold pattern characters and quotes', async () => {
    const path = file("o'neil [1]*.csv", 'x\n7\n');
    file("o'neil 1.csv", 'x\n8\n');
    expect((await load(path, { columns: { x: 'int32' } })).rows).toEqual([{ x: 7 }]);
  });
});

describe('csv: batches', () => {
  it("gives one batch a file with batch: 'file', also for files without rows", async () => {
    file('d/a.csv', 'x\n1\n2\n');
    file('d/b.csv', '');
    file('d/c.csv', 'x\n');
    file('d/e.csv', 'x');
    file('d/f.csv', '\n');
    file('d/g.csv', 'x\n3\n');
    file('d/h.csv', '');
    for (const partitions of [1, 3, 7]) {
      const { batches, rows } = await load(
        join(directory, 'd'),
        { columns: { x: 'int32' }, batch: 'file' },
        partitions,
      );
      expect(batches.map((batch) => batch.numRows)).toEqual([2, 0, 0, 0, 0, 1, 0]);
      expect(rows).toEqual([{ x: 1 }, { x: 2 }, { x: 3 }]);
    }
  });

  it('cuts batches of so many rows, which never cross files', async () => {
    const lines = (count: number) => `x\n${Array.from({ length: count }, (_, i) => i).join('\n')}\n`;
    file('d/a.csv', lines(5000));
    file('d/b.csv', lines(10));
    const { batches, rows } = await load(join(directory, 'd'), { columns: { x: 'float64' }, batch: 3000 });
    expect(batches.map((batch) => batch.numRows)).toEqual([3000, 2000, 10]);
    expect(rows.map((row) => row.x)).toEqual([...Array(5000).keys(), ...Array(10).keys()]);
  });

  it('holds a float column as one Float32Array that starts at its first row', async () => {
    const path = file('a.csv', `x,y\n${Array.from({ length: 7000 }, (_, i) => `${i / 8},0`).join('\n')}\n`);
    const { batches } = await load(path, { columns: { x: 'float32' }, batch: 'file' });
    const column = batches[0]!.data.children[0]!;
    expect([column.offset, column.values.length, column.values.byteOffset]).toEqual([0, 7000, 0]);
    expect(column.values).toEqual(Float32Array.from({ length: 7000 }, (_, i) => i / 8));
  });

  it('reads more files than one query takes', async () => {
    for (let i = 0; i < 150; i++) file(`d/${String(i).padStart(3, '0')}.csv`, `x\n${i}\n`);
    const { rows } = await load(join(directory, 'd'), { columns: { x: 'int32' } }, 2);
    expect(rows.map((row) => row.x)).toEqual([...Array(150).keys()]);
  });
});

describe('csv: large files in pieces', () => {
  const texts = ['plain', 'a, b', 'say "hi"', 'two\nlines', '', '"\n"\n', 'x'.repeat(40)];
  const quoted = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const content = (rows: number, end = '\n') =>
    `id,text${end}${Array.from({ length: rows }, (_, id) => `${id},${quoted(texts[id % 7]!)}${end}`).join('')}`;

  it('gives the same rows however small the pieces and however many the partitions', async () => {
    for (const end of ['\n', '\r\n']) {
      const path = file('a.csv', content(200, end));
      const options: CsvOptions = { columns: { text: 'utf8', id: 'int32' }, batch: 50 };
      const whole = await load(path, options);
      expect(whole.units.length).toBe(1);
      expect(whole.rows.map((row) => row.id)).toEqual([...Array(200).keys()]);
      for (const unitBytes of [1, 30, 500, 1999]) {
        const split = await load(path, { ...options, unitBytes }, 3);
        expect(split.units.length).toBeGreaterThan(1);
        expect(split.units.reduce((sum, unit) => sum + unit.bytes, 0)).toBe(whole.units[0]!.bytes);
        expect(split.rows).toEqual(whole.rows);
      }
    }
    expect((await load(join(directory, 'a.csv'), { batch: 'file', unitBytes: 30 })).units.length).toBe(1);
    const bare = file('b.csv', content(100).slice(8));
    const options: CsvOptions = { columns: { id: 'int32', text: 'utf8' }, header: false };
    expect((await load(bare, { ...options, unitBytes: 200 })).rows).toEqual((await load(bare, options)).rows);
  });

  it('gives back any texts, quoted or not, whatever the line ends, files, pieces and partitions', async () => {
    const text = fc.array(fc.constantFrom('a', '7', ' ', ',', '"', '\n', '\r\n', 'é', '日'), { maxLength: 5 });
    const row = fc.record({ t: text.map((parts) => parts.join('')), n: fc.option(fc.integer({ min: -99, max: 99 })) });
    const files = fc.array(fc.record({ rows: fc.array(row, { maxLength: 12 }), swapped: fc.boolean() }), {
      minLength: 1,
      maxLength: 3,
    });
    const settings = fc.record({
      end: fc.constantFrom('\n', '\r\n'),
      always: fc.boolean(),
      unitBytes: fc.constantFrom(20, 60, 1000),
      partitions: fc.integer({ min: 1, max: 3 }),
    });
    await fc.assert(
      fc.asyncProperty(files, settings, async (tables, { end, always, unitBytes, partitions }) => {
        const cell = (value: string) =>
          always || /[",\r\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
        rmSync(join(directory, 'p'), { recursive: true, force: true });
        for (const [k, { rows, swapped }] of tables.entries()) {
          const line = (t: string, n: string) => (swapped ? [n, t] : [t, n]).join(',') + end;
          const lines = rows.map(({ t, n }) => line(cell(t), n === null ? '' : String(n)));
          file(`p/${k}.csv`, `${line('t', 'n')}${lines.join('')}`);
        }
        const found = await load(join(directory, 'p'), { columns: { t: 'utf8', n: 'int32' }, unitBytes }, partitions);
        const expected = tables.flatMap(({ rows }) => rows.map(({ t, n }) => ({ t: t === '' ? null : t, n })));
        expect(found.rows).toEqual(expected);
      }),
      { numRuns: 40, seed: 4 },
    );
  });

  it('reads whole, empty and cut files in one split', async () => {
    for (const [name, rows] of Object.entries({ a: -1, b: 100, c: -1, d: 1, e: 100, f: -1 }))
      file(`d/${name}.csv`, rows < 0 ? '' : content(rows));
    const { rows } = await load(join(directory, 'd'), { columns: { id: 'int32' }, unitBytes: 400 });
    expect(rows.map((row) => row.id)).toEqual([...Array(100).keys(), 0, ...Array(100).keys()]);
  });

  it('cuts at newlines without reading the file first, where no cell holds one', async () => {
    const plain = file('a.csv', `id,text\n${Array.from({ length: 300 }, (_, id) => `${id},"a ""b"", c"\n`).join('')}`);
    const options: CsvOptions = { columns: { id: 'int32', text: 'utf8' }, multiline: false };
    for (const unitBytes of [200, 3000]) {
      const { rows, units } = await load(plain, { ...options, unitBytes }, 3);
      expect(rows).toEqual(Array.from({ length: 300 }, (_, id) => ({ id, text: 'a "b", c' })));
      expect(units.length).toBeGreaterThan(1);
    }
    const multiline = file('b.csv', content(300));
    await expect(load(multiline, { ...options, unitBytes: 1 })).rejects.toThrow(
      `${multiline}: a quoted cell holds a newline`,
    );
  });

  it('counts lines from the top of the file', async () => {
    const path = file('a.csv', `${content(50)}oops,end\n${content(50).slice(8)}`);
    const line = content(50).split('\n').length;
    const options: CsvOptions = { columns: { id: 'int32' }, unitBytes: 300 };
    await expect(load(path, options)).rejects.toThrow(`${path}, line ${line}, column "id": "oops"`);
    const { counters, rows } = await load(path, { ...options, badRows: 'drop' });
    expect([counters.badRows, rows.length]).toEqual([1, 100]);
  });

  it('leaves no scratch files behind', async () => {
    const path = file('d/a.csv', content(100));
    const scratch = join(directory, 'scratch');
    mkdirSync(scratch);
    const source = csvSource(path, { columns: { id: 'int32' }, unitBytes: 100 });
    const split = { bytes: 0, units: await source.units() };
    for await (const _ of read(source.options as any, split, readContext({ directory: scratch }))) break;
    for await (const _ of read(source.options as any, split, readContext({ directory: scratch })));
    expect(readdirSync(scratch)).toEqual([]);
  });
});

describe('csv: columns without a header', () => {
  it('are not named by whole numbers, which would change places', async () => {
    const path = file('a.csv', '1,2\n');
    const columns = { b: 'int32', 1: 'int32' } as const;
    await expect(load(path, { columns, header: false })).rejects.toThrow('column "1": without a header');
    const named = file('b.csv', 'b,1\n1,2\n');
    expect((await load(named, { columns })).rows).toEqual([{ b: 1, 1: 2 }]);
  });
});

describe('csv: columns of the path', () => {
  it('are no numbers when they are empty', async () => {
    const path = file('run_/a.csv', 'x\n1\n');
    const wanted = { pathColumns: /run_(?<run>\d*)/, pathTypes: { run: 'int32' } } as const;
    await expect(load(path, wanted)).rejects.toThrow(`${path}: "", the path's "run", is no int32`);
  });

  const options: CsvOptions = {
    columns: { x: 'float32' },
    pathColumns: /(?<activity>\w+)_(?<trial>\d+)\/sub_(?<subject>\d+)\.csv$/,
    pathTypes: { subject: 'int32' },
    batch: 'file',
  };

  it('adds them to every row, text in one dictionary', async () => {
    file('d/walk_1/sub_2.csv', 'x\n1\n2\n');
    file('d/jog_3/sub_4.csv', 'x\n3\n');
    const { rows, batches } = await load(join(directory, 'd'), options);
    expect(rows).toEqual([
      { x: 3, activity: 'jog', trial: '3', subject: 4 },
      { x: 1, activity: 'walk', trial: '1', subject: 2 },
      { x: 2, activity: 'walk', trial: '1', subject: 2 },
    ]);
    const bytes = RecordBatchStreamWriter.writeAll(batches).toUint8Array(true);
    expect(
      tableFromIPC(bytes)
        .toArray()
        .map((row) => row!.toJSON()),
    ).toEqual(rows);
  });

  it('says which path does not fit', async () => {
    const path = file('d/readme.csv', 'x\n1\n');
    await expect(load(path, options)).rejects.toThrow(`${path}: the path does not fit pathColumns`);
    const odd = file('d/walk_1/sub_x.csv', 'x\n1\n');
    const loose = { ...options, pathColumns: /sub_(?<subject>\w+)/, pathTypes: { subject: 'int32' as const } };
    await expect(load(odd, loose)).rejects.toThrow('"x", the path\'s "subject", is no int32');
  });

  it('refuses a group with the name of a column', async () => {
    const path = file('d/walk_1/sub_2.csv', 'subject\n1\n');
    await expect(load(path, { pathColumns: options.pathColumns! })).rejects.toThrow('"subject" is both a column');
  });
});

describe('csv: detected schema', () => {
  it('takes names and types from the first file that is not empty', async () => {
    file('d/a.csv', '');
    file('d/b.csv', ',n,f,t,b\n0,1,1.5,x,true\n1,2,2,y,false\n');
    const { source, rows } = await load(join(directory, 'd'));
    expect((source.options as any).columns).toEqual([
      { name: 'column0', type: 'integer' },
      { name: 'n', type: 'integer' },
      { name: 'f', type: 'float64' },
      { name: 't', type: 'utf8' },
      { name: 'b', type: 'bool' },
    ]);
    expect(rows[1]).toEqual({ column0: 1, n: 2, f: 2, t: 'y', b: false });
  });

  it('widens a column that turns from numbers to text in the last row of the last of hundreds of files', async () => {
    for (let k = 0; k < 300; k++) file(`d/${String(k).padStart(3, '0')}.csv`, `n,f,t\n${`${k},1,x\n`.repeat(2000)}`);
    file('d/999.csv', `t,n,f\n${'x,1,2\n'.repeat(20_000)}x,four,0.5\n`);
    const { fields } = await csvSource(join(directory, 'd')).schema!();
    expect(fields.map(({ name, type }) => `${name}: ${type}`)).toEqual(['n: Utf8', 'f: Float64', 't: Utf8']);
    const rows = (await load([join(directory, 'd/000.csv'), join(directory, 'd/999.csv')], { columns: ['n', 'f'] }, 3))
      .rows;
    expect([rows.length, rows[0], rows.at(-1)]).toEqual([22_001, { n: '0', f: 1 }, { n: 'four', f: 0.5 }]);
  });

  it("sees every row with infer: 'all'; else a cell that no sample held is refused, with what to do", async () => {
    const row = `1,"a ""b""\n",${'.'.repeat(200)}\n`;
    const path = file('a.csv', `n,t,pad\n${row.repeat(11_000)}odd,x,y\n${row.repeat(11_000)}`);
    await expect(load(path)).rejects.toThrow(
      `${path}, line 22002, column "n": "odd" is not a whole number of at most 2^53 (integer). Correct it, give the column another type in ` +
        "`columns`, detect types over all rows with infer: 'all', add the text to nullValues, or leave such rows out with badRows: 'drop'.",
    );
    const { fields } = await csvSource(path, { infer: 'all' }).schema!();
    expect(fields.map(({ type }) => String(type))).toEqual(['Utf8', 'Utf8', 'Utf8']);
  });

  it('reads the end of a large file aright though it begins within a quoted cell', async () => {
    const row = '1,"1,2,3\n4,5,6\n7,8,9\n"\n';
    const path = file('a.csv', `n,t\n${row.repeat(200_000)}`);
    const { fields } = await csvSource(path).schema!();
    expect(fields.map(({ type }) => String(type))).toEqual(['Float64', 'Utf8']);
  });

  it.each([
    ['1,2', 'integer'],
    [' 1,+2', 'integer'],
    ['1,9007199254740993', 'int64'],
    ['1,99999999999999999999', 'utf8'],
    ['1,1e3', 'float64'],
    ['9007199254740993,.5', 'float64'],
    ['1,nan', 'float64'],
    ['true,FALSE', 'bool'],
    ['true,1', 'utf8'],
    ['1,1_000', 'utf8'],
    ['1,0x10', 'utf8'],
    ['1,0b1', 'utf8'],
    ['1,-', 'utf8'],
    ['-0,1E5', 'float64'],
    ['1,1e999', 'float64'],
    ['1,2024-01-02', 'utf8'],
    [',', 'utf8'],
  ])('takes the cells %s for %s', async (cells, type) => {
    const path = file(
      'a.csv',
      `x,y\n${cells
        .split(',')
        .map((cell) => `${cell},0\n`)
        .join('')}`,
    );
    expect(((await load(path)).source.options as any).columns[0]).toEqual({ name: 'x', type });
  });

  it('detects the types of the wanted columns only, and those of the path are known too', async () => {
    const path = file('run_7/a.csv', 'a,b,c\n1,x,2\n');
    const source = csvSource(path, { columns: ['c'], pathColumns: /run_(?<run>\d)/, pathTypes: { run: 'int32' } });
    expect((await source.schema!()).fields.map(({ name, type }) => `${name}: ${type}`)).toEqual([
      'c: Float64',
      'run: Int32',
    ]);
    await expect(load(path, { columns: ['d'] })).rejects.toThrow(
      `${path}: there is no column "d". The file has "a", "b", "c"`,
    );
  });

  it('gives no rows for empty files only', async () => {
    expect((await load(file('a.csv', ''))).rows).toEqual([]);
  });
});

describe('csv: bad input', () => {
  it('names what is missing: file, directory, pattern, column', async () => {
    const missing = join(directory, 'none.csv');
    await expect(load(missing)).rejects.toThrow(`${missing}: no such file or directory`);
    await expect(load(directory)).rejects.toThrow('the directory holds no file');
    await expect(load(join(directory, '*.csv'))).rejects.toThrow('the pattern matches no file');
    const path = file('a.csv', 'id,speed\n1,2\n');
    await expect(load(path, { columns: { id: 'int32', spede: 'float32' } })).rejects.toThrow(
      `${path}: there is no column "spede". The file has "id", "speed".`,
    );
  });

  it('tells file, line (as an editor counts), column and text of a cell that is not a number', async () => {
    file('d/a.csv', 'id,x\n1,1\n');
    const path = file('d/b.csv', 'note,x,id\r\n"two\nlines",1,5\r\n"more\r\nlines",abc,6\r\n');
    await expect(load(join(directory, 'd'), { columns: { x: 'float32', id: 'int32' } })).rejects.toThrow(
      `${path}, line 5, column "x": "abc" is not a number (float32)`,
    );
  });

  it.each([
    ['int32', '1.7'],
    ['int32', '3000000000'],
    ['integer', '9007199254740993'],
    ['int64', '9223372036854775808'],
    ['int64', '1.0'],
    ['bool', 'maybe'],
    ['float64', '1,5'],
  ] as const)('refuses to read as %s the cell %s, rather than to round it', async (type, text) => {
    const path = file('a.csv', `x,y\n"${text}",1\n`);
    await expect(load(path, { columns: { x: type } })).rejects.toThrow(
      `${path}, line 2, column "x": ${JSON.stringify(text)} is not`,
    );
  });

  it('tells the line of a row with too many or too few cells', async () => {
    const path = file('a.csv', 'a,b\n1,2\n\n1,2,3\n');
    await expect(load(path)).rejects.toThrow(`${path}, line 4: the row has 3 cells, the file's first row has 2`);
    await expect(load(file('b.csv', 'a,b\n1,2\n7\n'))).rejects.toThrow('b.csv, line 3: the row has 1 cells');
  });

  it('tells where a quote is opened that is never closed', async () => {
    const path = file('a.csv', 'a,b\n1,x\n2,"y\n3,z\n');
    await expect(load(path)).rejects.toThrow(`${path}, line 3: a quote is opened and never closed`);
  });

  it('does not take an error far behind the beginning for the end of the file', async () => {
    const rows = Array.from({ length: 200_000 }, (_, k) => `${k},"text ${k}",${k === 190_000 ? 'oops' : k}\n`);
    const path = file('a.csv', `a,t,b\n${rows.join('')}`);
    const reading = load(path, { columns: { a: 'integer', t: 'utf8', b: 'integer' } });
    await expect(reading).rejects.toThrow(`${path}, line 190002, column "b": "oops" is not`);
  });

  it('refuses a file that mixes line ends, and says so', async () => {
    const path = file('a.csv', 'a,b\r\n1,2\n3,4\r\n');
    for (const badRows of ['error', 'drop'] as const)
      await expect(load(path, { columns: { a: 'int32' }, badRows })).rejects.toThrow(`${path}: the file mixes`);
  });

  it('refuses text that is not UTF-8, naming the file', async () => {
    const path = file('a.csv', Buffer.from('t\n\xe5\n', 'latin1'));
    await expect(load(path, { columns: { t: 'utf8' } })).rejects.toThrow(`${path}: the text is not UTF-8`);
  });

  it("drops bad rows and counts them with badRows: 'drop', whatever the partitioning", async () => {
    file('d/a.csv', 'x,n,note\n1,1,a\nabc,2,b\n3,2.5,c\n4\nfoo,bar,d\n5,5,e\n6,6,f,g\n');
    file('d/b.csv', 'x,n,note\n7,7,h\n8,eight,i\n');
    for (const partitions of [1, 2]) {
      const { rows, counters } = await load(
        join(directory, 'd'),
        { columns: { x: 'float32', n: 'int32' }, badRows: 'drop', batch: 'file' },
        partitions,
      );
      expect(rows).toEqual([
        { x: 1, n: 1 },
        { x: 5, n: 5 },
        { x: 7, n: 7 },
      ]);
      expect(counters).toEqual({ badRows: 6 });
    }
  });

  it('refuses options that make no sense before it reads', () => {
    expect(() => csvSource('a.csv', { delimiter: ', ' })).toThrow('one ASCII character');
    expect(() => csvSource('a.csv', { batch: 0 })).toThrow('number of rows');
    expect(() => csvSource('a.csv', { columns: { x: 'number' as 'float32' } })).toThrow('the types are float32');
    expect(() => csvSource('a.csv', { pathColumns: /sub_(\d+)/ })).toThrow('has no named group');
    expect(() => csvSource('a.csv', { pathColumns: /(?<a>x)/, pathTypes: { b: 'int32' } })).toThrow('names "b"');
  });
});
