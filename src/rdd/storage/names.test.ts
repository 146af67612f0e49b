import { expect, it } from 'vitest';
import { isGzip, isHiddenFrom, literalFolder, withoutSecrets } from './names.js';

it.each([
  ['https://me:pw@host/a.csv?sig=x&y=z: no such file', 'https://host/a.csv?…: no such file'],
  ['http://host/a.csv: line 3', 'http://host/a.csv: line 3'],
  ['(https://host/a?b) and https://u@h/c?d#e.', '(https://host/a?…) and https://h/c?….'],
  ['s3://id:key@bucket/a?b: no such bucket', 's3://bucket/a?b: no such bucket'],
  ['s3://bucket/a?b and /tmp/a?b', 's3://bucket/a?b and /tmp/a?b'],
])('%s is shown as %s', (text, shown) => {
  expect(withoutSecrets(text)).toBe(shown);
});

it.each([
  ['a/*.txt', 'a/_x.txt', true],
  ['a/*.txt', 'a/x.txt', false],
  ['a/**/*.txt', 'a/_temporary/x.txt', true],
  ['a/**/*.txt', 'a/b/.c/x.txt', true],
  ['_a/*.txt', '_a/x.txt', false],
  ['a/_b/**', 'a/_b/c', false],
  ['a/_b/**', 'a/_b/_c', true],
  ['*/_b/x.txt', 'a/_b/x.txt', false],
])('%s leaves out %s: %s', (pattern, path, hidden) => {
  expect(isHiddenFrom(pattern, path)).toBe(hidden);
});

it('knows what stands before a pattern', () => {
  expect(['a/b*/c', '{b,a}.txt', '/x/y/?', 'a/[1]'].map(literalFolder)).toEqual(['a/', '', '/x/y/', 'a/']);
});

it('knows packed files by their names', () => {
  expect(['a.gz', 'https://h/a.csv.GZ?x=1', 'a.gz.txt', 'agz'].map(isGzip)).toEqual([true, true, false, false]);
});
