import { expect, it } from 'vitest';
import { checkServerOptions, SERVER_OPTION_FORMS, type ServerOptions } from './options.js';

const fits = (name: keyof ServerOptions, value: unknown) => SERVER_OPTION_FORMS[name][0](value);

it.each([
  ['servers', ['auto', 1, 8], [0, 1.5, 'many', null]],
  [
    'sharding',
    ['even', 'ring', { kind: 'greedy', sorted: true }, { kind: 'chunks', bytes: 4096 }, { kind: 'even' }],
    ['odd', { kind: 'ring', virtual: 0 }, { kind: 'even', bytes: 1 }, { kind: 'chunks', byte: 1 }, {}, null],
  ],
  [
    'consistency',
    ['sync', 'async', { staleness: 0 }, { staleness: 8 }],
    ['bsp', { staleness: -1 }, { stale: 1 }, null],
  ],
  ['replicas', [0, 2], [-1, 'auto']],
  ['dynSGD', [true, false], [1]],
  ['consistencyOf', [() => 'sync'], ['sync']],
  ['filters', [{}, { cache: true }, { wire: 'bf16' }], [{ caches: true }, { cache: 1 }, { wire: 'int8' }, null]],
] as const)('%s: what it may be, and what not', (name, good, bad) => {
  for (const value of good) expect(fits(name, value)).toBe(true);
  for (const value of bad) expect(fits(name, value)).toBe(false);
});

it('asks for as many servers as replicas need', () => {
  expect(() => checkServerOptions({ servers: 2, replicas: 2 })).toThrow(/2 replicas need 3 servers, not 2/);
  checkServerOptions({ replicas: 2 });
  checkServerOptions({ servers: 3, replicas: 2 });
});
