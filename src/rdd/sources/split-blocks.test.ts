import { expect, it } from 'vitest';
import { readContext } from '../../../test/support/read-context.js';
import type { BlockRef } from '../../protocol/block.js';
import { loadSplit, storeSplits } from './split-blocks.js';

it('puts long splits into blocks, sends short ones as they are, and gives both back', async () => {
  const kept = new Map<string, Uint8Array>();
  const { blocks } = readContext({
    blocks: {
      async put(id, scope, content) {
        const bytes = Buffer.from(content as Uint8Array);
        kept.set(`${scope} ${id}`, bytes);
        return { id, scope, bytes: bytes.length, crc32: 0, at: [] };
      },
      get: async ({ scope, id }: BlockRef) => Buffer.from(kept.get(`${scope} ${id}`)!),
      copy: async (ref) => ({ ...ref, from: 'here' }),
      drop() {},
    },
  });
  const short = { bytes: 1, units: [{ path: 'é.csv', bytes: 1 }] };
  const long = { bytes: 2, units: Array.from({ length: 5000 }, (_, k) => ({ path: `é-${k}.csv`, bytes: 1 })) };
  const stored = await storeSplits([short, long, null], 'app/splits-0', blocks);
  expect([...kept.keys()]).toEqual(['app/splits-0 split:1']);
  expect(stored[0]).toBe(short);
  expect(JSON.stringify(stored).length).toBeLessThan(1000);
  expect(await Promise.all(stored.map((split) => loadSplit(split, blocks)))).toEqual([short, long, null]);
});
