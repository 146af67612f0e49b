import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadAddon, nativeAddon, sourcesHash } from './addon.js';

const NATIVE = fileURLToPath(new URL('../../native/', import.meta.url));
const ADDON = join(NATIVE, 'build', 'sheaf.node');
const { sourcesHash: hashAtBuild } = await import(new URL('../../scripts/addon.mjs', import.meta.url).href);

describe('loadAddon', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sheaf-addon-'));
    mkdirSync(join(folder, 'build'));
    for (const name of readdirSync(NATIVE).filter((each) => each !== 'build'))
      cpSync(join(NATIVE, name), join(folder, name));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('hashes sources as the script does that compiles them', () => {
    expect(sourcesHash(NATIVE)).toBe(hashAtBuild());
    expect(sourcesHash(folder)).toBe(hashAtBuild());
    writeFileSync(join(folder, 'notes.txt'), 'not compiled');
    expect(sourcesHash(folder)).toBe(hashAtBuild());
  });

  it.runIf(nativeAddon())('takes what was compiled from the sources at hand, or where there are none', () => {
    expect(loadAddon(ADDON, folder).addon).toBe(nativeAddon());
    expect(loadAddon(ADDON, join(folder, 'build')).addon).toBe(nativeAddon());
  });

  it.runIf(nativeAddon())('refuses what was compiled from others, and says what to run', () => {
    const stale = {
      reason: "Sheaf's own add-on was compiled from other sources than lie in native/",
      advice: 'npm run native',
    };
    writeFileSync(join(folder, 'kernels.cc'), '// pulled\n');
    expect(loadAddon(ADDON, folder)).toEqual(stale);
    cpSync(join(NATIVE, 'kernels.cc'), join(folder, 'kernels.cc'));
    expect(loadAddon(ADDON, folder)).toHaveProperty('addon');
    rmSync(join(folder, 'addon.h'));
    expect(loadAddon(ADDON, folder)).toEqual(stale);
  });

  it('says when there is none, or none that loads', () => {
    const path = join(folder, 'build', 'sheaf.node');
    const none = { reason: "Sheaf's own add-on has not been compiled", advice: 'npm run native' };
    expect(loadAddon(path, folder)).toEqual(none);
    symlinkSync(join(folder, 'gone'), path);
    expect(loadAddon(path, folder)).toEqual(none);
    rmSync(path);
    writeFileSync(path, 'no library');
    expect(loadAddon(path, folder)).toMatchObject({
      reason: expect.stringContaining('add-on does not load ('),
      advice: 'npm run native',
    });
  });
});

it.runIf(nativeAddon())('maps only so many files that memory can still be had', () => {
  const addon = nativeAddon()!;
  const mapped: ArrayBuffer[] = [];
  const mapAll = () => {
    while (mapped.length < 20_000) mapped.push(addon.mapToRead(ADDON, 0, 8));
  };
  expect(mapAll).toThrow('too many files are mapped');
  expect(mapped).toHaveLength(16_384);
});
