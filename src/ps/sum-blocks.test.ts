import { describe, expect, it } from 'vitest';
import type { BlockRef } from '../protocol/block.js';
import type { TaskContext } from '../protocol/program.js';
import { readSums, writeSums } from './sum-blocks.js';

/** Blocks in a map; what travels goes through JSON, as messages do. */
function memory() {
  const held = new Map<string, Buffer>();
  const metrics = { bytesIn: 0, bytesOut: 0, fetchMs: 0, writeMs: 0 };
  const blocks = {
    put: async (id: string, scope: string, bytes: Uint8Array) => {
      held.set(`${scope}/${id}`, Buffer.from(bytes));
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
    const written = JSON.parse(JSON.stringify(await writeSums(nodes, 'gradient:4', 'fit-1/g0', context)));
    expect(JSON.stringify(written).length).toBeLessThan(330);
    expect([...held.keys()]).toEqual(['fit-1/g0/gradient:4:2.1', 'fit-1/g0/gradient:4:0.3']);
    expect(await readSums(written, context)).toEqual(nodes);
    expect(metrics).toMatchObject({ bytesOut: 40, bytesIn: 40 });
  });
});
