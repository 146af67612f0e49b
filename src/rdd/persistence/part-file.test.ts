import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RecordBatch, tableFromArrays } from 'apache-arrow';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Chunk, NumberRange, rowsOf } from '../chunks.js';
import { Pairs } from '../columns.js';
import { readPartFile, writePartFile } from './part-file.js';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-part-'));
  path = join(directory, 'part-00000');
});
afterEach(() => rmSync(directory, { recursive: true }));

async function* stream(chunks: readonly Chunk[]) {
  yield* chunks;
}

async function rowsIn(bytes: number): Promise<unknown[]> {
  const rows: unknown[] = [];
  for await (const chunk of readPartFile(path, bytes)) rows.push(...rowsOf(chunk));
  return rows;
}

const batch = tableFromArrays({ x: new Float32Array([1.5, 2.5]) }).batches[0] as RecordBatch;
const chunks: Chunk[] = [
  ['a', { b: 1 }],
  batch,
  new Pairs(new Float64Array([1, 2]), ['x', 'y']),
  new Float64Array([0.5, Number.NaN]),
  new NumberRange(0, 2, 1, 3),
];

describe('a part file', () => {
  it('holds every kind of chunk, in order', async () => {
    const rows = await rowsIn(await writePartFile(path, stream(chunks)));
    expect(rows).toEqual(['a', { b: 1 }, { x: 1.5 }, { x: 2.5 }, [1, 'x'], [2, 'y'], 0.5, Number.NaN, 2, 4, 6]);
  });

  it('holds rows that look alike as columns, and gives the same rows', async () => {
    class Two extends Array<number> {}
    const alike: Chunk[] = [
      [1, -0, Number.NaN, 2 ** 40],
      [
        ['a', 1],
        ['b', undefined],
      ],
      [
        [1, 2],
        [3, 4],
      ],
      [[1, 2], Two.from([3, 4])],
      [1, undefined],
      [[1, 2], [3]],
    ];
    const rows = await rowsIn(await writePartFile(path, stream(alike)));
    expect(rows).toEqual(alike.flatMap((chunk) => [...rowsOf(chunk)]));
    expect(Object.is(rows[1], -0)).toBe(true);
  });

  it('is empty for a partition without rows', async () => {
    expect(await rowsIn(await writePartFile(path, stream([])))).toEqual([]);
  });

  it('is there whole or not at all', async () => {
    const failing = async function* () {
      yield [1, 2, 3];
      throw new Error('half-way');
    };
    await expect(writePartFile(path, failing())).rejects.toThrow('half-way');
    expect(readdirSync(directory)).toEqual([]);
  });

  it('tells damage of every kind', async () => {
    const bytes = await writePartFile(path, stream(chunks));
    const whole = readFileSync(path);
    const damaged = (change: (copy: Buffer) => Buffer) => {
      writeFileSync(path, change(Buffer.from(whole)));
      return expect(rowsIn(bytes)).rejects.toThrow(/part-00000 is damaged/);
    };
    await damaged((copy) => copy.subarray(0, bytes - 1));
    await damaged((copy) => {
      copy[bytes - 9]! ^= 1;
      return copy;
    });
    await damaged((copy) => {
      copy.writeUIntLE(2 ** 40, 0, 6);
      return copy;
    });
  });
});
