import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Bool,
  Decimal,
  Float16,
  Float32,
  Float64,
  Int8,
  Int64,
  makeData,
  RecordBatch,
  Uint32,
  vectorFromArray,
} from 'apache-arrow';
import { EventBus, MLPClassifier, SheafContext, StandardScaler, type TimedEvent } from 'sheaf';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { transform } from '../../src/rdd/assemble-step.js';
import { blobs, readBlobs, writeBlobs } from './blobs.js';

let directory: string;
let sc: SheafContext;
const events: TimedEvent[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-tables-'));
  const bus = new EventBus();
  bus.listen((event) => events.push(event));
  sc = await SheafContext.create({ master: 'local[2]', bus, conf: { 'sheaf.eventLog.enabled': 'false' } });
});
afterAll(async () => {
  await sc.stop();
  rmSync(directory, { recursive: true });
});

function csv(name: string, text: string) {
  const path = join(directory, name);
  writeFileSync(path, text);
  return sc.csv(path);
}

describe('assemble', () => {
  it('puts columns of numbers side by side and keeps the others', async () => {
    const table = csv('plain.csv', 'a,b,c,name\n1,2.5,true,x\n-3,4e10,false,y\n').assemble(['b', 'a', 'c']);
    const rows = await table.map(({ features, ...row }) => ({ ...row, features: [...(features as Iterable<number>)] }));
    expect(await rows.collect()).toEqual([
      { a: 1, b: 2.5, c: true, name: 'x', features: [2.5, 1, 1] },
      { a: -3, b: 4e10, c: false, name: 'y', features: [4e10, -3, 0] },
    ]);
  });

  it('takes any Arrow number type, slices and nulls', async () => {
    const columns = {
      int8: vectorFromArray([1, -2, 3], new Int8()),
      uint32: vectorFromArray([4294967295, 0, 1], new Uint32()),
      int64: vectorFromArray([-(2n ** 40n), 5n, 6n], new Int64()),
      half: vectorFromArray([0.5, -1.5, 2], new Float16()),
      single: vectorFromArray([0.1, 0.2, 0.3], new Float32()),
      double: vectorFromArray([0.1, null, 0.3], new Float64()),
      bool: vectorFromArray([true, false, true], new Bool()),
    };
    const words = Uint32Array.of(12345, 0, 0, 0, 0xffffffff - 249, 0xffffffff, 0xffffffff, 0xffffffff, 7, 0, 0, 0);
    const decimal = makeData({ type: new Decimal(2, 10, 128), length: 3, nullCount: 0, data: words });
    const children = Object.fromEntries(Object.entries(columns).map(([name, vector]) => [name, vector.data[0]!]));
    const batch = new RecordBatch({ ...children, decimal });
    const names = [...Object.keys(columns), 'decimal'];
    const given = [batch, batch.slice(1, 3)];
    const counts: number[] = [];
    const out: number[][] = [];
    async function* chunks() {
      yield* given;
    }
    const report = (_counter: string, amount: number) => counts.push(amount);
    const step = { name: 'assemble at job.ts:1', report, partition: 0 };
    const steps = transform(chunks(), { columns: names, into: 'all', badRows: 'drop' }, undefined as never, step);
    for await (const each of steps)
      for (const row of (each as RecordBatch).getChild('all')!) out.push([...(row as Iterable<number>)]);
    const first = [1, 4294967295, -(2 ** 40), 0.5, 0.1, 0.1, 1, 123.45].map(Math.fround);
    const third = [3, 1, 6, 2, 0.3, 0.3, 1, 0.07].map(Math.fround);
    expect(out).toEqual([first, third, third]);
    expect(counts).toEqual([1, 1]);
  });

  const table = (text: string) => csv(`bad-${events.length}.csv`, text);
  it.each([
    ['a missing value', 'a,b\n1,2\n3,\n', /column "b" has no value in row 2 of the partition.*badRows: 'drop'/],
    ['NaN', 'a,b\n1,2\n3,4\nNaN,4\n', /column "a" has no value in row 3 of the partition/],
    ['an infinite value', 'a,b\n1,2.5\n3,inf\n', /column "b" has the value Infinity in row 2/],
    [
      'a value beyond float32',
      'a,b\n1,2\n3,1e39\n',
      /column "b" has the value 1e\+39 in row 2 .* beyond 32-bit floats/,
    ],
    ['text', 'a,b\n1,x\n3,y\n', /column "b" holds Utf8, no numbers; leave it out, or map/],
    ['a missing column', 'a,c\n1,2\n', /there is no column "b"; there are a, c/],
  ])('refuses %s, naming column and row', async (_what, text, message) => {
    await expect(table(text).assemble(['a', 'b']).count()).rejects.toThrow(message);
    await expect(table(text).assemble(['a', 'b']).count()).rejects.toThrow(/assemble at tables\.test\.ts:\d+/);
  });

  it('leaves out rows it is told to, and counts them', async () => {
    const rows = 'a,b\n1,2\n3,\n,5\ninf,6\n7,8\n';
    expect(
      await table(rows)
        .assemble(['a', 'b'], 'f', { badRows: 'drop' })
        .map((row) => row.b)
        .collect(),
    ).toEqual([2, 8]);
    expect(events.findLast((event) => event.event === 'dropped')).toMatchObject({ what: 'badRows', count: 3 });
  });

  it('refuses wrong arguments at once', () => {
    const one = table('a,b\n1,2\n');
    expect(() => one.assemble([])).toThrow('assemble needs an array of columns');
    expect(() => one.assemble('a' as never)).toThrow("at least one, not 'a'");
    expect(() => one.assemble(['a', 'b', 'a'])).toThrow('the column "a" twice');
    expect(() => one.assemble(['a'], 'f', { badRows: 'skip' as never })).toThrow("'error' or 'drop', not 'skip'");
  });

  it('refuses a name that is taken', async () => {
    await expect(table('a,b\n1,2\n').assemble(['a'], 'b').count()).rejects.toThrow('there is already a column "b"');
  });
});

describe('StandardScaler', () => {
  it('has the same bits for every partitioning', async () => {
    const folder = writeBlobs(join(directory, 'scaled'), blobs(500), 7);
    const models = await Promise.all(
      [1, 2, 3, 7].map((partitions) => new StandardScaler().fit(readBlobs(sc, folder, 4, partitions))),
    );
    for (const { model } of models) expect(model).toEqual(models[0]!.model);
    const scaled = models[0]!.transform(readBlobs(sc, folder, 4, 3));
    const rows = await scaled.map((row) => [...(row.features as Iterable<number>)]).collect();
    for (let k = 0; k < 4; k++) {
      const mean = rows.reduce((sum, row) => sum + row[k]!, 0) / 500;
      const variance = rows.reduce((sum, row) => sum + (row[k]! - mean) ** 2, 0) / 500;
      expect(mean).toBeCloseTo(0, 5);
      expect(variance).toBeCloseTo(1, 5);
    }
  });

  it('makes zeros of a constant column, on which a network trains', async () => {
    const table = csv('constant.csv', 'a,b,label\n1,7.3,x\n2,7.3,y\n3,7.3,x\n4,7.3,y\n').assemble(['a', 'b']);
    const scaled = (await new StandardScaler().fit(table)).transform(table);
    expect(await scaled.map((row) => [...(row.features as Iterable<number>)][1]).collect()).toEqual([0, 0, 0, 0]);
    const model = await new MLPClassifier({ hidden: [4], epochs: 2 }).fit(scaled);
    expect(model.losses.every(Number.isFinite)).toBe(true);
  });

  it('refuses a table without rows, and features that are no lists of floats', async () => {
    const table = csv('empty.csv', 'a,label\n1,x\n');
    const none = table.assemble(['a']).where('label', () => false);
    await expect(new StandardScaler().fit(none)).rejects.toThrow(
      'StandardScaler.fit: the table has no rows to scale "features" by (all left out, or in the test set?)',
    );
    await expect(new StandardScaler('a').fit(table)).rejects.toThrow(
      /column "a" is Float64; .*FixedSizeList of Float32/,
    );
    await expect(new StandardScaler('b').fit(table)).rejects.toThrow('there is no column "b"; there are a, label');
  });
});

describe('columns that are not what they should be', () => {
  it('are told by name', async () => {
    const table = csv('names.csv', 'a,label\n1,x\n2,y\n').assemble(['a']);
    const classifier = new MLPClassifier({ epochs: 1 });
    await expect(classifier.fit(table, { features: 'f' })).rejects.toThrow('there is no column "f"');
    await expect(classifier.fit(table, { label: 'species' })).rejects.toThrow(
      'there is no column "species"; there are a, label, features',
    );
    await expect(classifier.fit(table, { features: 'label' })).rejects.toThrow('column "label" is Utf8');
  });

  it('a label that is missing, by row and partition', async () => {
    const table = csv('unlabelled.csv', 'a,label\n1,x\n2,\n').assemble(['a']);
    await expect(new MLPClassifier({ epochs: 1 }).fit(table)).rejects.toThrow(
      /MLPClassifier\.fit at .* failed in partition 0 of .*: column "label": row 2 of the partition has no label; leave such rows out: where\("label"/,
    );
  });

  it('measurements given as classes', async () => {
    const text = `a,label\n${Array.from({ length: 10_001 }, (_, k) => `1,${k / 7}`).join('\n')}\n`;
    await expect(new MLPClassifier({ epochs: 1 }).fit(csv('many.csv', text).assemble(['a']))).rejects.toThrow(
      'column "label" holds more than 10000 different labels',
    );
  });
});
