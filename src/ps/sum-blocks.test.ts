import { describe, expect, it } from 'vitest';
import type { BlockRef } from '../protocol/block.js';
import type { TaskContext } from '../protocol/program.js';
import { readSums, type SumBlock, shortRef, sumBytes, wholeRef, writeSums } from './sum-blocks.js';

/** Blocks in a map; what travels goes through JSON, as messages do. */
function memory() {
  const held = new Map<string, Buffer>();
  const metrics = { bytesIn: 0, bytesOut: 0, fetchMs: 0, writeMs: 0 };
  const blocks = {
    put: async (id: string, scope: string, parts: Iterable<Uint8Array>) => {
      const bytes = Buffer.concat([...parts]);
      held.set(`${scope}/${id}`, bytes);
      return { id, scope, bytes: bytes.length, at: [] } as unknown as BlockRef;
    },
    get: async ({ id, scope }: BlockRef) => held.get(`${scope}/${id}`)!,
  };
  return { context: { blocks, metrics } as unknown as TaskContext, metrics, held };
}

describe('sums as blocks', () => {
  it('come back with the same bits; messages hold no vector', async () => {
    const { context, metrics, held } = memory();
    const gradient = Float32Array.of(0, 1, -0, 1e-45, 3.4e38, Number.NaN).subarray(1);
    const nodes = [
      { level: 2, index: 1, value: { gradient, rows: 7, weight: 3.5, lossSum: 0.1 } },
      {
        level: 0,
        index: 3,
        value: { gradient: Float32Array.of(1, 2, 3, 4, 5), rows: 0, weight: 0, lossSum: Number.NaN },
      },
    ];
    const written = JSON.parse(JSON.stringify(await writeSums(nodes, 4, 'fit-1/g0', context))) as SumBlock[];
    expect(JSON.stringify(written).length).toBeLessThan(330);
    expect(written[1]!.lossSum).toBe(null);
    expect([...held.keys()]).toEqual(['fit-1/g0/sum:4:2.1', 'fit-1/g0/sum:4:0.3']);
    const read = await readSums(
      written.map(({ block }) => block),
      context,
    );
    expect(read).toEqual(nodes);
    const bytes = sumBytes(5) + sumBytes(5);
    expect(metrics).toMatchObject({ bytesOut: bytes, bytesIn: bytes });
  });
});

describe('a short reference', () => {
  const location = { holder: 'e0', host: 'h', url: 'http://e0' };
  const at = (path: string) => [{ ...location, path }];
  const home: BlockRef = { id: 'template', scope: 'a/g0', bytes: 9, crc32: 8, at: at('/memory/a/g0/template') };
  const expected = { step: 4, node: { level: 2, index: 1 }, bytes: 84, home };
  const ref: BlockRef = { id: 'sum:4:2.1', scope: 'a/g0', bytes: 84, crc32: 7, at: at('/memory/a/g0/sum%3A4%3A2.1') };

  it('is the checksum of a sum that lies beside what its holder keeps', () => {
    expect(shortRef(ref, expected)).toBe(7);
    expect(wholeRef(7, expected)).toEqual(ref);
  });

  it('is the whole one of a sum that lies elsewhere, as on disk when memory is full', () => {
    const onDisk = { ...ref, at: at('/disk/a/g0/sum%3A4%3A2.1') };
    expect(shortRef(onDisk, expected)).toEqual(onDisk);
    expect(wholeRef(onDisk, expected)).toBe(onDisk);
    expect(shortRef({ ...ref, bytes: 85 }, expected)).toEqual({ ...ref, bytes: 85 });
  });
});
