import { expect, it } from 'vitest';
import { together } from './together.js';

it('gives what all come to, in their order', async () => {
  expect(await together([Promise.resolve(1), Promise.resolve(2)])).toEqual([1, 2]);
});

it('fails when all have ended, with what the first in order failed with', async () => {
  let ended = false;
  const slow = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
    ended = true;
  });
  await expect(together([slow, Promise.reject(new Error('b')), Promise.reject(new Error('c'))])).rejects.toThrow('b');
  expect(ended).toBe(true);
});
