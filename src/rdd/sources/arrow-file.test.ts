import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import {
  Dictionary,
  Int32,
  type RecordBatch,
  RecordBatchFileWriter,
  RecordBatchStreamWriter,
  Table,
  tableFromArrays,
  tableFromIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { batches as anyBatches } from '../../../test/rdd/batches.js';
import { loadTable, TestFolder } from '../../../test/support/load-source.js';
import { type ArrowFileOptions, arrowFileSource } from './arrow-file.js';

let folder: TestFolder;
beforeEach(() => {
  folder = new TestFolder();
});
afterEach(() => folder[Symbol.dispose]());

const load = (path: string | string[], options: ArrowFileOptions = {}, partitions = 1) =>
  loadTable(arrowFileSource(path, options), partitions);

const asFile = (batches: RecordBatch[]) => RecordBatchFileWriter.writeAll(batches).toUint8Array(true);
const asStream = (batches: RecordBatch[]) => RecordBatchStreamWriter.writeAll(batches).toUint8Array(true);
const numbers = (count: number, from = 0) =>
  tableFromArrays({
    x: Float64Array.from({ length: count }, (_, k) => from + k),
    y: Int32Array.from({ length: count }),
  }).batches[0]!;

describe('arrow files', () => {
  it.each([
    ['files', asFile],
    ['streams', asStream],
  ])('are read back from %s of any types, in pieces of any size', async (_, write) => {
    await fc.assert(
      fc.asyncProperty(
        anyBatches(),
        fc.constantFrom(1, 500, 2 ** 20),
        fc.integer({ min: 1, max: 3 }),
        async (model, size, partitions) => {
          const { batch, rows } = model;
          const path = folder.file('a.arrow', write([batch, batch, batch]));
          const { units, rows: found } = await load(path, { unitBytes: size }, partitions);
          expect(found).toEqual([...rows, ...rows, ...rows]);
          expect(units.length).toBe(size === 1 ? 3 : units.length);
        },
      ),
      { numRuns: 60, seed: 4 },
    );
  });

  it('are views of the bytes read: nothing is copied', async () => {
    const path = folder.file('a.arrow', asFile([numbers(100_000), numbers(100_000, 7)]));
    const { batches } = await load(path);
    const [first, second] = batches.map((batch) => batch.data.children[0]!.values as Float64Array);
    expect(first!.buffer).toBe(second!.buffer);
    expect([first![99_999], second![0]]).toEqual([99_999, 7]);
  });

  it('give the wanted columns, wherever each file has them', async () => {
    folder.file('d/a.arrow', asFile([tableFromArrays({ x: [1.5], y: Int32Array.of(2) }).batches[0]!]));
    folder.file('d/b.arrows', asStream([tableFromArrays({ z: [1], y: Int32Array.of(3), x: [2.5] }).batches[0]!]));
    folder.file('d/c.arrow.gz', gzipSync(asFile([tableFromArrays({ y: Int32Array.of(4), x: [3.5] }).batches[0]!])));
    folder.file('d/d.arrow', asFile([tableFromArrays({ x: [1.5], y: Int32Array.of(2) }).batches[0]!.slice(0, 0)]));
    expect((await load(`${folder.path}/d`)).rows).toEqual([
      { x: 1.5, y: 2 },
      { x: 2.5, y: 3 },
      { x: 3.5, y: 4 },
    ]);
    expect((await load(`${folder.path}/d`, { columns: ['y'] }, 3)).rows).toEqual([{ y: 2 }, { y: 3 }, { y: 4 }]);
    await expect(load(`${folder.path}/d`, { columns: ['z'] })).rejects.toThrow('a.arrow: there is no column "z"');
    const other = folder.file('d/e.arrow', asFile([tableFromArrays({ x: ['text'], y: Int32Array.of(2) }).batches[0]!]));
    await expect(load(`${folder.path}/d`)).rejects.toThrow(`${other}: the column "x" is Dictionary<Int32, Utf8>, in`);
  });

  it.each(['lz4', 'zstd'])('with %s buffers, as other programs write them', async (codec) => {
    const path = fileURLToPath(new URL(`../../../test/data/${codec}.arrow`, import.meta.url));
    const { rows } = await load(path, { unitBytes: 1 }, 2);
    expect(rows.length).toBe(601);
    expect(rows.slice(0, 600)).toEqual(
      Array.from({ length: 600 }, (_, i) => ({
        n: i % 7,
        f: 0.25 * (i % 3),
        s: 'word',
        l: new Array(i % 3).fill(1.5),
      })),
    );
    expect(rows[600]).toEqual({ n: null, f: 0, s: 'end', l: [] });
  });

  it('that are cut off, or no Arrow data, are refused by name', async () => {
    const whole = asFile([numbers(100)]);
    const bad = async (content: Uint8Array | string, why: string) => {
      const path = folder.file('bad.arrow', content);
      await expect(load(path)).rejects.toThrow(`${path}: ${why}`);
    };
    await bad(whole.subarray(0, whole.length - 20), 'the Arrow file is cut off: its footer is missing');
    await bad(asStream([numbers(100)]).subarray(0, 700), 'the Arrow data cannot be read: it ends within a message');
    await bad('x,y\n1,2\n3,4\n', 'the Arrow data cannot be read: it is no Arrow file or stream');
    await bad('', 'the Arrow data cannot be read: it is empty');
    await bad('FEA1 and so on', 'Feather version 1 cannot be read');
  });

  it('streams may change a dictionary on the way', async () => {
    const type = new Dictionary(new Utf8(), new Int32(), 5);
    const texts = (...values: string[]) => new Table({ t: vectorFromArray(values, type) }).batches[0]!;
    const bytes = asStream([texts('a', 'b'), texts('c', 'd'), texts('d', 'c')]);
    const expected = tableFromIPC(bytes)
      .toArray()
      .map((row) => row!.toJSON());
    const path = folder.file('a.arrows', bytes);
    for (const unitBytes of [1, 2 ** 20]) expect((await load(path, { unitBytes }, 3)).rows).toEqual(expected);
  });
});
