import { execFileSync } from 'node:child_process';
import { arch, cpus } from 'node:os';
import type { SlotInfo } from '../protocol/channel.js';

/** How many GPUs the driver of this machine shows; 0 without one. `SHEAF_DEVICE=cpu` hides them. */
export function visibleGpus(): number {
  if (process.env.SHEAF_DEVICE === 'cpu') return 0;
  if (process.env.CUDA_VISIBLE_DEVICES !== undefined)
    return process.env.CUDA_VISIBLE_DEVICES.split(',').filter(Boolean).length;
  try {
    return execFileSync('nvidia-smi', ['-L'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .trim()
      .split('\n').length;
  } catch {
    return 0;
  }
}

/** Slots of one executor: on a machine with GPUs they take turns on them. */
export function slotInfos(count: number, gpus = visibleGpus()): SlotInfo[] {
  return Array.from({ length: count }, (_, index) => ({
    index,
    device: gpus > 0 ? ('gpu' as const) : ('cpu' as const),
  }));
}

/** One thread a CPU slot, because there is a slot a core; one GPU a GPU slot. */
export function slotEnvironment(slot: SlotInfo): NodeJS.ProcessEnv {
  const threads = {
    TF_NUM_INTRAOP_THREADS: '1',
    TF_NUM_INTEROP_THREADS: '1',
    OMP_NUM_THREADS: '1',
    TF_CPP_MIN_LOG_LEVEL: process.env.TF_CPP_MIN_LOG_LEVEL ?? '2',
  };
  if (slot.device === 'cpu') return { ...threads, CUDA_VISIBLE_DEVICES: '' };
  const gpus =
    process.env.CUDA_VISIBLE_DEVICES?.split(',') ?? Array.from({ length: visibleGpus() }, (_, gpu) => String(gpu));
  return {
    ...threads,
    CUDA_VISIBLE_DEVICES: gpus[slot.index % gpus.length],
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    TF_DETERMINISTIC_OPS: '1',
    NVIDIA_TF32_OVERRIDE: '0',
  };
}

export function machineFingerprint(): string {
  return `${arch()} ${cpus()[0]?.model ?? 'unknown processor'}`;
}
