import { javascriptKernels } from './javascript-kernels.js';
import type { VectorKernels } from './kernels.js';
import { nativeKernels } from './native-kernels.js';

let chosen: VectorKernels | undefined;

/** Native where the add-on has been compiled (`npm run native`), else JavaScript: the same bits. */
export function vectorKernels(): VectorKernels {
  chosen ??= nativeKernels() ?? javascriptKernels;
  return chosen;
}
