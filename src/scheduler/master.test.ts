import { availableParallelism } from 'node:os';
import { expect, it } from 'vitest';
import { parseMaster } from './master.js';

it('reads every form', () => {
  expect(parseMaster('local')).toEqual({ kind: 'local', slots: 1 });
  expect(parseMaster('local[3]')).toEqual({ kind: 'local', slots: 3 });
  expect(parseMaster('local[*]')).toEqual({ kind: 'local', slots: availableParallelism() });
  expect(parseMaster('local-cluster[2, 4]')).toEqual({ kind: 'local-cluster', executors: 2, slots: 4 });
  for (const url of ['redis://h:1', 'rediss://u:p@h', 'redis+unix:///s'])
    expect(parseMaster(url)).toEqual({ kind: 'redis', url });
});

it.each(['', 'local[0]', 'local[x]', 'local-cluster[0,1]', 'local-cluster[1]', 'spark://h', 'http://:secret@h'])(
  'refuses %j, listing the forms and no password',
  (text) => {
    expect(() => parseMaster(text)).toThrow(/is no master; use local, local\[N\].*redis:\/\/HOST:PORT/);
    expect(() => parseMaster(text)).not.toThrow(/secret/);
  },
);
