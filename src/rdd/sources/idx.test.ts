import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fullSet, fullSetsWanted } from '../../../test/data/full-sets.js';
import { loadTable, TestFolder } from '../../../test/support/load-source.js';
import { type IdxOptions, idxSource } from './idx.js';

let folder: TestFolder;
beforeEach(() => {
  folder = new TestFolder();
});
afterEach(() => folder[Symbol.dispose]());

function idx(type: number, shape: number[], data: ArrayLike<number> | Buffer): Buffer {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head[2] = type;
  head[3] = shape.length;
  for (const [k, size] of shape.entries()) head.writeUInt32BE(size, 4 + 4 * k);
  return Buffer.concat([head, Buffer.from(data as Buffer)]);
}
const images = idx(
  8,
  [5, 2, 3],
  Array.from({ length: 30 }, (_, k) => k * 8),
);
const labels = idx(8, [5], [3, 1, 4, 1, 5]);
const model = [3, 1, 4, 1, 5].map((label, r) => ({ features: [0, 1, 2, 3, 4, 5].map((k) => (r * 6 + k) * 8), label }));
const load = (path: string, marks?: string, options: IdxOptions = {}, partitions = 1) =>
  loadTable(idxSource(path, marks, options), partitions);

describe('idx', () => {
  it('reads images and labels, in as many pieces as wanted, packed or not', async () => {
    const plain = [folder.file('images', images), folder.file('labels', labels)] as const;
    const packed = [folder.file('images.gz', gzipSync(images)), folder.file('labels.gz', gzipSync(labels))] as const;
    for (const unitBytes of [1, 13, 1000]) {
      const table = await load(...plain, { unitBytes }, 4);
      expect(table.rows).toEqual(model);
      expect(table.units.length).toBe(unitBytes === 1000 ? 1 : unitBytes === 1 ? 30 : 3);
      expect((await load(packed[0], packed[1], { unitBytes })).rows).toEqual(model);
      expect((await load(plain[0], packed[1], { unitBytes })).rows).toEqual(model);
    }
    const alone = await load(plain[0], undefined, { scale: true });
    expect(alone.rows).toEqual(
      model.map(({ features }) => ({ features: features.map((byte) => Math.fround(byte / 255)) })),
    );
    expect(alone.schema.fields[0]!.metadata.get('sheaf.shape')).toBe('[2,3]');
  });

  it('reads the other types of numbers', async () => {
    const floats = Buffer.alloc(8);
    floats.writeFloatBE(1.5, 0);
    floats.writeFloatBE(-2, 4);
    expect((await load(folder.file('f', idx(13, [2, 1], floats)))).rows).toEqual([
      { features: [1.5] },
      { features: [-2] },
    ]);
    const shorts = Buffer.alloc(4);
    shorts.writeInt16BE(-300, 0);
    shorts.writeInt16BE(7, 2);
    expect((await load(folder.file('s', idx(11, [1, 2], shorts)))).rows).toEqual([{ features: [-300, 7] }]);
  });

  it('refuses what is no idx file, is not whole or does not belong together', async () => {
    const whole = folder.file('images', images);
    await expect(load(folder.file('text', 'label 1'))).rejects.toThrow('text: this is no idx file');
    await expect(load(folder.file('packed', gzipSync(images)))).rejects.toThrow('packed by gzip: name it .gz');
    await expect(load(folder.file('half', images.subarray(0, 40)))).rejects.toThrow(
      'half: an array of 5 x 2 x 3 uint8 takes 46 bytes, the file has 40; it is not whole',
    );
    await expect(load(folder.file('half.gz', gzipSync(images.subarray(0, 40))))).rejects.toThrow('before its last row');
    await expect(load(whole, folder.file('few', idx(8, [4], [1, 2, 3, 4])))).rejects.toThrow('4 labels for the 5 rows');
    await expect(load(whole, whole)).rejects.toThrow('labels are one list of bytes, this is an array of 5 x 2 x 3');
  });

  if (fullSetsWanted)
    it('reads Fashion-MNIST', async () => {
      const data = `${fullSet('fashion_mnist_idx')}/fashion_mnist_idx`;
      const { batches, units } = await load(
        `${data}/train-images-idx3-ubyte`,
        `${data}/train-labels-idx1-ubyte`,
        {},
        2,
      );
      expect(units.length).toBe(3);
      expect(batches.reduce((sum, batch) => sum + batch.numRows, 0)).toBe(60_000);
      let [sum, perClass] = [0, new Array(10).fill(0)];
      for (const batch of batches) {
        for (const value of batch.data.children[0]!.children[0]!.values as Float32Array) sum += value;
        for (const label of batch.data.children[1]!.values as Int32Array) perClass[label]++;
      }
      expect(perClass).toEqual(new Array(10).fill(6000));
      expect(sum / 47_040_000).toBeCloseTo(72.94, 2); // 0.2860 of 255, the mean that is published
    });
});
