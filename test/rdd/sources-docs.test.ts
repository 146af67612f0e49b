import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { SheafContext } from 'sheaf';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect, sqlText } from '../../src/rdd/sources/duckdb.js';
import { runExamples } from '../support/guide.js';
import { TestFolder } from '../support/load-source.js';

let sc: SheafContext;
let folder: TestFolder;

beforeAll(async () => {
  sc = await SheafContext.create({ master: 'local[2]', conf: { 'sheaf.eventLog.enabled': 'false' } });
  folder = new TestFolder();
  folder.file('runs/1.csv', 'time,speed,note\n1,2.5,"a, b"\n2,,"two\nlines"\n');
  folder.file('runs/2.csv', 'note,speed,time\r\n"say ""hi""",3,3\r\n,4,4\r\n');
  folder.file('runs/3.csv', '');
  folder.file(
    'events.jsonl',
    '{"id":1,"tags":["a","b"],"at":{"lat":0.5,"lon":1},"extra":"yes"}\n{"id":2,"tags":[],"extra":{"n":1}}\n',
  );
  folder.file('classes.svm', '1 1:0.5 3:2\n0 2:1\n');
  folder.file(
    'activity.arff',
    '@relation r\n@attribute x real\n@attribute activity {sit,walk}\n@data\n1.5,walk\n?,sit\n',
  );
  folder.file('images.gz', gzipSync(Buffer.from([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 255, 255, 0])));
  folder.file('labels', Buffer.from([0, 0, 8, 1, 0, 0, 0, 2, 7, 2]));
  folder.file('letters/a.txt', 'Dear A');
  folder.file('letters/b.txt', 'Dear B');
  const connection = await connect();
  const trips = sqlText(folder.file('trips.parquet', ''));
  await connection.run(
    `COPY (SELECT i AS id, i / 2 AS km FROM range(10000) r(i)) TO ${trips} (FORMAT parquet, ROW_GROUP_SIZE 2048)`,
  );
  connection.closeSync();
});
afterAll(async () => {
  await sc.stop();
  folder[Symbol.dispose]();
});

it('docs/sources.md says what its examples give', async () => {
  const guide = readFileSync(new URL('../../docs/sources.md', import.meta.url), 'utf8');
  const known = { sc, data: folder.path };
  expect(await runExamples(guide, known, (found, value) => expect(found).toEqual(value))).toBe(
    guide.split('// =>').length - 1,
  );
});
