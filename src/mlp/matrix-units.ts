import { nativeAddon } from '../ps/native-addon.js';

/**
 * Whether products are computed on the processor's matrix units (Intel AMX), by Sheaf's own kernel: on a CPU that has them,
 * where operations have one thread, as in slots. `SHEAF_MATRIX_UNITS=off` leaves all to TensorFlow.
 */
export function usesMatrixUnits(device: 'cpu' | 'gpu'): boolean {
  return (
    device === 'cpu' &&
    process.env.TF_NUM_INTRAOP_THREADS === '1' &&
    process.env.SHEAF_MATRIX_UNITS !== 'off' &&
    nativeAddon()?.hasMatrixUnits() === true
  );
}
