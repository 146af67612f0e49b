import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readContext } from '../../../test/support/read-context.js';
import { packUnits } from './source.js';
import { type TextOptions, textSource } from './text.js';
import { read } from './text-reader.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-text-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(directory, name), content);
  return join(directory, name);
}

async function lines(path: string, options: TextOptions = {}, partitions = 1): Promise<string[]> {
  const source = textSource(path, options);
  const found: string[] = [];
  for (const split of packUnits(await source.units(), partitions))
    for await (const chunk of read(source.options, split, readContext())) found.push(...chunk);
  return found;
}

describe('text', () => {
  it.each([
    ['', []],
    ['a', ['a']],
    ['a\n', ['a']],
    ['a\n\n', ['a', '']],
    ['\n', ['']],
    ['a\r\nb\r\n', ['a', 'b']],
    ['\uFEFFå\n日本', ['å', '日本']],
  ])('splits %j into lines', async (text, expected) => {
    expect(await lines(file('a.txt', text))).toEqual(expected);
    expect(await lines(file('a.gz', gzipSync(text)))).toEqual(expected);
  });

  it('names a gzip file that breaks off, or is none', async () => {
    const path = file('a.gz', gzipSync('text').subarray(0, -6));
    await expect(lines(path)).rejects.toThrow(`${path}: the gzip file is damaged or breaks off`);
    await expect(lines(file('b.gz', 'text'))).rejects.toThrow('b.gz: the gzip file is damaged');
  });

  it('gives the same lines however small the pieces and however many the partitions', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 12 }), { maxLength: 12 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 5 }),
        async (texts, closed, unitBytes, partitions) => {
          const clean = texts.map((text) => text.replace(/[\r\n\uFEFF]/g, ''));
          const path = file('a.txt', clean.join('\n') + (closed && clean.length > 0 ? '\n' : ''));
          const whole = await lines(path);
          const wanted = clean.at(-1) === '' && !closed ? clean.slice(0, -1) : clean;
          expect(whole).toEqual(wanted);
          expect(await lines(path, { unitBytes }, partitions)).toEqual(whole);
        },
      ),
      { numRuns: 200, seed: 1 },
    );
  });

  it('reads lines longer than a chunk', async () => {
    const long = 'x'.repeat(3_000_000);
    const path = file('a.txt', `${long}\nshort\n${long}`);
    expect((await lines(path, { unitBytes: 1_000_000 })).map((line) => line.length)).toEqual([3e6, 5, 3e6]);
  });

  it('cuts big files into pieces of about equal size', async () => {
    const path = file('a.txt', 'abcdefghi\n'.repeat(10));
    const units = await textSource(path, { unitBytes: 40 }).units();
    expect(units.map(({ start, end, bytes }) => [start, end, bytes])).toEqual([
      [0, 33, 33],
      [33, 66, 33],
      [66, 100, 34],
    ]);
  });

  it('orders the files of a directory by path and names what is missing', async () => {
    file('b.txt', '2\n');
    file('a.txt', '1\n');
    file('_SUCCESS', 'no');
    file('.hidden', 'no');
    expect(await lines(directory)).toEqual(['1', '2']);
    expect(await lines(join(directory, '*.txt'))).toEqual(['1', '2']);
    expect(await lines(join(directory, '{b,a}.txt'))).toEqual(['1', '2']);
    await expect(lines(join(directory, 'c.txt'))).rejects.toThrow('c.txt: no such file');
    await expect(lines('ftp://host/key')).rejects.toThrow('"ftp" is no storage');
  });

  it('names symbolic links that lead nowhere or round in circles, and follows others', async () => {
    const folder = join(directory, 'links');
    mkdirSync(join(folder, 'sub'), { recursive: true });
    const link = (target: string) => symlinkSync(target, join(folder, 'sub', 'l.txt'));
    link('missing');
    await expect(lines(folder)).rejects.toThrow(`${folder}/sub/l.txt: the symbolic link leads to nothing`);
    for (const circle of ['l.txt', '..', '.']) {
      rmSync(join(folder, 'sub', 'l.txt'));
      link(circle);
      await expect(lines(folder)).rejects.toThrow(
        /sub\/l.txt: the symbolic link leads (back )?to (itself|a directory)/,
      );
    }
    rmSync(join(folder, 'sub', 'l.txt'));
    link(file('elsewhere.txt', 'a\nb\n'));
    expect(await lines(folder)).toEqual(['a', 'b']);
  });

  it('names a file that went away before it was read', async () => {
    for (const name of ['a.txt', 'a.gz']) {
      const path = join(directory, name);
      const split = { bytes: 1, units: [{ path, start: 0, end: 1, bytes: 1 }] };
      await expect(read({}, split, readContext()).next()).rejects.toThrow(`${path}: no such file here`);
    }
  });
});
