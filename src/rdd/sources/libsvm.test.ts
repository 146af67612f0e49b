import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadTable, TestFolder } from '../../../test/support/load-source.js';
import { type LibsvmOptions, libsvmSource } from './libsvm.js';

let folder: TestFolder;
beforeEach(() => {
  folder = new TestFolder();
});
afterEach(() => folder[Symbol.dispose]());

const load = (path: string, options: LibsvmOptions = {}, partitions = 1) =>
  loadTable(libsvmSource(path, options), partitions);

describe('libsvm', () => {
  it('reads label and features, what is not named being 0', async () => {
    const path = folder.file('a.svm', '1 1:0.5 3:-2\n\n# a comment\n-1.5 2:1e3 # 4:7\n+1 qid:3\n');
    const { rows, schema } = await load(path);
    expect(rows).toEqual([
      { label: 1, features: [0.5, 0, -2] },
      { label: -1.5, features: [0, 1000, 0] },
      { label: 1, features: [0, 0, 0] },
    ]);
    expect(String(schema.fields[1]!.type)).toBe('FixedSizeList[3]<Float32>');
    expect((await load(path, { numFeatures: 5 })).rows[0]).toEqual({ label: 1, features: [0.5, 0, -2, 0, 0] });
  });

  it('keeps rows sparse when asked, with indices from 0', async () => {
    const path = folder.file('a.svm', '1 1:0.5 30:-2\n0\n');
    expect((await load(path, { sparse: true })).rows).toEqual([
      { label: 1, indices: [0, 29], values: [0.5, -2] },
      { label: 0, indices: [], values: [] },
    ]);
  });

  it.each([
    ['one 1:2', 'the label "one" is not a number'],
    ['1 0:2', '"0:2": indices begin with 1'],
    ['1 2:1 2:3', '"2:3": indices must rise, and the one before is 2'],
    ['1 x:1', '"x:1" is no index:value'],
    ['1 3:', '"3:" is no index:value'],
    ['1 9:1', '"9:1": the index is beyond numFeatures, which is 4'],
  ])('refuses the line %j, naming file and line', async (line, why) => {
    const path = folder.file('a.svm', `${'1 1:1\n'.repeat(20)}${line}\n`);
    const options: LibsvmOptions = { numFeatures: 4, unitBytes: 32 };
    await expect(load(path, options)).rejects.toThrow(`${path}, line 21: ${why}`);
    const { rows, counters } = await load(path, { ...options, badRows: 'drop' });
    expect([rows.length, counters]).toEqual([20, { badRows: 1 }]);
  });

  it('gives back any rows, whatever the pieces', async () => {
    const row = fc.record({
      label: fc.integer({ min: -3, max: 3 }),
      features: fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 6, maxLength: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 20 }), fc.integer({ min: 20, max: 200 }), async (rows, unitBytes) => {
        const text = rows.map(({ label, features }) => {
          const items = features.map((value, k) => (value === 0 ? '' : ` ${k + 1}:${value}`));
          return `${label}${items.join('')}\n`;
        });
        const path = folder.file('a.svm', text.join(''));
        const found = await load(path, { numFeatures: 6, unitBytes }, 3);
        expect(found.rows).toEqual(
          rows.map(({ label, features }) => ({ label, features: features.map((value) => value + 0) })),
        );
      }),
      { numRuns: 60, seed: 4 },
    );
  });

  const samples = fileURLToPath(new URL('../../../../shared/data/spark_mllib', import.meta.url));
  if (existsSync(samples))
    it("reads Spark's own samples", async () => {
      const classes = await load(`${samples}/sample_multiclass_classification_data.txt`);
      expect([classes.rows.length, classes.rows[0]]).toEqual([
        150,
        { label: 1, features: [-0.222222, 0.5, -0.762712, -0.833333].map(Math.fround) },
      ]);
      const wide = await load(`${samples}/sample_libsvm_data.txt`, {}, 2);
      expect([wide.rows.length, (wide.rows[0]!.features as number[]).length]).toEqual([100, 692]);
    });
});
