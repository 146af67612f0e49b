import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { RecordBatchFileWriter, tableFromArrays } from 'apache-arrow';
import { type ArrowRDD, SheafContext } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect, sqlText } from '../../src/rdd/sources/duckdb.js';
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

/** A server of the folder's files that sends parts when asked for them. */
async function serve(): Promise<{ url: string; parts: string[] } & AsyncDisposable> {
  const parts: string[] = [];
  const server = createServer((request, response) => {
    const path = join(folder.path, decodeURIComponent(new URL(request.url!, 'http://here').pathname));
    if (!existsSync(path)) return response.writeHead(404).end();
    const bytes = readFileSync(path);
    const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '');
    const etag = `"${bytes.length}"`;
    if (!range) {
      response.writeHead(200, { 'content-length': bytes.length, 'accept-ranges': 'bytes', etag });
      return response.end(request.method === 'HEAD' ? undefined : bytes);
    }
    const [start, end] = [Number(range[1]), Math.min(range[2] ? Number(range[2]) + 1 : bytes.length, bytes.length)];
    parts.push(`${start}-${end}`);
    const headers = {
      'content-range': `bytes ${start}-${end - 1}/${bytes.length}`,
      'content-length': end - start,
      etag,
    };
    return response.writeHead(206, headers).end(bytes.subarray(start, end));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    parts,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await close();
    },
  };
}

it('every format is read in pieces from a web server too', async () => {
  await using server = await serve();
  const rows = Array.from({ length: 500 }, (_, i) => ({ x: i, t: `text ${i}` }));
  folder.file('far.csv', `x,t\n${rows.map(({ x, t }) => `${x},"${t}"\n`).join('')}`);
  folder.file('far.jsonl', rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  folder.file(
    'far.arff',
    `@relation r\n@attribute x real\n@attribute t string\n@data\n${rows.map(({ x, t }) => `${x},'${t}'\n`).join('')}`,
  );
  const table = tableFromArrays({ x: Float64Array.from(rows, ({ x }) => x), t: rows.map(({ t }) => t) });
  folder.file('far.arrow', RecordBatchFileWriter.writeAll(table.batches).toUint8Array(true));
  folder.file('far.gz', gzipSync(IDX));
  const connection = await connect();
  const path = sqlText(folder.file('far.parquet', ''));
  await connection.run(
    `COPY (SELECT i::DOUBLE AS x, 'text ' || i AS t FROM range(500) r(i)) TO ${path} (FORMAT parquet)`,
  );
  connection.closeSync();
  const unitBytes = 3000;
  const sources = {
    csv: sc.csv(`${server.url}/far.csv`, { unitBytes }, 3),
    'csv cut at newlines': sc.csv(`${server.url}/far.csv`, { unitBytes, multiline: false }, 3),
    jsonLines: sc.jsonLines(`${server.url}/far.jsonl`, { unitBytes }, 3),
    arff: sc.arff(`${server.url}/far.arff`, { unitBytes }, 3),
    arrowFile: sc.arrowFile(`${server.url}/far.arrow`, { unitBytes }),
    parquet: sc.parquet(`${server.url}/far.parquet`),
  };
  for (const [name, source] of Object.entries(sources)) expect([name, await source.collect()]).toEqual([name, rows]);
  expect(server.parts.length).toBeGreaterThan(20);
  expect(await sc.idx(`${server.url}/far.gz`).count()).toBe(2);
  expect(
    await sc
      .binaryFiles(`${server.url}/far.gz`)
      .map(({ bytes }) => bytes.length)
      .collect(),
  ).toEqual([gzipSync(IDX).length]);
  const secret = sc.parquet(`${server.url.replace('//', '//me:word@')}/far.csv?signature=abc`);
  const error = await secret.count().catch((caught: Error) => caught);
  expect(String(error)).toContain('/far.csv?…: this is no Parquet file');
  expect(String((error as Error).stack)).not.toMatch(/word|abc/);
});

it('what holds nothing gives no rows', async () => {
  const connection = await connect();
  const path = folder.file('few.parquet', '');
  await connection.run(`COPY (SELECT 1 AS x) TO ${sqlText(path)} (FORMAT parquet)`);
  connection.closeSync();
  const none = sc.parquet(path, { where: { column: 'x', min: 2 } });
  expect([await none.count(), await none.collect(), await columns(none)]).toEqual([0, [], { x: 'Int32' }]);
  const empty = sc.jsonLines(folder.file('empty.jsonl', ''));
  expect([await empty.count(), await empty.collect(), await columns(empty)]).toEqual([0, [], {}]);
});

it('what was saved is read back as it was', async () => {
  const rows = Array.from({ length: 50 }, (_, i) => ({
    n: i,
    x: i % 7 === 0 ? null : i / 4,
    t: ['plain', 'a, "b"', 'two\nlines'][i % 3]!,
    list: Array.from({ length: i % 3 }, () => i),
    at: { lat: i / 2, name: `place ${i}` },
  }));
  const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const table = sc.jsonLines(folder.file('rows.jsonl', lines), { unitBytes: 1000 }, 3);
  const to = (name: string) => join(folder.path, 'saved', name);
  await sc
    .jsonLines(join(folder.path, 'rows.jsonl'), { columns: ['n', 'x', 't', 'list'] })
    .saveAsParquet(to('parquet'));
  expect(await sc.parquet(to('parquet')).collect()).toEqual(rows.map(({ at, ...rest }) => rest));
  await table.saveAsArrow(to('arrow'));
  expect(await sc.arrowFile(to('arrow')).collect()).toEqual(rows);
  await table.saveAsJson(to('json'), { compression: 'gzip' });
  expect(await sc.jsonLines(to('json')).collect()).toEqual(rows);
  await table.saveAsCsv(to('csv'));
  expect(await sc.csv(to('csv'), { columns: ['n', 'x', 't'] }).collect()).toEqual(
    rows.map(({ n, x, t }) => ({ n, x, t })),
  );
  await sc.parallelize(rows, 3).saveAsObjectFile(to('object'));
  expect(await sc.objectFile(to('object')).collect()).toEqual(rows);
});
