import { readFileSync } from 'node:fs';
import type { ComputeBackend } from './backend.js';
import type { Lack } from './lack.js';
import type { NativeState } from './native.js';

/** What CUDA 12 needs, by NVIDIA's table of minor version compatibility. */
const OLDEST_DRIVER = '525.60.13';

/**
 * What is wrong when a GPU slot's backend does not compute on its GPU. Pure.
 * @param driver version of NVIDIA's kernel driver; undefined where it does not tell
 */
export function gpuShortfall(
  { name, description }: Pick<ComputeBackend, 'name' | 'description'>,
  native: NativeState,
  driver: string | undefined,
): Lack {
  if (name === 'tfjs-webgpu')
    return { reason: `WebGPU found no GPU, only ${description}`, advice: "install the GPU's Vulkan driver" };
  if (!native.installed) return { reason: `no native TensorFlow: ${native.reason}`, advice: native.advice };
  const { tensorflow, device } = native;
  if (device === 'cpu')
    return {
      reason: `TensorFlow ${tensorflow} is linked in its CPU build`,
      advice: 'SHEAF_DEVICE=cuda npm run native',
    };
  const reason = `the CUDA build of TensorFlow ${tensorflow} found no GPU that it can use`;
  if (driver && older(driver, OLDEST_DRIVER))
    return {
      reason: `${reason}: NVIDIA's driver ${driver} is too old`,
      advice: `install driver ${OLDEST_DRIVER} or newer`,
    };
  return { reason, advice: 'run with TF_CPP_MIN_LOG_LEVEL=0, and TensorFlow says why; see docs/gpu.md' };
}

/** The error of a task that was to compute on a GPU. @param why it does not, and what mends it */
export function gpuError(why: string, gpu: string): string {
  return (
    `this is a GPU slot (${gpu}) and its GPU is not used: ${why}. ` +
    'To go without: sheaf.executor.gpus=none (no GPU slots), sheaf.train.device=cpu (networks in CPU slots, where there are any) or sheaf.gpu.fallback=true'
  );
}

/** From the text of `/proc/driver/nvidia/version`. */
export function driverVersion(text: string): string | undefined {
  return /Kernel Module.*?\s(\d+\.\d+(?:\.\d+)?)\s/.exec(text)?.[1];
}

/** Of this machine. */
export function installedDriver(path = '/proc/driver/nvidia/version'): string | undefined {
  try {
    return driverVersion(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function older(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number)) as [number[], number[]];
  for (let i = 0; i < Math.max(a.length, b.length); i++)
    if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) < (b[i] ?? 0);
  return false;
}
