import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

// Plain modules without types, as they run before anything is installed.
const script = (name: string) => import(new URL(`../scripts/${name}`, import.meta.url).href);
const { dependenciesMatch } = await script('setup.mjs');
const { missingPlatforms } = await script('lockfile.mjs');
const { cacheRoot, cudaRequirements } = await script('wheel.mjs');
const { wantedDevice } = await script('native.mjs');

describe('package-lock.json', () => {
  it("holds every platform's packages, so that `npm ci` takes it anywhere (else: npm run lock)", () => {
    const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'));
    expect(missingPlatforms(lock)).toEqual([]);
  });

  it('is completed from the names of the packages that are missing', () => {
    const optionalDependencies = { '@a/b-linux-x64': '1.0.0', '@a/b-linux-arm64-musl': '1.0.0', plain: '1.0.0' };
    const lock = { packages: { 'node_modules/a': { optionalDependencies }, 'node_modules/@a/b-linux-x64': {} } };
    expect(missingPlatforms(lock)).toEqual([
      ['@a/b-linux-arm64-musl', { version: '1.0.0', cpu: ['arm64'], libc: ['musl'], optional: true, os: ['linux'] }],
    ]);
  });
});

describe('dependenciesMatch', () => {
  const lock = {
    packages: {
      '': { version: '9' },
      'node_modules/a': { version: '1' },
      'node_modules/b': { version: '2', optional: true },
    },
  };

  it.each([
    ['nothing is installed', undefined, false],
    ['all of it', { 'node_modules/a': { version: '1' }, 'node_modules/b': { version: '2' } }, true],
    ['all but an optional package', { 'node_modules/a': { version: '1' } }, true],
    ['another version', { 'node_modules/a': { version: '3' } }, false],
    [
      'another version of an optional package',
      { 'node_modules/a': { version: '1' }, 'node_modules/b': { version: '1' } },
      false,
    ],
    ['a package is missing', { 'node_modules/b': { version: '2' } }, false],
  ])('%s', (_, packages, expected) => {
    expect(dependenciesMatch(lock, packages && { packages })).toBe(expected);
  });
});

describe('the native part', () => {
  it("reads CUDA's wheels from the metadata of TensorFlow's", () => {
    const metadata = [
      'Requires-Dist: numpy>=1.26.0',
      'Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"',
      "Requires-Dist: nvidia-nccl-cu12<3.0,>=2.27.7 ; extra == 'and-cuda'",
      'Requires-Dist: nvidia-other; extra == "else"',
    ].join('\n');
    expect(cudaRequirements(metadata)).toEqual(['nvidia-cublas-cu12<13.0,>=12.5.3.2', 'nvidia-nccl-cu12<3.0,>=2.27.7']);
  });

  it('is kept where the environment says', () => {
    expect(cacheRoot({ SHEAF_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a');
    expect(cacheRoot({ XDG_CACHE_HOME: '/b' })).toBe('/b/sheaf');
    expect(cacheRoot({})).toMatch(/\/\.cache\/sheaf$/);
  });

  it('is built for the device that SHEAF_DEVICE names', () => {
    expect(wantedDevice({ SHEAF_DEVICE: 'cuda' })).toBe('cuda');
    expect(wantedDevice({ SHEAF_DEVICE: 'cpu' })).toBe('cpu');
    expect(() => wantedDevice({ SHEAF_DEVICE: 'tpu' })).toThrow('neither cpu nor cuda');
  });
});
