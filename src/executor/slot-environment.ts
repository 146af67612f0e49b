import { arch, cpus } from 'node:os';
import type { SlotInfo } from '../protocol/channel.js';
import { chooseGpus, type Gpu, parseGpuRequest, visibleGpus } from './gpus.js';

/**
 * Slots of one executor: the first are GPU slots, so many a GPU, the rest CPU slots.
 * @throws Error when there are fewer slots than GPUs
 */
export function slotInfos(count: number, gpus: readonly Gpu[] = [], slotsPerGpu = 1): SlotInfo[] {
  if (gpus.length > count)
    throw new Error(`${count} slots cannot use ${gpus.length} GPUs: ask for more slots, or for fewer GPUs`);
  return Array.from({ length: count }, (_, index) => {
    if (index >= gpus.length * slotsPerGpu) return { index, device: 'cpu' };
    return { index, device: 'gpu', gpu: gpus[index % gpus.length]! };
  });
}

/** What is asked for, of what this machine has. @throws Error for a request that cannot be met */
export function requestedGpus(request: string): Gpu[] {
  const parsed = parseGpuRequest(request);
  return parsed.kind === 'count' && parsed.count === 0 ? [] : chooseGpus(parsed, visibleGpus());
}

/** One thread a CPU slot, because there is a slot a core, and no GPU; a GPU slot sees its GPU alone. */
export function slotEnvironment({ device, gpu }: SlotInfo): NodeJS.ProcessEnv {
  const common = {
    SHEAF_SLOT_DEVICE: device,
    TF_NUM_INTRAOP_THREADS: '1',
    TF_NUM_INTEROP_THREADS: '1',
    OMP_NUM_THREADS: '1',
    TF_CPP_MIN_LOG_LEVEL: process.env.TF_CPP_MIN_LOG_LEVEL ?? '2',
  };
  if (!gpu) return { ...common, CUDA_VISIBLE_DEVICES: '' };
  return {
    ...common,
    CUDA_VISIBLE_DEVICES: gpu.id,
    SHEAF_SLOT_GPU: gpu.name,
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    TF_DETERMINISTIC_OPS: '1',
    NVIDIA_TF32_OVERRIDE: '0',
  };
}

export function machineFingerprint(): string {
  return `${arch()} ${cpus()[0]?.model ?? 'unknown processor'}`;
}
