import { gzipSync } from 'node:zlib';
import { DataType } from 'apache-arrow';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fullSet, fullSetsWanted } from '../../../test/data/full-sets.js';
import { loadTable, TestFolder } from '../../../test/support/load-source.js';
import { type ArffOptions, arffSource } from './arff.js';

let folder: TestFolder;
beforeEach(() => {
  folder = new TestFolder();
});
afterEach(() => folder[Symbol.dispose]());

const load = (path: string, options: ArffOptions = {}, partitions = 1) =>
  loadTable(arffSource(path, options), partitions);

const HEADER = `% made up
@RELATION 'phone use'

@attribute id integer
@attribute "time of day" REAL
@attribute note string
@attribute class{ walk , 'sit down', "it's \\"odd\\"" }
@attribute seen date "yyyy-MM-dd"
@DATA
`;

describe('arff', () => {
  it('reads numbers, text, nominal values, dates and missing values', async () => {
    const path = folder.file(
      'a.arff',
      `${HEADER}1,0.5,'a, b',walk,"2024-01-02"\n% a comment\n\n2,?,it,'sit down',?\r\n 3 , -1e3 , '?', "it's \\"odd\\"" , x\n4,1,?,?,y`,
    );
    const { rows, schema, batches } = await load(path);
    expect(rows).toEqual([
      { id: 1, 'time of day': 0.5, note: 'a, b', class: 'walk', seen: '2024-01-02' },
      { id: 2, 'time of day': null, note: 'it', class: 'sit down', seen: null },
      { id: 3, 'time of day': -1000, note: '?', class: 'it\'s "odd"', seen: 'x' },
      { id: 4, 'time of day': 1, note: null, class: null, seen: 'y' },
    ]);
    expect(DataType.isDictionary(schema.fields[3]!.type)).toBe(true);
    expect([...batches[0]!.getChild('class')!.data[0]!.values].slice(0, 3)).toEqual([0, 1, 2]);
    expect((await load(path, { columns: ['class', 'id'] })).rows[0]).toEqual({ class: 'walk', id: 1 });
  });

  it('reads sparse rows: numbers and the first nominal value go without saying', async () => {
    const path = folder.file('a.arff', `${HEADER}{0 7, 3 'sit down'}\n{}\n{1 ?,2 'a, b'}\n`);
    const { rows } = await load(path, { columns: ['id', 'time of day', 'note', 'class'] });
    expect(rows).toEqual([
      { id: 7, 'time of day': 0, note: null, class: 'sit down' },
      { id: 0, 'time of day': 0, note: null, class: 'walk' },
      { id: 0, 'time of day': null, note: 'a, b', class: 'walk' },
    ]);
  });

  it('takes attributes wherever each file has them, and the values of all files', async () => {
    folder.file('d/a.arff', '@relation r\n@attribute x real\n@attribute c {a,b}\n@data\n1,b\n');
    folder.file(
      'd/b.arff',
      '@relation r\n@attribute c {c,a}\n@attribute y real\n@attribute x real\n@data\nc,9,2\na,9,3\n',
    );
    folder.file('d/c.arff.gz', gzipSync('@relation r\n@attribute x real\n@attribute c {d}\n@data\n4,d\n'));
    folder.file('d/d.arff', '@relation r\n@attribute x real\n@attribute c {a}\n@data');
    for (const partitions of [1, 4]) {
      const { rows, batches } = await load(`${folder.path}/d`, {}, partitions);
      expect(rows).toEqual([
        { x: 1, c: 'b' },
        { x: 2, c: 'c' },
        { x: 3, c: 'a' },
        { x: 4, c: 'd' },
      ]);
      expect(batches[1]!.getChild('c')!.data[0]!.dictionary!.toArray()).toEqual(['a', 'b', 'c', 'd']);
    }
    folder.file('d/e.arff', '@relation r\n@attribute x string\n@attribute c {a}\n@data');
    await expect(load(`${folder.path}/d`)).rejects.toThrow('e.arff: the attribute "x" is text, in');
  });

  it.each([
    ['1,2,a,walk', ': the row has 4 cells, the file declares 5 attributes'],
    ['1,high,a,walk,b', ', attribute "time of day": "high" is not a number'],
    ['1,2,a,run,b', ', attribute "class": "run" is none of its declared values'],
    ["1,2,'a,walk,b", ': a quote is not closed'],
    ['{0 1, 9 2}', ": the index 9 is beyond the file's 5 attributes"],
  ])('refuses the row %j, naming file and line', async (line, why) => {
    const path = folder.file('a.arff', `${HEADER}${'1,2,a,walk,b\n'.repeat(20)}${line}\n`);
    await expect(load(path, { unitBytes: 50 })).rejects.toThrow(`${path}, line 30${why}`);
    const { rows, counters } = await load(path, { badRows: 'drop', unitBytes: 50 });
    expect([rows.length, counters]).toEqual([20, { badRows: 1 }]);
  });

  it.each([
    ['@relation r\n@attribute x thing\n@data\n', ', line 2: the attribute "x" has the type "thing"'],
    ['@relation r\n@attribute x real\n@attribute x real\n@data\n', ', line 3: two attributes are called "x"'],
    ['@relation r\nx,y\n@data\n', ', line 2: "x,y" is no @attribute'],
    ['a,b\n1,2\n', ': there is no @data line'],
  ])('refuses the header %j', async (text, why) => {
    const path = folder.file('a.arff', text);
    await expect(load(path)).rejects.toThrow(`${path}${why}`);
  });

  it('names a column that is not there', async () => {
    const path = folder.file('a.arff', HEADER);
    await expect(load(path, { columns: ['klass'] })).rejects.toThrow(`${path}: there is no column "klass"`);
  });

  it('gives back any rows, whatever the pieces', async () => {
    const quoted = (text: string) =>
      `'${text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r')}'`;
    const row = fc.record({
      n: fc.option(fc.double({ noNaN: true })),
      t: fc.option(fc.string({ unit: 'grapheme', maxLength: 6 })),
      c: fc.option(fc.constantFrom('a', "b'", 'c d')),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 20 }), fc.integer({ min: 20, max: 300 }), async (rows, unitBytes) => {
        const cell = (text: string | null) => (text === null ? '?' : quoted(text));
        const text = rows.map(({ n, t, c }) => `${n ?? '?'},${cell(t)},${cell(c)}\n`).join('');
        const path = folder.file(
          'a.arff',
          `@attribute n real\n@attribute t string\n@attribute c {a,'b\\'','c d'}\n@data\n${text}`,
        );
        expect((await load(path, { unitBytes }, 3)).rows).toEqual(rows);
      }),
      { numRuns: 60, seed: 4 },
    );
  });

  if (fullSetsWanted)
    it('reads WISDM v1.1: 5,418 rows of 46 attributes, 474 of them with missing values', async () => {
      const path = `${fullSet('wisdm_ar_v1.1')}/wisdm_ar_v1.1/WISDM_ar_v1.1_transformed.arff`;
      const { rows, schema } = await load(path, { unitBytes: 2 ** 18 }, 4);
      expect([rows.length, schema.fields.length]).toEqual([5418, 46]);
      expect(rows.filter((row) => Object.values(row).includes(null)).length).toBe(474);
      expect(new Set(rows.map((row) => row.user)).size).toBe(36);
      const counts = new Map<unknown, number>();
      for (const row of rows) counts.set(row.class, (counts.get(row.class) ?? 0) + 1);
      expect(Object.fromEntries(counts)).toEqual({
        Walking: 2081,
        Jogging: 1625,
        Upstairs: 632,
        Downstairs: 528,
        Sitting: 306,
        Standing: 246,
      });
    });
});
