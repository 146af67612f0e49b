import type { ComputeBackend } from './backend.js';
import { nativeState } from './native.js';

export type BackendPreference = 'auto' | ComputeBackend['name'];

let loaded: { readonly name: ComputeBackend['name']; readonly backend: Promise<ComputeBackend> } | undefined;

/**
 * Loads this process's compute backend; later calls give the same one. A process has one backend for all its life:
 * tfjs-node and TensorFlow.js' own backends register their kernels in one global table.
 *
 * Set `TF_NUM_INTRAOP_THREADS` and `TF_NUM_INTEROP_THREADS` before the first call: TensorFlow reads them once.
 *
 * @param preference `auto` (default): native TensorFlow where it is installed, else TF.js on WebAssembly
 * @throws Error when the named backend cannot be loaded, or the process already has the other one
 * @example const network = await (await loadBackend()).compile(description, { kind: 'adam', learningRate: 1e-3 });
 */
export async function loadBackend(preference: BackendPreference = 'auto'): Promise<ComputeBackend> {
  if (loaded) {
    if (preference !== 'auto' && preference !== loaded.name)
      throw new Error(`this process computes on ${loaded.name}; ${preference} needs a process of its own`);
    return loaded.backend;
  }
  const name = preference === 'auto' ? (nativeState().installed ? 'tensorflow' : 'tfjs-wasm') : preference;
  loaded = { name, backend: load(name) };
  return loaded.backend;
}

async function load(name: ComputeBackend['name']): Promise<ComputeBackend> {
  if (name === 'tensorflow') return (await import('./tensorflow-backend.js')).loadTensorFlowBackend();
  return (await import('./tfjs-backend.js')).loadTfjsBackend();
}
