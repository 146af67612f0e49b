import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3';
import { EventBus, type RDD, SheafContext } from 'sheaf';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type S3Server, startS3 } from '../support/s3-server.js';
import { SheafProcess } from '../support/sheaf.js';
import { until } from '../support/until.js';

let sc: SheafContext;
let s3: S3Server;
let directory: string;
const events: unknown[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-sinks-'));
  s3 = await startS3();
  await s3.client.send(new CreateBucketCommand({ Bucket: 'out' }));
  const conf = { 'sheaf.eventLog.enabled': 'false', 'sheaf.s3.endpoint': s3.endpoint };
  const bus = new EventBus();
  bus.listen((event) => void events.push(event));
  sc = await SheafContext.create({ master: 'local[2]', conf, bus });
}, 180_000);
afterAll(async () => {
  await sc.stop();
  await s3[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

/** A place to save to, and what anybody sees there. */
interface Place {
  readonly path: string;
  names(): Promise<string[]>;
  bytes(name: string): Promise<Buffer>;
  /** What tasks left, which nobody sees. */
  leftovers(): Promise<number>;
}

let places = 0;
const PLACES: Record<string, () => Place> = {
  'a directory': () => {
    const path = join(directory, `place-${places++}`, 'table');
    return {
      path,
      names: async () =>
        existsSync(path)
          ? readdirSync(path)
              .filter((name) => name !== '_temporary')
              .sort()
          : [],
      bytes: async (name) => readFileSync(join(path, name)),
      leftovers: async () => Number(existsSync(join(path, '_temporary'))),
    };
  },
  S3: () => {
    const prefix = `place-${places++}/table`;
    return {
      path: `s3://out/${prefix}`,
      async names() {
        const { Contents = [] } = await s3.client.send(
          new ListObjectsV2Command({ Bucket: 'out', Prefix: `${prefix}/` }),
        );
        return Contents.map(({ Key }) => Key!.slice(prefix.length + 1)).sort();
      },
      async bytes(name) {
        const { Body } = await s3.client.send(new GetObjectCommand({ Bucket: 'out', Key: `${prefix}/${name}` }));
        return Buffer.from(await Body!.transformToByteArray());
      },
      async leftovers() {
        const { Uploads = [] } = await s3.client.send(new ListMultipartUploadsCommand({ Bucket: 'out' }));
        return Uploads.filter(({ Key }) => Key!.startsWith(prefix)).length;
      },
    };
  },
};

const CSV = 'name,note,x\n"a, b","two\nlines",1\n"say ""hi""",日本 👋,2\n,,3\n';
const ROWS = [
  { name: 'a, b', note: 'two\nlines', x: 1 },
  { name: 'say "hi"', note: '日本 👋', x: 2 },
  { name: null, note: null, x: 3 },
];

describe.each(Object.entries(PLACES))('in %s', (_kind, newPlace) => {
  let place: Place;
  beforeEach(() => {
    place = newPlace();
  });

  function table() {
    const path = join(directory, 'table.csv');
    writeFileSync(path, CSV);
    return sc.csv(path, { columns: { name: 'utf8', note: 'utf8', x: 'float64' }, unitBytes: 8 }, 3);
  }

  const nothingLeft = () => until('nothing is left of it', async () => (await place.leftovers()) === 0);

  it('lines of text, one file a partition, empty ones too', async () => {
    const lines = sc.parallelize(['a', 'é', '日本'], 5);
    const saved = await lines.saveAsTextFile(place.path);
    expect(saved).toEqual({ files: 5, bytes: 2 + 3 + 7 });
    expect(await place.names()).toEqual(['_SUCCESS', ...[0, 1, 2, 3, 4].map((k) => `part-0000${k}.txt`)]);
    expect(await place.leftovers()).toBe(0);
    expect(await sc.textFile(place.path).collect()).toEqual(['a', 'é', '日本']);
  });

  it('packed text', async () => {
    await sc.range(0, 1000, 1, 2).saveAsTextFile(place.path, { compression: 'gzip' });
    expect(await place.names()).toEqual(['_SUCCESS', 'part-00000.txt.gz', 'part-00001.txt.gz']);
    expect(gunzipSync(await place.bytes('part-00001.txt.gz')).toString()).toMatch(/^500\n501\n/);
    expect(await sc.textFile(place.path).map(Number).sum()).toBe(499_500);
  });

  it('tables in every format, and back', async () => {
    await table().saveAsCsv(`${place.path}/csv`);
    await table().saveAsJson(`${place.path}/json`);
    await table().saveAsParquet(`${place.path}/parquet`);
    await table().saveAsArrow(`${place.path}/arrow`);
    const columns = { name: 'utf8', note: 'utf8', x: 'float64' } as const;
    expect(await sc.csv(`${place.path}/csv`, { columns }).collect()).toEqual(ROWS);
    expect(await sc.jsonLines(`${place.path}/json`, { columns }).collect()).toEqual(ROWS);
    expect(await sc.parquet(`${place.path}/parquet`).collect()).toEqual(ROWS);
    expect(await sc.arrowFile(`${place.path}/arrow`).collect()).toEqual(ROWS);
  });

  it('rows of any kind as objects', async () => {
    const rows = [{ when: new Date(5), tags: new Set(['é']) }, new Map([[1n, [undefined, Number.NaN]]]), null];
    await sc.parallelize<unknown>(rows, 4).saveAsObjectFile(place.path);
    expect(await sc.objectFile(place.path).collect()).toEqual(rows);
  });

  it('large parts, in several pieces', async () => {
    const long = sc.range(0, 24, 1, 2).map((k) => String(k % 10).repeat(1_000_000));
    expect(await long.saveAsTextFile(place.path)).toEqual({ files: 2, bytes: 24_000_024 });
    expect((await place.bytes('part-00001.txt')).length).toBe(12_000_012);
    expect(
      await sc
        .textFile(place.path)
        .map((line) => `${line[0]}${line.length}`)
        .first(),
    ).toBe('01000000');
  });

  it('never in place of something, unless told; then the old goes when the new is whole', async () => {
    await sc.range(0, 6, 1, 3).saveAsTextFile(place.path);
    const again = sc.range(10, 12, 1, 1);
    await expect(again.saveAsTextFile(place.path)).rejects.toThrow(
      `${place.path} exists already: save to another path`,
    );
    expect(await sc.textFile(place.path).map(Number).collect()).toEqual([0, 1, 2, 3, 4, 5]);
    // Reads what it replaces.
    const own = sc.textFile(place.path, 2).map((line) => Number(line) + 1);
    await own.saveAsTextFile(place.path, { overwrite: true });
    expect(await sc.textFile(place.path).map(Number).collect()).toEqual([1, 2, 3, 4, 5, 6]);
    await again.saveAsJson(place.path, { overwrite: true });
    expect(await place.names()).toEqual(['_SUCCESS', 'part-00000.json']);
    expect(await place.leftovers()).toBe(0);
  });

  it('nothing of a job that fails, and what was there stays', async () => {
    const failing = sc.range(0, 200_000, 1, 4).map((x) => {
      if (x === 170_000) throw new Error('boom');
      return x;
    });
    await expect(failing.saveAsTextFile(place.path)).rejects.toThrow('boom');
    expect(await place.names()).toEqual([]);
    await nothingLeft(); // the other slot's task ends its own
    await expect(failing.saveAsTextFile(place.path, { compression: 'gzip' })).rejects.toThrow(
      /boom \(in map at .*sinks/,
    );
    await nothingLeft();
    if (!place.path.startsWith('s3:')) expect(existsSync(place.path)).toBe(false);
    await sc.range(0, 2, 1, 1).saveAsTextFile(place.path);
    await expect(failing.saveAsTextFile(place.path, { overwrite: true })).rejects.toThrow('boom');
    expect(await place.names()).toEqual(['_SUCCESS', 'part-00000.txt']);
    await nothingLeft();
  });

  it('each row once, though a slot is killed while it writes', async () => {
    const flag = join(directory, `killed-${places}`);
    const rows: RDD<number> = sc.range(0, 100_000, 1, 3).map((x) => {
      const { existsSync: seen, writeFileSync: mark } = process.getBuiltinModule('node:fs');
      if (x === 60_000 && !seen(flag)) {
        mark(flag, '');
        process.kill(process.pid, 'SIGKILL');
      }
      return x;
    });
    expect((await rows.saveAsTextFile(place.path)).files).toBe(3);
    expect(existsSync(flag)).toBe(true);
    expect(await place.leftovers()).toBe(0);
    expect(await sc.textFile(place.path).map(Number).sum()).toBe((100_000 * 99_999) / 2);
  });

  it('nothing of a driver that is killed; the next save clears what it left', async () => {
    const job = join(directory, 'endless.ts');
    writeFileSync(
      job,
      `export default async function main(sc) {
         const rows = sc.range(0, 2, 1, 2).mapPartitions(async function* (rows) {
           for (const _ of rows) for (let k = 0; k < 5000; k++) yield 'x'.repeat(100);
           console.error('written'); // the first rows have left, or these would not have been asked for
           await new Promise((resolve) => setTimeout(resolve, 600000));
         });
         await rows.saveAsTextFile(${JSON.stringify(place.path)});
       }`,
    );
    const driver = new SheafProcess(
      ['submit', '--master', 'local[2]', '--conf', `sheaf.s3.endpoint=${s3.endpoint}`, job],
      {
        SHEAF_EVENTLOG_ENABLED: 'false',
      },
    );
    await driver.says('written');
    process.kill(driver.pid, 'SIGKILL');
    await driver.finished;
    expect(await place.names()).toEqual([]);
    expect(await place.leftovers()).toBeGreaterThan(0);
    await sc.range(0, 1, 1, 1).saveAsTextFile(place.path);
    expect([await place.names(), await place.leftovers()]).toEqual([['_SUCCESS', 'part-00000.txt'], 0]);
  });
});

describe('a save', () => {
  it('refuses what cannot be a directory, before anything runs', async () => {
    const rows = sc.range(0, 1, 1, 1);
    const file = join(directory, 'file.txt');
    writeFileSync(file, 'kept');
    await expect(rows.saveAsTextFile(file, { overwrite: true })).rejects.toThrow(
      `${file} is a file: a save needs a directory`,
    );
    await expect(rows.saveAsTextFile('http://host/x')).rejects.toThrow('"http" is no storage that can be written to');
    await expect(rows.saveAsTextFile('s3://out')).rejects.toThrow('s3://out: save below a key');
    await expect(rows.saveAsTextFile('s3://nowhere/x')).rejects.toThrow('s3://nowhere/x: there is no such bucket');
    await expect(rows.saveAsTextFile('')).rejects.toThrow('saveAsTextFile at');
    await expect(rows.saveAsTextFile(file, { compression: 'zip' as never })).rejects.toThrow(
      "must be 'gzip', not 'zip'",
    );
    expect(readFileSync(file, 'utf8')).toBe('kept');
  });

  it('into an empty directory is no overwriting', async () => {
    const path = join(directory, 'empty');
    mkdirSync(path);
    await sc.range(0, 1, 1, 1).saveAsTextFile(path);
    expect(readdirSync(path).sort()).toEqual(['_SUCCESS', 'part-00000.txt']);
  });

  it('names itself and the columns that do not fit', async () => {
    const path = join(directory, 'two-tables');
    const table = sc.csv(join(directory, 'table.csv'), { columns: { x: 'float64', name: 'utf8' }, unitBytes: 8 }, 1);
    const mixed = table.mapBatches((batch) => (batch.getChildAt(0)!.get(0) === 2 ? batch.selectAt([1]) : batch));
    await expect(mixed.saveAsCsv(path)).rejects.toThrow(
      /saveAsCsv at .*sinks.test.ts:\d+: the table's columns change within a partition, from \(x: Float64, name: Utf8\) to \(name: Utf8\)/,
    );
    expect(existsSync(path)).toBe(false);
  });

  it('shows no key in events and messages', () => {
    expect(JSON.stringify(events)).not.toMatch(/test-secret-key|test-key-id/);
  });
});
