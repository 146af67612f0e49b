import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadChunks, TestFolder } from '../../../test/support/load-source.js';
import { wholeFilesSource } from './binary.js';

let folder: TestFolder;
beforeEach(() => {
  folder = new TestFolder();
});
afterEach(() => folder[Symbol.dispose]());

const rows = async (as: 'bytes' | 'text', partitions: number) =>
  (await loadChunks<any[]>(wholeFilesSource(`${folder.path}/d`, as), partitions)).chunks.flat();

describe('whole files', () => {
  it('are rows of path and bytes, or of path and text', async () => {
    const paths = [
      folder.file('d/a.txt', '\uFEFFone\r\ntwo\n'),
      folder.file('d/b.txt', ''),
      folder.file('d/c.gz', gzipSync('packed')),
      folder.file('d/sub/d.txt', 'x'.repeat(3_000_000)),
    ];
    for (const partitions of [1, 3]) {
      const text = await rows('text', partitions);
      expect(text).toEqual(paths.map((path, k) => [path, ['one\r\ntwo\n', '', 'packed', 'x'.repeat(3_000_000)][k]]));
      const bytes = await rows('bytes', partitions);
      expect(bytes.map(({ path }) => path)).toEqual(paths);
      expect([...bytes[0].bytes.subarray(0, 4)]).toEqual([0xef, 0xbb, 0xbf, 111]);
      expect(bytes[2].bytes).toEqual(new Uint8Array(gzipSync('packed')));
    }
  });

  it('that are no text are refused as such', async () => {
    const path = folder.file('d/a.bin', Buffer.from([0xff, 0xfe]));
    await expect(rows('text', 1)).rejects.toThrow(`${path}: the file is no UTF-8 text`);
    expect((await rows('bytes', 1))[0].bytes).toEqual(new Uint8Array([0xff, 0xfe]));
  });
});
