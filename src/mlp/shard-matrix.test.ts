import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nativeAddon } from '../native/addon.js';
import { matrixInFile, matrixInMemory } from './shard-matrix.js';

const directory = () => mkdtempSync(join(tmpdir(), 'shard-matrix-'));
const numbers = Float32Array.from({ length: 5000 * 3 }, (_, i) => i / 7);

describe.each([
  ['in memory', (rows: number) => matrixInMemory(rows, 3)],
  ...(nativeAddon() ? [['in a file', (rows: number) => matrixInFile(rows, 3, directory())] as const] : []),
] as const)('a matrix %s', (_name, make) => {
  it('holds what was appended', () => {
    const matrix = make(5000);
    matrix.append(numbers.subarray(0, 3000));
    matrix.append(numbers.subarray(3000));
    expect(Buffer.from(matrix.finish().buffer, 0, 4 * numbers.length).equals(Buffer.from(numbers.buffer))).toBe(true);
    expect(make(0).finish()).toEqual(new Float32Array(0));
  });

  it('refuses other rows than were announced', () => {
    const matrix = make(2);
    matrix.append(numbers.subarray(0, 3));
    expect(() => matrix.finish()).toThrow('a matrix of 6 values was given 3');
  });
});

describe.runIf(nativeAddon())('a matrix in a file', () => {
  it('leaves nothing on the disk, and can be told what will be read', () => {
    const folder = directory();
    const matrix = matrixInFile(5000, 3, folder);
    matrix.append(numbers);
    const values = matrix.finish();
    expect(readdirSync(folder)).toEqual([]);
    rmSync(folder, { recursive: true });
    nativeAddon()!.willRead(values, 3, Int32Array.of(0, 4999, 17, -1, 5000));
    expect(values.at(-1)).toBe(numbers.at(-1));
  });
});
