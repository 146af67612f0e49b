import { gzipSync } from 'node:zlib';
import { RecordBatchFileWriter, tableFromArrays } from 'apache-arrow';
import { type ArrowRDD, SheafContext } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestFolder } from '../support/load-source.js';

let sc: SheafContext;
let folder: TestFolder;
let jobs = 0;

beforeAll(async () => {
  folder = new TestFolder();
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
  sc.bus.listen(({ event }) => {
    if (event === 'job-start') jobs++;
  });
});
afterAll(async () => {
  await sc.stop();
  folder[Symbol.dispose]();
});

const columns = async (table: ArrowRDD) =>
  Object.fromEntries((await table.schema()).fields.map(({ name, type }) => [name, String(type)]));

const IDX = Buffer.from([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 9, 8, 7, 6]);
const LABELS = Buffer.from([0, 0, 8, 1, 0, 0, 0, 2, 4, 5]);

describe('sources of tables, through a job', () => {
  it.each<[string, () => ArrowRDD, Record<string, string>, Record<string, unknown>[]]>([
    [
      'csv',
      () => sc.csv(folder.file('a.csv', 'x,t\n1,a\n2.5,b\n'), {}, 2),
      { x: 'Float64', t: 'Utf8' },
      [
        { x: 1, t: 'a' },
        { x: 2.5, t: 'b' },
      ],
    ],
    [
      'jsonLines',
      () => sc.jsonLines(folder.file('a.jsonl', '{"x":1,"tags":["a"],"at":{"y":2}}\n{"x":2}\n')),
      { x: 'Float64', tags: 'List<Utf8>', at: 'Struct<{y:Float64}>' },
      [
        { x: 1, tags: ['a'], at: { y: 2 } },
        { x: 2, tags: null, at: null },
      ],
    ],
    [
      'arrowFile',
      () =>
        sc.arrowFile(
          folder.file(
            'a.arrow',
            RecordBatchFileWriter.writeAll(tableFromArrays({ x: [1, 2], t: ['a', 'b'] }).batches).toUint8Array(true),
          ),
          { columns: ['t'] },
        ),
      { t: 'Dictionary<Int32, Utf8>' },
      [{ t: 'a' }, { t: 'b' }],
    ],
    [
      'libsvm',
      () => sc.libsvm(folder.file('a.svm', '1 1:2 3:4\n0 2:1\n')),
      { label: 'Float64', features: 'FixedSizeList[3]<Float32>' },
      [
        { label: 1, features: [2, 0, 4] },
        { label: 0, features: [0, 1, 0] },
      ],
    ],
    [
      'arff',
      () => sc.arff(folder.file('a.arff', '@relation r\n@attribute x real\n@attribute c {a,b}\n@data\n1,b\n?,a\n')),
      { x: 'Float64', c: 'Dictionary<Int32, Utf8>' },
      [
        { x: 1, c: 'b' },
        { x: null, c: 'a' },
      ],
    ],
    [
      'idx',
      () => sc.idx(folder.file('images.gz', gzipSync(IDX)), folder.file('labels', LABELS)),
      { features: 'FixedSizeList[2]<Float32>', label: 'Int32' },
      [
        { features: [9, 8], label: 4 },
        { features: [7, 6], label: 5 },
      ],
    ],
  ])('%s', async (_, source, schema, rows) => {
    const before = jobs;
    expect(await columns(source())).toEqual(schema);
    expect(jobs).toBe(before);
    expect(await source().collect()).toEqual(rows);
    expect(
      await source()
        .map((row) => Object.keys(row).length)
        .collect(),
    ).toEqual(rows.map((row) => Object.keys(row).length));
  });

  it('keep their schema through where, union and deal, and get another by a job after mapBatches', async () => {
    const table = sc.csv(folder.file('b.csv', 'x,t\n1,a\n2,b\n3,c\n'), {}, 2);
    const before = jobs;
    expect(await columns(table.where('x', (x) => x > 1))).toEqual({ x: 'Float64', t: 'Utf8' });
    expect(jobs).toBe(before);
    expect(await columns(table.mapBatches((batch) => batch.selectAt([1])))).toEqual({ t: 'Utf8' });
    expect(await columns(table.where('x', () => false).mapBatches((batch) => batch))).toEqual({});
    expect(jobs).toBeGreaterThan(before);
  });
});

it('whole files and text come as rows', async () => {
  const path = folder.file('letters/a.txt', 'one\ntwo\n');
  const other = folder.file('letters/b.txt', 'three');
  expect(await sc.wholeTextFiles(`${folder.path}/letters`, 2).collect()).toEqual([
    [path, 'one\ntwo\n'],
    [other, 'three'],
  ]);
  expect(
    await sc
      .binaryFiles(`${folder.path}/letters`)
      .map(({ path: file, bytes }) => [file.endsWith('b.txt'), bytes.length])
      .collect(),
  ).toEqual([
    [false, 8],
    [true, 5],
  ]);
});

it('an error of a source names the place and comes as the error of the job', async () => {
  const path = folder.file('bad.jsonl', '{"x":1}\n{"x":\n');
  const rows = sc.jsonLines(path, { columns: { x: 'int32' } });
  await expect(rows.count()).rejects.toThrow(`${path}, line 2: {"x": is no JSON`);
});
