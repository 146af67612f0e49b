import { afterEach, describe, expect, it, vi } from 'vitest';
import { nativeAddon } from '../native/addon.js';
import { usesMatrixUnits } from './matrix-units.js';

describe('usesMatrixUnits', () => {
  const there = nativeAddon()?.hasMatrixUnits() === true;
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it.each([
    { device: 'cpu', threads: '1', setting: undefined, uses: there },
    { device: 'cpu', threads: '1', setting: 'on', uses: there },
    { device: 'cpu', threads: '1', setting: 'off', uses: false },
    { device: 'cpu', threads: '2', setting: undefined, uses: false },
    { device: 'cpu', threads: undefined, setting: undefined, uses: false },
    { device: 'gpu', threads: '1', setting: undefined, uses: false },
  ] as const)('of one thread of a CPU: %o', ({ device, threads, setting, uses }) => {
    vi.stubEnv('TF_NUM_INTRAOP_THREADS', threads);
    vi.stubEnv('SHEAF_MATRIX_UNITS', setting);
    expect(usesMatrixUnits(device)).toBe(uses);
  });

  it('refuses a setting that it does not know', () => {
    vi.stubEnv('SHEAF_MATRIX_UNITS', '0');
    expect(() => usesMatrixUnits('cpu')).toThrow("SHEAF_MATRIX_UNITS must be 'on' or 'off', not '0'");
  });
});
