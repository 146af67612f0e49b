import { pathToFileURL } from 'node:url';
import { transformSync } from 'esbuild';
import { expect, test } from 'vitest';
import { SourceMap } from './source-map.js';

const source = `interface Gone {
  readonly x: number;
}

export const f = (gone: Gone): number => {
  return gone.x;
};
export const g = (y: number): number => y;
`;
const { code, map } = transformSync(source, { loader: 'ts', sourcemap: true, sourcefile: 'job.ts' });
const url = `data:application/json;base64,${Buffer.from(map).toString('base64')}`;
const lines = code.split('\n');
const at = (text: string): { line: number; column: number } => {
  const line = lines.findIndex((each) => each.includes(text));
  return { line, column: lines[line]!.indexOf(text) };
};

test('tells where generated code was written', () => {
  const read = SourceMap.read(url, 'file:///jobs/out.js')!;
  const { line, column } = at('gone.x');
  expect(read.original(line, column)).toEqual({ source: 'file:///jobs/job.ts', line: 5, column: 9 });
});

test('a piece of a map says the same of the piece', () => {
  const read = SourceMap.read(url, 'file:///jobs/out.js')!;
  const from = at('(gone)');
  const piece = SourceMap.read(read.cut(from, at('};'), 3), 'file:///elsewhere.js')!;
  expect(piece.lines.slice(0, 3)).toEqual([[], [], []]);
  expect(piece.original(3, 0)).toEqual(read.original(from.line, from.column));
  expect(piece.original(4, at('gone.x').column)).toEqual(read.original(at('gone.x').line, at('gone.x').column));
  expect(piece.lines).toHaveLength(6);
});

test('names of sources: relative, absolute, and from the root of a vite project', () => {
  const named = (sources: string[], base: string): readonly string[] =>
    SourceMap.read(`data:application/json,${encodeURIComponent(JSON.stringify({ sources, mappings: '' }))}`, base)!
      .sources;
  expect(named(['../a.ts', '/b/c.ts', 'file:///d.ts'], 'file:///x/y/z.js')).toEqual([
    'file:///x/a.ts',
    pathToFileURL('/b/c.ts').href,
    'file:///d.ts',
  ]);
  expect(named(['/src/job.ts'], 'file:///home/me/src/job.ts')).toEqual(['file:///home/me/src/job.ts']);
});

test('a map that cannot be read is no map', () => {
  expect(SourceMap.read('nowhere.js.map', 'file:///not/there.js')).toBeUndefined();
  expect(SourceMap.read('data:application/json,{', 'file:///a.js')).toBeUndefined();
});
