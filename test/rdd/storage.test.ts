import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { SheafContext } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStorage, type Storage } from '../../src/rdd/storage/storage.js';
import { type S3Server, startS3 } from '../support/s3-server.js';

const LINES = Array.from({ length: 3000 }, (_, k) => `line ${k} äö日本`);
const TEXT = Buffer.from(`${LINES.join('\n')}\n`);
const CSV = 'name,note,x\n"a, b","two\nlines",1\n"say ""hi""",é,2\n,,3\n';
const FILES: Record<string, Buffer> = {
  'logs/b.txt': Buffer.from('b1\nb2\n'),
  'logs/a.txt': TEXT,
  'logs/deep/c.txt': Buffer.from('c\n'),
  'logs/_SUCCESS': Buffer.from(''),
  'logs/_temporary/job/part.txt': Buffer.from('no\n'),
  'logs/.hidden.txt': Buffer.from('no\n'),
  'logs/z.txt.gz': gzipSync('zipped\nlines\n'),
  'odd/[1] name.csv': Buffer.from(CSV),
  'empty.txt': Buffer.from(''),
};

async function bytesOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const bytes of stream) parts.push(bytes);
  return Buffer.concat(parts);
}

let directory: string;
let sc: SheafContext;
let s3: S3Server;
let web: WebServer;
let storage: Storage;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-storage-'));
  for (const [name, bytes] of Object.entries(FILES)) {
    mkdirSync(join(directory, name, '..'), { recursive: true });
    writeFileSync(join(directory, name), bytes);
  }
  s3 = await startS3();
  await s3.client.send(new CreateBucketCommand({ Bucket: 'data' }));
  for (const [Key, Body] of Object.entries(FILES))
    await s3.client.send(new PutObjectCommand({ Bucket: 'data', Key, Body }));
  web = await WebServer.start();
  storage = openStorage({ s3: { endpoint: s3.endpoint } });
  const conf = { 'sheaf.eventLog.enabled': 'false', 'sheaf.s3.endpoint': s3.endpoint };
  sc = await SheafContext.create({ master: 'local[2]', conf });
}, 180_000);
afterAll(async () => {
  await sc.stop();
  await s3[Symbol.asyncDispose]();
  await web.close();
  rmSync(directory, { recursive: true });
});

/** Serves the files, as well or as badly as it is told. */
class WebServer {
  /** Of the requests to come; then they are answered well. */
  faults: ((request: IncomingMessage, response: ServerResponse) => boolean)[] = [];
  ranges = true;
  requests: string[] = [];

  private constructor(readonly server: Server) {}

  static async start(): Promise<WebServer> {
    const server = createServer((request, response) => self.#answer(request, response));
    const self = new WebServer(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return self;
  }

  url(name: string): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/${encodeURI(name)}`;
  }

  close(): Promise<unknown> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url!, 'http://host');
    const { range, authorization } = request.headers;
    this.requests.push(`${request.method} ${pathname} ${range ?? ''}`.trim());
    if (this.faults.shift()?.(request, response)) return;
    if (pathname === '/secret.txt' && authorization !== `Basic ${Buffer.from('me:pa ss').toString('base64')}`)
      return void response.writeHead(401).end();
    if (pathname === '/moved.txt') return void response.writeHead(302, { location: '/logs/b.txt' }).end();
    const bytes = pathname === '/secret.txt' ? Buffer.from('secret\n') : FILES[decodeURI(pathname.slice(1))];
    if (!bytes) return void response.writeHead(404).end('<html>not here</html>');
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec((this.ranges && range) || '') ?? [];
    if (from === undefined)
      return void response.writeHead(200, { 'content-length': bytes.length, etag: '"1"' }).end(bytes);
    const start = Number(from);
    const end = Math.min(bytes.length, to ? Number(to) + 1 : bytes.length);
    if (start >= bytes.length)
      return void response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    const headers = {
      'content-range': `bytes ${start}-${end - 1}/${bytes.length}`,
      'content-length': end - start,
      etag: '"1"',
    };
    response.writeHead(206, headers).end(bytes.subarray(start, end));
  }
}

const PLACES: [string, (name: string) => string][] = [
  ['local files', (name: string) => join(directory, name)],
  ['file URLs', (name: string) => new URL(encodeURI(`file://${directory}/${name}`)).href],
  ['S3', (name: string) => `s3://data/${name}`],
  ['HTTP', (name: string) => web.url(name)],
];

describe.each(PLACES)('%s', (kind, at) => {
  it('lists a file with its size', async () => {
    expect(await storage.list([at('logs/a.txt')], /./)).toMatchObject([{ bytes: TEXT.length, seekable: true }]);
    expect(await storage.list([at('empty.txt')], /./)).toMatchObject([{ bytes: 0 }]);
  });

  it('reads ranges, also beyond the end', async () => {
    expect(await storage.readRange(at('logs/a.txt'), 100, 200)).toEqual(TEXT.subarray(100, 200));
    expect(await storage.readRange(at('logs/a.txt'), TEXT.length - 3, TEXT.length + 9)).toEqual(TEXT.subarray(-3));
    expect(await storage.readRange(at('logs/a.txt'), TEXT.length + 1, TEXT.length + 9)).toEqual(Buffer.alloc(0));
    expect(await storage.readRange(at('logs/a.txt'), 5, 5)).toEqual(Buffer.alloc(0));
  });

  it('streams whole files and parts of them', async () => {
    expect((await bytesOf(storage.openStream(at('logs/a.txt')))).equals(TEXT)).toBe(true);
    expect((await bytesOf(storage.openStream(at('logs/a.txt'), 7))).equals(TEXT.subarray(7))).toBe(true);
    expect((await bytesOf(storage.openStream(at('logs/a.txt'), 7, 77))).equals(TEXT.subarray(7, 77))).toBe(true);
    expect((await bytesOf(storage.openStream(at('empty.txt')))).equals(Buffer.alloc(0))).toBe(true);
    for await (const _ of storage.openStream(at('logs/a.txt'))) break;
  });

  it('makes a local copy that goes when it is disposed of', async () => {
    const scratch = mkdtempSync(join(directory, 'scratch-'));
    const copy = await storage.localCopy(at('logs/z.txt.gz'), scratch);
    expect(copy.path.endsWith('.txt.gz')).toBe(true);
    expect(readFileSync(copy.path)).toEqual(FILES['logs/z.txt.gz']);
    copy[Symbol.dispose]();
    expect(readdirSync(scratch)).toEqual([]);
    rmSync(scratch, { recursive: true });
    expect(readFileSync(join(directory, 'logs/z.txt.gz'))).toEqual(FILES['logs/z.txt.gz']);
  });

  it('names what is missing', async () => {
    await expect(storage.list([at('nothing.txt')], /./)).rejects.toThrow(
      /nothing\.txt: (no such|the server answers 404 Not Found)/,
    );
    await expect(storage.readRange(at('nothing.txt'), 0, 1)).rejects.toThrow(
      /nothing\.txt: (no such|the server answers 404)/,
    );
    await expect(bytesOf(storage.openStream(at('nothing.txt')))).rejects.toThrow(/nothing\.txt: (no such|the server)/);
    if (kind === 'S3' || kind === 'HTTP')
      await expect(storage.localCopy(at('nothing.txt'), directory)).rejects.toThrow(
        /nothing\.txt: (no such|the server)/,
      );
  });

  it('is read by jobs', async () => {
    expect(await sc.textFile(at('logs/a.txt'), 3).collect()).toEqual(LINES);
    expect(await sc.textFile(at('logs/z.txt.gz')).collect()).toEqual(['zipped', 'lines']);
    const table = sc.csv(at('odd/[1] name.csv'));
    const rows = [
      { name: 'a, b', note: 'two\nlines', x: 1 },
      { name: 'say "hi"', note: 'é', x: 2 },
      { name: null, note: null, x: 3 },
    ];
    const plain = (row: Record<string, unknown>) => ({ ...row, x: Number(row.x) });
    expect((await table.collect()).map(plain)).toEqual(rows);
    const pieces = sc.csv(at('odd/[1] name.csv'), { unitBytes: 8 }, 4);
    expect((await pieces.collect()).map(plain)).toEqual(rows);
    expect(await pieces.getNumPartitions()).toBeGreaterThan(1);
  });
});

describe.each(PLACES.slice(0, 3))('%s', (_, at) => {
  it('lists directories and patterns in one order', async () => {
    const names = async (path: string, inDirectory = /./) =>
      (await storage.list([at(path)], inDirectory)).map((file) => file.path.replace(/.*logs\//, ''));
    expect(await names('logs')).toEqual(['a.txt', 'b.txt', 'deep/c.txt', 'z.txt.gz']);
    expect(await names('logs/', /\.txt$/)).toEqual(['a.txt', 'b.txt', 'deep/c.txt']);
    expect(await names('logs/*.txt')).toEqual(['a.txt', 'b.txt']);
    expect(await names('logs/**/*.txt')).toEqual(['a.txt', 'b.txt', 'deep/c.txt']);
    expect(await names('logs/{b,a}.txt')).toEqual(['a.txt', 'b.txt']);
    await expect(names('logs/*.csv')).rejects.toThrow('the pattern matches no');
    await expect(names('logs', /\.csv$/)).rejects.toThrow('holds no file whose name fits');
  });
});

describe('web servers', () => {
  const at = () => web.url('logs/a.txt');

  it('are asked again when busy, and a body that breaks off is continued', async () => {
    const busy = (_: IncomingMessage, response: ServerResponse) => response.writeHead(503).end() !== undefined;
    const broken = (headers: object) => (request: IncomingMessage, response: ServerResponse) => {
      const from = Number(/\d+/.exec(request.headers.range ?? '0')![0]);
      const range = { 'content-range': `bytes ${from}-${TEXT.length - 1}/${TEXT.length}` };
      response.writeHead(from > 0 ? 206 : 200, {
        'content-length': TEXT.length - from,
        ...(from > 0 && range),
        ...headers,
      });
      response.write(TEXT.subarray(from, from + 10_000), () => response.destroy());
      return true;
    };
    for (const headers of [{ etag: '"1"' }, {}]) {
      web.faults = [busy, broken(headers)];
      expect((await bytesOf(storage.openStream(at()))).equals(TEXT)).toBe(true);
      web.faults = [broken(headers)];
      expect((await bytesOf(storage.openStream(at(), 5))).equals(TEXT.subarray(5))).toBe(true);
    }
    web.faults = [busy, busy];
    expect((await storage.list([at()], /./))[0]!.bytes).toBe(TEXT.length);
  });

  it('that send whole files only are read in one piece', async () => {
    web.ranges = false;
    try {
      expect(await storage.list([at()], /./)).toMatchObject([{ bytes: TEXT.length, seekable: false }]);
      expect(await storage.readRange(at(), 100, 200)).toEqual(TEXT.subarray(100, 200));
      expect(await sc.textFile(at(), 3).collect()).toEqual(LINES);
    } finally {
      web.ranges = true;
    }
  });

  it('may redirect and ask for a password, which no message shows', async () => {
    expect((await storage.readRange(web.url('moved.txt'), 0, 9)).toString()).toBe('b1\nb2\n');
    const secret = web.url('secret.txt').replace('//', '//me:pa%20ss@');
    expect((await storage.readRange(secret, 0, 9)).toString()).toBe('secret\n');
    const wrong = `${web.url('secret.txt').replace('//', '//me:hunter2@')}?token=xyz`;
    const error = await storage.readRange(wrong, 0, 9).catch(String);
    expect(error).toContain('/secret.txt?…: the server answers 401 Unauthorized');
    expect(error).not.toMatch(/hunter2|xyz/);
  });

  it('that are not there are named', async () => {
    const error = await storage.list(['http://127.0.0.1:9/x.txt'], /./).catch(String);
    expect(error).toContain('http://127.0.0.1:9/x.txt: it cannot be read (ECONNREFUSED');
  }, 20_000);
});

describe('S3', () => {
  it('says what is wrong, without keys', async () => {
    const errors = [
      storage.list(['s3://nowhere/a'], /./),
      storage.list(['s3://nowhere/a/*'], /./),
      storage.readRange('s3://nowhere/a', 0, 1),
      storage.list(['s3://'], /./),
    ].map((each) => each.then(() => 'no error', String));
    expect(await Promise.all(errors)).toEqual([
      expect.stringContaining('s3://nowhere/a: there is no such bucket'),
      expect.stringContaining('s3://nowhere/a/*: there is no such bucket'),
      expect.stringContaining('s3://nowhere/a: there is no such bucket'),
      expect.stringContaining('s3://: an S3 path is s3://bucket/key'),
    ]);
  });

  it('is read without credentials where that is asked for', async () => {
    const asked: string[] = [];
    const open = createServer((request, response) => {
      asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      response.writeHead(200, { 'content-length': 3 }).end('abc');
    });
    await new Promise<void>((resolve) => open.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(open.address() as AddressInfo).port}`;
    try {
      const anonymous = openStorage({ s3: { endpoint, anonymous: true } });
      expect((await bytesOf(anonymous.openStream('s3://public/a b.txt'))).toString()).toBe('abc');
      expect(asked).toEqual(['GET /public/a%20b.txt?x-id=GetObject undefined']);
    } finally {
      open.closeAllConnections();
      await new Promise((resolve) => open.close(resolve));
    }
  });

  it('continues a body that breaks off, if the object is still the same', async () => {
    let cut = 10_000;
    let replaced = false;
    const flaky = createServer((asked, answer) => {
      if (replaced) asked.headers['if-match'] = '"other"';
      const { method, headers, url } = asked;
      const onward = request(`${s3.endpoint}${url}`, { method, headers }, (found) => {
        answer.writeHead(found.statusCode!, found.headers);
        if (cut === 0) return void found.pipe(answer);
        found.once('data', (bytes: Buffer) => answer.write(bytes.subarray(0, cut), () => answer.destroy()));
        cut = 0;
      });
      asked.pipe(onward);
    });
    await new Promise<void>((resolve) => flaky.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(flaky.address() as AddressInfo).port}`;
    const read = () => bytesOf(openStorage({ s3: { endpoint } }).openStream('s3://data/logs/a.txt', 7));
    try {
      expect((await read()).equals(TEXT.subarray(7))).toBe(true);
      [cut, replaced] = [10_000, false];
      const again = read();
      replaced = true;
      await expect(again).rejects.toThrow('s3://data/logs/a.txt: the object was replaced while it was read');
    } finally {
      flaky.closeAllConnections();
      await new Promise((resolve) => flaky.close(resolve));
    }
  });
});
