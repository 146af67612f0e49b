import { readFileSync } from 'node:fs';
import { Float64, Table, vectorFromArray } from 'apache-arrow';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadChunks, TestFolder } from '../../../test/support/load-source.js';
import { type Chunk, rowsOf } from '../chunks.js';
import { objectFormat } from '../sinks/object-format.js';
import { objectFileSource } from './object-file.js';

let folder: TestFolder;
beforeEach(() => {
  folder = new TestFolder();
});
afterEach(() => folder[Symbol.dispose]());

async function write(name: string, chunks: readonly Chunk[]): Promise<string> {
  const parts: Uint8Array[] = [];
  const given = (async function* () {
    yield* chunks;
  })();
  for await (const part of objectFormat.encode(given, {}, { name: 'save' })) parts.push(part);
  return folder.file(name, Buffer.concat(parts));
}
const load = async (path: string, unitBytes?: number, partitions = 1) => {
  const { chunks, units } = await loadChunks<Chunk>(objectFileSource(path, { unitBytes }), partitions);
  return { rows: chunks.flatMap((chunk) => [...rowsOf(chunk)]), units, chunks };
};

describe('object files', () => {
  it('give back what was written, in as many pieces as wanted', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.anything({ withDate: true, withMap: true, withBigInt: true }), { maxLength: 5 }), {
          maxLength: 5,
        }),
        async (chunks) => {
          const path = await write('a.obj', chunks);
          const { rows } = await load(path, 1);
          expect(rows).toEqual(structuredClone(chunks.flat(1)));
        },
      ),
      { numRuns: 60, seed: 4 },
    );
    const many = Array.from({ length: 20 }, (_, k) => Array.from({ length: 5000 }, (_, i) => k * 5000 + i));
    const path = await write('b.obj', many);
    for (const [unitBytes, pieces] of [
      [1, 5],
      [2 ** 30, 1],
    ] as const) {
      const { rows, units } = await load(path, unitBytes, 3);
      expect([units.length, rows.length, rows[77_777]]).toEqual([pieces, 100_000, 77_777]);
    }
  });

  it('keep typed columns and record batches what they are', async () => {
    const batch = new Table({ x: vectorFromArray([1, null, 3], new Float64()) }).batches[0]!;
    const { chunks, rows } = await load(await write('a.obj', [Float64Array.of(1, 2), batch]));
    expect(chunks[0]).toEqual(Float64Array.of(1, 2));
    expect(rows).toEqual([1, 2, { x: 1 }, { x: null }, { x: 3 }]);
  });

  it('that are cut off, or something else, are refused by name', async () => {
    const path = await write('a.obj', [['text', 1, 2]]);

    const half = folder.file('half.obj', readFileSync(path).subarray(0, -3));
    for (const unitBytes of [1, 1000]) {
      await expect(load(half, unitBytes)).rejects.toThrow(`${half}: the object file is cut off`);
      const other = folder.file('other.obj', 'hello world, this is text');
      await expect(load(other, unitBytes)).rejects.toThrow(`${other}: this was not written by saveAsObjectFile`);
    }
  });
});
