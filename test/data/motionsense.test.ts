import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { windowFeatures } from '../../src/mlp/window-features.js';
import { csvSource } from '../../src/rdd/sources/csv.js';
import { read } from '../../src/rdd/sources/csv-reader.js';
import { packUnits } from '../../src/rdd/sources/source.js';
import { readContext } from '../support/read-context.js';
import { fullSet, fullSetsWanted } from './full-sets.js';

const channels = ['attitude.roll', 'attitude.pitch', 'attitude.yaw'].concat(
  ['gravity', 'rotationRate', 'userAcceleration'].flatMap((sensor) =>
    ['x', 'y', 'z'].map((axis) => `${sensor}.${axis}`),
  ),
);

/** Rows and windows of every activity, and how many people there are. */
async function survey(directory: string, partitions: number) {
  const source = csvSource(join(directory, '**/sub_*.csv'), {
    columns: Object.fromEntries(channels.map((name) => [name, 'float32' as const])),
    pathColumns: /(?<activity>[a-z]+)_(?<trial>\d+)\/sub_(?<subject>\d+)\.csv$/,
    pathTypes: { trial: 'int32', subject: 'int32' },
    batch: 'file',
  });
  const units = await source.units();
  const rows: Record<string, number> = {};
  const windows: Record<string, number> = {};
  const people = new Set<number>();
  let finite = true;
  for (const split of packUnits(units, partitions)) {
    for await (const batch of read(source.options as any, split, readContext())) {
      const { activity, subject } = batch.get(0)!.toJSON();
      const computed = windowFeatures(batch, { channels, keep: ['activity', 'subject'] });
      rows[activity] = (rows[activity] ?? 0) + batch.numRows;
      windows[activity] = (windows[activity] ?? 0) + computed.numRows;
      people.add(subject);
      finite &&= (computed.data.children[0]!.children[0]!.values as Float32Array).every(Number.isFinite);
    }
  }
  return {
    files: units.length,
    bytes: units.reduce((sum, unit) => sum + unit.bytes, 0),
    rows,
    windows,
    people,
    finite,
  };
}

describe('the sample of MotionSense', () => {
  const directory = fileURLToPath(new URL('../../data/motionsense-sample', import.meta.url));

  it('holds every recording of 24 people and 6 activities in at most 8 MB', async () => {
    const found = await survey(directory, 3);
    expect(found.files).toBe(360);
    expect(found.bytes).toBeLessThan(8e6);
    expect([...found.people].sort((a, b) => a - b)).toEqual(Array.from({ length: 24 }, (_, k) => k + 1));
    expect(found.windows).toEqual({ dws: 216, jog: 144, sit: 144, std: 144, ups: 216, wlk: 216 });
    expect(found.rows.wlk).toBe(3 * 24 * 256);
    expect(found.finite).toBe(true);
  });

  it('comes with its licence and its source', () => {
    for (const name of ['LICENSE', 'README.md']) expect(statSync(join(directory, name)).size).toBeGreaterThan(500);
  });
});

if (fullSetsWanted) {
  describe('the full MotionSense set', () => {
    it('is read completely and gives 21,539 windows', async () => {
      const found = await survey(fullSet('motionsense'), 8);
      expect(found.files).toBe(360);
      // As its authors count them.
      expect(found.rows).toEqual({
        dws: 131_856,
        jog: 134_231,
        sit: 338_778,
        std: 306_427,
        ups: 157_285,
        wlk: 344_288,
      });
      expect(Object.values(found.windows).reduce((a, b) => a + b)).toBe(21_539);
      expect(found.people.size).toBe(24);
      expect(found.finite).toBe(true);
    });
  });
}
