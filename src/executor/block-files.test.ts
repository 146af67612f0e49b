import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { nativeAddon } from '../native/addon.js';
import type { BlockRef } from '../protocol/block.js';
import { BlockFiles, type BlockHome } from './block-files.js';
import { BlockService } from './block-service.js';

const TOKEN = 'a-token';
const MIB = 2 ** 20;
let directory: string;
const closers: (() => Promise<void>)[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'blocks-'));
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  rmSync(directory, { recursive: true, force: true });
});

function home(holder: string, host = 'here', url = '', token = TOKEN): BlockHome {
  const memoryDirectory = join(directory, holder, 'memory');
  const diskDirectory = join(directory, holder, 'disk');
  for (const each of [memoryDirectory, diskDirectory]) mkdirSync(each, { recursive: true });
  return { holder, host, url, token, memoryDirectory, diskDirectory };
}

/** A home on another host, reached over HTTP. */
async function remote(holder: string): Promise<BlockFiles> {
  let files: BlockFiles;
  const service = await BlockService.listen('127.0.0.1', TOKEN, () => files);
  closers.push(() => service.close());
  files = new BlockFiles(home(holder, 'there', service.url('127.0.0.1')));
  return files;
}

const bytes = (length: number) => Buffer.from(Uint8Array.from({ length }, (_, i) => i * 7));
const filesBelow = (path: string) =>
  readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) => /%3A|partial/.test(name));

describe('blocks', () => {
  it('are read as they were written, whole and in segments, aligned for float views', async () => {
    const blocks = new BlockFiles(home('a'));
    const content = bytes(1000);
    const ref = await blocks.put('rdd:1:2', 'app/job', content);
    expect(ref).toMatchObject({ id: 'rdd:1:2', scope: 'app/job', bytes: 1000, crc32: crc32(content) });
    const read = await blocks.get(ref);
    expect(read.equals(content)).toBe(true);
    expect(read.byteOffset % 8).toBe(0);
    const segment = { offset: 96, bytes: 40, crc32: crc32(content.subarray(96, 136)) };
    expect((await blocks.get(ref, segment)).equals(content.subarray(96, 136))).toBe(true);
    const empty = await blocks.put('empty', 'app', new Uint8Array(0));
    expect((await blocks.get(empty)).length).toBe(0);
  });

  it('are read as they were written where they are large, and belong to who reads them', async () => {
    const blocks = new BlockFiles(home('a'));
    const content = bytes(600_000);
    const ref = await blocks.put('large', 'app', content);
    const read = await blocks.get(ref);
    expect(read.equals(content)).toBe(true);
    for (const [offset, length] of [
      [8, 300_000],
      [8 * 1000, 592_000],
      [12_345, 300_000], // not aligned in its file
      [0, 1000],
    ] as const) {
      const part = await blocks.get(ref, { offset, bytes: length, crc32: 0 });
      expect(part.equals(content.subarray(offset, offset + length))).toBe(true);
      expect(part.byteOffset % 8).toBe(0);
    }
    read.fill(1);
    expect((await blocks.get(ref)).equals(content)).toBe(true);
    blocks.release('app');
    expect(read.every((byte) => byte === 1)).toBe(true);
    await expect(blocks.get(ref)).rejects.toThrow('block large cannot be read');
    const cut = await blocks.put('cut', 'app', content);
    truncateSync(cut.at[0]!.path, 500_000);
    await expect(blocks.get(cut)).rejects.toThrow(/ends after 500000 of 600000 bytes/);
  });

  it.runIf(nativeAddon())('are read where they cannot be mapped', async () => {
    const blocks = new BlockFiles(home('a'));
    const content = bytes(600_000);
    const ref = await blocks.put('large', 'app', content);
    const map = vi.spyOn(nativeAddon()!, 'mapToRead').mockImplementation(() => {
      throw new Error('cannot map: Cannot allocate memory');
    });
    expect((await blocks.get(ref)).equals(content)).toBe(true);
    expect(map).toHaveBeenCalledOnce();
    map.mockRestore();
  });

  // A process has 65,530 mappings at most.
  it.runIf(nativeAddon())('are unmapped while a task reads one after the other', async () => {
    const blocks = new BlockFiles(home('a'));
    const ref = await blocks.put('large', 'app', bytes(256 * 1024));
    const mapped = () => readFileSync('/proc/self/maps', 'utf8').split(ref.at[0]!.path).length - 1;
    let most = 0;
    for (let read = 1; read <= 12_000; read++) {
      await blocks.get(ref);
      if (read % 1000 === 0) most = Math.max(most, mapped());
    }
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(8000);
    // All at once: those that wait for a turn have it together.
    const all = await Promise.all(Array.from({ length: 3000 }, () => blocks.get(ref)));
    expect(all.every(({ length }) => length === ref.bytes)).toBe(true);
  });

  it('are released while a slot still writes into their scope', async () => {
    const blocks = new BlockFiles(home('a'));
    const scope = join(blocks.home.memoryDirectory, 'app', 'job');
    const code = `
      const { mkdirSync, writeFileSync } = require('node:fs');
      require('node:worker_threads').parentPort.postMessage('begun');
      for (let n = 0; ; n++) try {
        mkdirSync(${JSON.stringify(scope)}, { recursive: true });
        for (let k = 0; k < 50; k++) writeFileSync(${JSON.stringify(scope)} + '/' + n + '-' + k, '');
      } catch {}`;
    const writer = new Worker(code, { eval: true });
    await once(writer, 'message');
    for (let time = 0; time < 500; time++) blocks.release('app/job');
    await writer.terminate();
    blocks.release('app');
    expect(readdirSync(blocks.home.memoryDirectory)).toEqual([]);
  });

  it('written twice are one block', async () => {
    const blocks = new BlockFiles(home('a'));
    const [first, second] = [await blocks.put('x:1', 's', bytes(10)), await blocks.put('x:1', 's', bytes(10))];
    expect(second).toEqual(first);
    expect(filesBelow(directory).length).toBe(1);
  });

  it('go with their scope and the scopes below it, and with nothing else', async () => {
    const blocks = new BlockFiles(home('a'));
    const scopes = ['app/job-1', 'app/job-1/stage-2', 'app/job-10', 'app'];
    const refs = await Promise.all(scopes.map((scope) => blocks.put('b:1', scope, bytes(8))));
    blocks.release('app/job-1');
    expect(refs.map(({ at }) => existsSync(at[0]!.path))).toEqual([false, false, true, true]);
    blocks.drop(refs[2]!);
    expect(existsSync(refs[2]!.at[0]!.path)).toBe(false);
  });

  it('lie in memory while that has room, else on disk', async () => {
    let free = 100 * MIB;
    const at = home('a');
    const blocks = new BlockFiles(at, () => free);
    const small = await blocks.put('small', 's', bytes(1000));
    expect(small.at[0]!.path.startsWith(at.memoryDirectory)).toBe(true);
    free = 33 * MIB;
    const large = await blocks.put('large', 's', bytes(2 * MIB));
    expect(large.at[0]!.path.startsWith(at.diskDirectory)).toBe(true);
    expect((await blocks.get(large)).equals(bytes(2 * MIB))).toBe(true);
    blocks.release('s');
    expect(existsSync(large.at[0]!.path)).toBe(false);
  });

  it('cannot appear where the owner has ended, and leave no part of themselves', async () => {
    const at = home('a');
    const blocks = new BlockFiles(at, () => 0);
    rmSync(at.diskDirectory, { recursive: true });
    await expect(blocks.put('late:1', 's', bytes(8))).rejects.toMatchObject({
      failure: {
        kind: 'resource',
        message: expect.stringMatching(/block late:1 \(8 bytes\) could not be written.*is gone/),
      },
    });
    mkdirSync(at.diskDirectory);
    writeFileSync(join(at.diskDirectory, 's'), 'a file where a directory should be');
    await expect(blocks.put('late:2', 's', bytes(8))).rejects.toMatchObject({ failure: { kind: 'resource' } });
    expect(filesBelow(directory)).toEqual([]);
  });

  it('that hold code are checked against the signed hash', async () => {
    const blocks = new BlockFiles(home('a'));
    const ref = await blocks.put('code', 's', Buffer.from('run()'), { code: true });
    expect(ref.sha256).toMatch(/^[0-9a-f]{64}$/);
    writeFileSync(ref.at[0]!.path, 'ruin)');
    await expect(blocks.get(ref)).rejects.toMatchObject({
      failure: { kind: 'fetch-failed', message: expect.stringMatching(/not what the driver signed/) },
    });
  });
});

describe('blocks of another host', () => {
  it('come over HTTP, whole and in segments', async () => {
    const there = await remote('b');
    const here = new BlockFiles(home('a'));
    const content = bytes(100_000);
    const ref = await there.put('shuffle:1/2 ü', 'app/job', content);
    expect((await here.get(ref)).equals(content)).toBe(true);
    const segment = { offset: 8, bytes: 16, crc32: crc32(content.subarray(8, 24)) };
    expect((await here.get(ref, segment)).equals(content.subarray(8, 24))).toBe(true);
  });

  it('are refused without the token', async () => {
    const there = await remote('b');
    const ref = await there.put('x', 's', bytes(8));
    const stranger = new BlockFiles(home('c', 'here', '', 'another'));
    await expect(stranger.get(ref)).rejects.toThrow(/HTTP 401/);
    for (const path of ['/', '/s/../../x', '/s/absent']) {
      const { status } = await fetch(ref.at[0]!.url + path, { headers: { authorization: `Bearer ${TOKEN}` } });
      expect([400, 404]).toContain(status);
    }
  });

  it('that changed on the way, or are short, are a failed fetch naming block and holders', async () => {
    const there = await remote('b');
    const here = new BlockFiles(home('a'));
    const ref = await there.put('x:1', 's', bytes(100));
    writeFileSync(ref.at[0]!.path, bytes(100).reverse());
    await expect(here.get(ref)).rejects.toMatchObject({
      failure: {
        kind: 'fetch-failed',
        block: { id: 'x:1' },
        message: 'block x:1 cannot be read (b: the checksum differs)',
      },
    });
    writeFileSync(ref.at[0]!.path, bytes(99));
    await expect(here.get(ref)).rejects.toThrow(/x:1 cannot be read/);
    await expect(here.get({ ...ref, at: [] })).rejects.toThrow('nobody holds it');
  });

  it('are read from whoever still has them', async () => {
    const [b, c] = [await remote('b'), await remote('c')];
    const here = new BlockFiles(home('a'));
    const first = await b.put('x:1', 's', bytes(100));
    const second = await c.put('x:1', 's', bytes(100));
    const ref: BlockRef = { ...first, at: [...first.at, ...second.at] };
    b.release('s');
    expect((await here.get(ref)).equals(bytes(100))).toBe(true);
  });
});
