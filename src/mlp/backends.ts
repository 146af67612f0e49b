import { FailureError } from '../protocol/failure.js';
import type { Conf } from '../scheduler/conf.js';
import type { DevicePreference } from '../scheduler/slot-device.js';
import type { ComputeBackend } from './backend.js';
import { gpuError, gpuShortfall, installedDriver } from './gpu-required.js';
import { lackText } from './lack.js';
import { NoNativeError, nativeState } from './native.js';

export type BackendPreference = 'auto' | ComputeBackend['name'];

/** What a job asks of the slots that compute its networks. */
export interface BackendRequest {
  readonly prefer: BackendPreference;
  /** Kind of slots. */
  readonly device: DevicePreference;
  /** Whether a GPU slot whose GPU cannot be used may compute on its CPU. */
  readonly gpuFallback: boolean;
}

export type BackendChoice = BackendPreference | BackendRequest;

export function backendRequest(conf: Conf): BackendRequest {
  return {
    prefer: conf.get('sheaf.backend') as BackendPreference,
    device: conf.get('sheaf.train.device') as DevicePreference,
    gpuFallback: conf.get('sheaf.gpu.fallback') === 'true',
  };
}

let loaded: Promise<ComputeBackend> | undefined;

/**
 * Loads this process's compute backend; later calls give the same one. A process has one backend for all its life:
 * tfjs-node and TensorFlow.js' own backends register their kernels in one global table.
 *
 * Set `TF_NUM_INTRAOP_THREADS` and `TF_NUM_INTEROP_THREADS` before the first call: TensorFlow reads them once.
 *
 * @param choice `auto` (default): native TensorFlow where it and Sheaf's own add-on can be used, else TF.js on WebAssembly,
 *   whose `fallback` then says why
 * @throws Error when the named backend cannot be loaded, or the process already has another one; FailureError in a GPU slot
 *   that does not compute on its GPU and has to
 * @example const network = await (await loadBackend()).compile(description);
 */
export async function loadBackend(choice: BackendChoice = 'auto'): Promise<ComputeBackend> {
  const { prefer, gpuFallback } = typeof choice === 'string' ? { prefer: choice, gpuFallback: false } : choice;
  loaded ??= prefer === 'auto' ? loadBest() : load(prefer);
  // What did not load stands in nobody's way.
  const backend = await loaded.catch((error) => {
    loaded = undefined;
    throw error;
  });
  if (prefer === 'tensorflow' && backend.fallback) throw new Error(backend.fallback);
  if (prefer !== 'auto' && prefer !== backend.name)
    throw new Error(`this process computes on ${backend.name}; ${prefer} needs a process of its own`);
  return onItsDevice(backend, prefer, gpuFallback);
}

async function load(name: ComputeBackend['name']): Promise<ComputeBackend> {
  if (name === 'tensorflow') return (await import('./tensorflow-backend.js')).loadTensorFlowBackend();
  if (name === 'tfjs-webgpu') return (await import('./webgpu-backend.js')).loadWebGpuBackend();
  return (await import('./tfjs-backend.js')).loadTfjsBackend();
}

async function loadBest(): Promise<ComputeBackend> {
  try {
    return await load('tensorflow');
  } catch (error) {
    if (!(error instanceof NoNativeError)) throw error;
    return { ...(await load('tfjs-wasm')), fallback: error.message };
  }
}

/** A GPU slot computes on its GPU, or says why not. Who names WebAssembly wants no GPU. */
function onItsDevice(backend: ComputeBackend, prefer: BackendPreference, gpuFallback: boolean): ComputeBackend {
  if (process.env.SHEAF_SLOT_DEVICE !== 'gpu' || backend.device === 'gpu' || prefer === 'tfjs-wasm') return backend;
  // Where TensorFlow did not even load, that is why.
  const why = backend.fallback ?? lackText(gpuShortfall(backend, nativeState(), installedDriver()));
  if (!gpuFallback) {
    const message = gpuError(why, process.env.SHEAF_SLOT_GPU ?? 'unknown');
    throw new FailureError({ kind: 'user-error', message });
  }
  return {
    name: backend.name,
    description: `${backend.description} in place of a GPU`,
    fingerprint: backend.fingerprint,
    device: backend.device,
    ...(backend.fallback && { fallback: backend.fallback }),
    shortfall: why,
    compile: (network, options) => backend.compile(network, options),
  };
}
