import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readModelFolder, writeModelFolder } from './model-folder.js';

const JSON_OF_STAGE = { stage: 'Pipeline', mean: [0.1, 1e-310, -0], name: 'café' };
const WEIGHTS = [Float32Array.of(1.5, -2, Number.NaN), new Float32Array(0), Float32Array.of(3e-45)];

let directory: string;
let folder: string;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sheaf-model-'));
  folder = join(directory, 'model');
  await writeModelFolder(folder, { json: JSON_OF_STAGE, weights: WEIGHTS });
});
afterEach(() => rmSync(directory, { recursive: true }));

describe('a model folder', () => {
  it('gives back what was saved, bit for bit', async () => {
    const { json, weights } = await readModelFolder(folder);
    expect(json).toEqual({ ...JSON_OF_STAGE, mean: [0.1, 1e-310, 0] }); // JSON knows no -0
    expect(weights).toEqual(WEIGHTS);
    expect(readdirSync(folder).sort()).toEqual(['_SUCCESS', 'model.json', 'weights.bin']);
  });

  it('is read through a file URL and a path with a slash at its end', async () => {
    for (const path of [`file://${folder}`, `${folder}/`])
      expect((await readModelFolder(path)).weights).toHaveLength(WEIGHTS.length);
  });

  it('is replaced only when asked to', async () => {
    const other = { json: { stage: 'other' }, weights: [] };
    await expect(writeModelFolder(folder, other)).rejects.toThrow(/model exists already.*overwrite: true/);
    await writeModelFolder(folder, other, { overwrite: true });
    expect((await readModelFolder(folder)).json).toEqual({ stage: 'other' });
  });

  it('names the file that is missing', async () => {
    await expect(readModelFolder(join(directory, 'none'))).rejects.toThrow(/none is no saved model: model.json/);
    rmSync(join(folder, 'weights.bin'));
    await expect(readModelFolder(folder)).rejects.toThrow(/weights cannot be read.*weights.bin: no such file/);
  });

  it('names the file that is incomplete or changed', async () => {
    const weights = join(folder, 'weights.bin');
    const bytes = readFileSync(weights);
    truncateSync(weights, 12);
    await expect(readModelFolder(folder)).rejects.toThrow(/weights.bin has 12 bytes instead of 16/);
    bytes[5]! ^= 1;
    writeFileSync(weights, bytes);
    await expect(readModelFolder(folder)).rejects.toThrow(/weights.bin is damaged: its SHA-256/);
  });

  it.each([
    ['{"form', /model.json is damaged/],
    ['null', /not of a model that Sheaf saved/],
    ['{"format":"layers-model"}', /its format is "layers-model"/],
    [
      '{"format":"sheaf-model","version":9,"sheaf":"9.0.0"}',
      /version 9 of the format, saved by Sheaf 9.0.0; this one .* reads version 1/,
    ],
  ])('refuses a header %s', async (text, message) => {
    writeFileSync(join(folder, 'model.json'), text);
    await expect(readModelFolder(folder)).rejects.toThrow(message);
  });

  it('notices a change of a number in the header', async () => {
    const path = join(folder, 'model.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('1e-310', '1e-311'));
    await expect(readModelFolder(folder)).rejects.toThrow(/model.json is damaged: its content/);
  });
});
