import { arch, cpus } from 'node:os';
import type { SlotInfo } from '../protocol/channel.js';
import { chooseGpus, type Gpu, parseGpuRequest, visibleGpus } from './gpus.js';

/** Slots of one executor: the first are GPU slots, so many a GPU, the rest CPU slots. */
export function slotInfos(count: number, gpus: readonly Gpu[] = [], slotsPerGpu = 1): SlotInfo[] {
  return Array.from({ length: count }, (_, index) => {
    if (index >= gpus.length * slotsPerGpu) return { index, device: 'cpu' };
    return { index, device: 'gpu', gpu: gpus[index % gpus.length]! };
  });
}

/**
 * What is asked for, of what this machine has; of all there are, no more than there are slots.
 * @throws Error for a request that cannot be met
 */
export function requestedGpus(request: string, slots: number): Gpu[] {
  const parsed = parseGpuRequest(request);
  if (parsed.kind === 'count' && parsed.count === 0) return [];
  const gpus = chooseGpus(parsed, visibleGpus());
  if (parsed.kind === 'all') return gpus.slice(0, slots);
  if (gpus.length <= slots) return gpus;
  const plural = slots === 1 ? '1 slot' : `${slots} slots`;
  throw new Error(`${plural} cannot use ${gpus.length} GPUs: ask for more slots, or for fewer GPUs`);
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
    TF_DETERMINISTIC_OPS: process.env.TF_DETERMINISTIC_OPS ?? '1',
    NVIDIA_TF32_OVERRIDE: process.env.NVIDIA_TF32_OVERRIDE ?? '0',
  };
}

export function machineFingerprint(): string {
  return `${arch()} ${cpus()[0]?.model ?? 'unknown processor'}`;
}
