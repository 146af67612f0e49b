import { nativeAddon } from '../native/addon.js';

/**
 * Whether products are computed on the processor's matrix units (Intel AMX), by Sheaf's own kernel: on a CPU that has them,
 * where operations have one thread, as in slots. `SHEAF_MATRIX_UNITS=off` leaves all to TensorFlow.
 *
 * @throws RangeError for another setting than `on` and `off`
 */
export function usesMatrixUnits(device: 'cpu' | 'gpu'): boolean {
  const { SHEAF_MATRIX_UNITS: setting = 'on', TF_NUM_INTRAOP_THREADS: threads } = process.env;
  if (setting !== 'on' && setting !== 'off')
    throw new RangeError(`SHEAF_MATRIX_UNITS must be 'on' or 'off', not '${setting}'`);
  return device === 'cpu' && threads === '1' && setting === 'on' && nativeAddon()?.hasMatrixUnits() === true;
}
