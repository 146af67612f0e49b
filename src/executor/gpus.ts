import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A GPU, or a slice of one (MIG), as NVIDIA's driver names it. */
export interface Gpu {
  /** What `CUDA_VISIBLE_DEVICES` takes: a UUID, since numbers count differently in CUDA and in nvidia-smi; or what the user wrote there. */
  readonly id: string;
  /** For people: `NVIDIA H200`. */
  readonly name: string;
}

/** How many GPUs, which, or all. */
export type GpuRequest =
  | { readonly kind: 'all' }
  | { readonly kind: 'count'; readonly count: number }
  | { readonly kind: 'ids'; readonly ids: readonly string[] };

/** Of `--gpus` and `sheaf.executor.gpus`; as docker's. */
export const GPU_REQUEST = /^(auto|none|\d+|device=[\w./:-]+(,[\w./:-]+)*)$/;
export const GPU_REQUEST_FORM = 'auto, none, a number of GPUs, or device= with numbers or UUIDs (device=0,2)';

/** @throws Error that names the forms */
export function parseGpuRequest(text: string): GpuRequest {
  if (!GPU_REQUEST.test(text)) throw new Error(`GPUs are asked for as ${GPU_REQUEST_FORM}, not "${text}"`);
  if (text === 'auto') return { kind: 'all' };
  if (text.startsWith('device=')) return { kind: 'ids', ids: text.slice('device='.length).split(',') };
  return { kind: 'count', count: text === 'none' ? 0 : Number(text) };
}

/** The form that `parseGpuRequest` reads. */
export function formatGpuRequest(gpus: readonly Gpu[]): string {
  return gpus.length === 0 ? 'none' : `device=${gpus.map(({ id }) => id).join(',')}`;
}

/** From the output of `nvidia-smi -L`. A GPU that is cut into slices is given by these: CUDA opens nothing else of it. */
export function parseSmiList(text: string): Gpu[] {
  const gpus: Gpu[] = [];
  let slices = 0;
  for (const line of text.split('\n')) {
    const gpu = /^GPU \d+: (.+) \(UUID: (GPU-[\w-]+)\)/.exec(line);
    if (gpu) {
      gpus.push({ name: gpu[1]!, id: gpu[2]! });
      slices = 0;
    }
    const slice = /^\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (MIG-[\w/-]+)\)/.exec(line);
    if (!slice || gpus.length === 0) continue;
    const whole = slices++ === 0 ? gpus.pop()! : gpus.at(-1)!;
    gpus.push({ name: `${whole.name.replace(/ MIG \S+$/, '')} MIG ${slice[1]}`, id: slice[2]! });
  }
  return gpus;
}

/** From `/proc/driver/nvidia/gpus/<bus>/information`. */
export function parseDriverInformation(text: string): Gpu | undefined {
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(text)?.[1]?.trim();
  const id = field('GPU UUID');
  return id?.startsWith('GPU-') && !id.includes('?') ? { id, name: field('Model') ?? 'GPU' } : undefined;
}

/** Of those found, what the environment leaves visible: `CUDA_VISIBLE_DEVICES`, in its order; `SHEAF_DEVICE=cpu` hides all. */
export function visibleAmong(found: readonly Gpu[], environment: NodeJS.ProcessEnv): Gpu[] {
  if (environment.SHEAF_DEVICE === 'cpu') return [];
  const visible = environment.CUDA_VISIBLE_DEVICES;
  if (visible === undefined) return [...found];
  const ids = visible.split(',').map((id) => id.trim());
  // As CUDA reads it: what follows an id that cannot be is not there.
  const end = ids.findIndex((id) => id === '' || id.startsWith('-'));
  return (end < 0 ? ids : ids.slice(0, end)).map((id) => named(found, id));
}

/**
 * The GPUs that a request asks for, of those that are visible.
 * @throws Error when there are fewer; ids are taken at their word, since containers may show a GPU that nvidia-smi does not
 */
export function chooseGpus(request: GpuRequest, visible: readonly Gpu[]): Gpu[] {
  if (request.kind === 'all') return [...visible];
  if (request.kind === 'ids') return request.ids.map((id) => visible[Number(id)] ?? named(visible, id));
  if (request.count <= visible.length) return visible.slice(0, request.count);
  const found = visible.length === 0 ? 'none is' : `only ${visible.length} are`;
  throw new Error(
    `${request.count} GPUs were asked for, and ${found} visible here: see "nvidia-smi -L" and CUDA_VISIBLE_DEVICES`,
  );
}

/** The share of one of several executors on a machine: GPU k is that of executor k mod `executors`. */
export function shareOf(gpus: readonly Gpu[], executor: number, executors: number): Gpu[] {
  return gpus.filter((_, k) => k % executors === executor);
}

/** What this machine's environment shows; loads nothing of CUDA. */
export function visibleGpus(environment: NodeJS.ProcessEnv = process.env): Gpu[] {
  if (environment.SHEAF_DEVICE === 'cpu' || environment.CUDA_VISIBLE_DEVICES === '') return [];
  return visibleAmong(driversGpus(environment), environment);
}

/** By nvidia-smi, or by the driver's own files where a container has not got it. */
function driversGpus(environment: NodeJS.ProcessEnv, directory = '/proc/driver/nvidia/gpus'): Gpu[] {
  try {
    const options = { timeout: 30_000, env: environment, encoding: 'utf8' } as const;
    return parseSmiList(execFileSync('nvidia-smi', ['-L'], { ...options, stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch {
    return informationFiles(directory).flatMap((text) => parseDriverInformation(text) ?? []);
  }
}

function informationFiles(directory: string): string[] {
  try {
    return readdirSync(directory)
      .sort()
      .map((bus) => readFileSync(join(directory, bus, 'information'), 'utf8'));
  } catch {
    return [];
  }
}

function named(found: readonly Gpu[], id: string): Gpu {
  return found.find((gpu) => gpu.id === id) ?? { id, name: found[Number(id)]?.name ?? `GPU ${id}` };
}
