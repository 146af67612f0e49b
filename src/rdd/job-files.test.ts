import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { filePath, listJobFiles, provideFiles } from './job-files.js';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-files-'));
  mkdirSync(join(directory, 'sub'));
  for (const name of ['a.txt', 'b.txt', 'sub/a.txt']) writeFileSync(join(directory, name), name);
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('sheaf.files', () => {
  it('lists files by name; blanks and repeats do not matter', () => {
    const a = join(directory, 'a.txt');
    const b = join(directory, 'b.txt');
    expect([...listJobFiles(` ${a}, ${b} ,,${a}`)]).toEqual([
      ['a.txt', a],
      ['b.txt', b],
    ]);
    expect(listJobFiles('').size).toBe(0);
  });

  it.each([
    ['missing', 'nothing.txt', /sheaf\.files: .*nothing\.txt is missing/],
    ['a directory', 'sub', /sheaf\.files: .*sub is no file/],
    ['of a name used twice', 'a.txt,sub/a.txt', /a\.txt and .*sub\/a\.txt have one name/],
  ])('refuses a file that is %s', (_, names, message) => {
    const setting = names
      .split(',')
      .map((name) => join(directory, name))
      .join(',');
    expect(() => listJobFiles(setting)).toThrow(message);
  });
});

describe('filePath', () => {
  it('finds a file by its name, and says which there are', () => {
    provideFiles(listJobFiles(join(directory, 'a.txt')));
    expect(filePath('a.txt')).toBe(join(directory, 'a.txt'));
    expect(() => filePath('c.txt')).toThrow('filePath: there is no file "c.txt"; the files are a.txt');
    provideFiles(new Map());
    expect(() => filePath('c.txt')).toThrow('no files were given (--files, or sheaf.files)');
  });
});
