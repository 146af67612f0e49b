import { execFile } from 'node:child_process';
import { readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { visibleGpus } from '../executor/gpus.js';
import { installedDriver } from '../mlp/gpu-required.js';
import { type NativeState, nativeState } from '../mlp/native.js';
import { entryPoint } from '../protocol/entry.js';
import type { Measured } from './doctor-measure.js';

/** What `sheaf doctor` finds out about a machine; plain JSON. Sizes in bytes. */
export interface MachineFacts {
  readonly node: string;
  readonly platform: string;
  readonly processor: string;
  /** Vector extensions that decide speed and bits of a matrix product, widest first. */
  readonly instructions: readonly string[];
  /** Cores this process may use: affinity and the container's quota are taken into account. */
  readonly cores: number;
  /** The container's limit where there is one. */
  readonly memory: number;
  /** Of the file system under `/dev/shm`, where blocks are kept; absent where there is none. */
  readonly sharedMemory?: number;
  /** As NVIDIA's driver names them. */
  readonly gpus: readonly string[];
  /** GPUs that `CUDA_VISIBLE_DEVICES` and `SHEAF_DEVICE` leave to executors here. */
  readonly visibleGpus: number;
  /** Version of NVIDIA's kernel driver. */
  readonly driver?: string;
  /** What WebGPU computes on, or why it does not. */
  readonly webgpu: { readonly description: string } | { readonly error: string };
  readonly native: NativeState;
  /** Why TensorFlow, though linked, does not load. */
  readonly nativeError?: string;
  /** What a slot's process really loaded and computed with, wasm where TensorFlow does not load; or the error. */
  readonly compute: Measured | { readonly error: string };
  /** Versions; absent where the program is missing. */
  readonly redis?: string;
  readonly compiler?: string;
  readonly python?: string;
  readonly pip?: string;
}

/** Asks the machine; takes about two seconds, nearly all of it for measuring. Never throws: what fails is a fact too. */
export async function machineFacts(): Promise<MachineFacts> {
  const native = nativeState();
  const [{ compute, nativeError }, webgpu, gpus, redis, compiler, python, pip] = await Promise.all([
    measure(native),
    webGpu(),
    lines('nvidia-smi', ['--query-gpu=name,memory.total', '--format=csv,noheader']),
    version('redis-server', ['--version'], /v=(\S+)/),
    version(process.env.CXX || 'g++', ['-dumpfullversion'], /(\S+)/),
    version('python3', ['--version'], /Python (\S+)/),
    version('python3', ['-m', 'pip', '--version'], /pip (\S+)/),
  ]);
  return {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    instructions: instructionSets(readText('/proc/cpuinfo')),
    cores: Math.min(availableParallelism(), quotaCores(readText('/sys/fs/cgroup/cpu.max'))),
    memory: Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY),
    sharedMemory: fileSystemSize('/dev/shm'),
    gpus: gpus ?? [],
    visibleGpus: visibleGpus().length,
    driver: installedDriver(),
    webgpu,
    native,
    nativeError,
    compute,
    redis,
    compiler,
    python,
    pip,
  };
}

/** From the text of `/proc/cpuinfo`: x86's `flags` line, ARM's `Features`. */
export function instructionSets(cpuinfo: string): string[] {
  const flags = new Set(/^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1]?.split(' '));
  const known: readonly [flag: string, name: string][] = [
    ['amx_bf16', 'AMX'],
    ['avx512_bf16', 'AVX-512 BF16'],
    ['avx512f', 'AVX-512'],
    ['avx2', 'AVX2'],
    ['avx', 'AVX'],
    ['sve', 'SVE'],
    ['asimd', 'NEON'],
  ];
  return known.filter(([flag]) => flags.has(flag)).map(([, name]) => name);
}

/** From cgroup's `cpu.max`, `<quota> <period>` in microseconds or `max <period>`. */
export function quotaCores(cpuMax: string): number {
  const [quota, period] = cpuMax.trim().split(' ').map(Number);
  return quota && period ? Math.max(1, Math.floor(quota / period)) : Number.POSITIVE_INFINITY;
}

async function measure(native: NativeState): Promise<Pick<MachineFacts, 'compute' | 'nativeError'>> {
  if (!native.installed) return { compute: await measureSlot('wasm') };
  const compute = await measureSlot('tensorflow');
  return 'error' in compute ? { compute: await measureSlot('wasm'), nativeError: compute.error } : { compute };
}

/** It opens the device, and computes nothing. */
async function webGpu(): Promise<MachineFacts['webgpu']> {
  return (await measureSlot('webgpu')) as MachineFacts['webgpu'];
}

/** In a process of its own, set up as a slot's is: one thread, and a broken library takes nothing else with it. */
async function measureSlot(backend: 'tensorflow' | 'wasm' | 'webgpu'): Promise<MachineFacts['compute']> {
  const { TF_DETERMINISTIC_OPS = '1', NVIDIA_TF32_OVERRIDE = '0' } = process.env;
  const threads = { TF_NUM_INTRAOP_THREADS: '1', TF_NUM_INTEROP_THREADS: '1' };
  const env = { ...process.env, ...threads, TF_CPP_MIN_LOG_LEVEL: '2', TF_DETERMINISTIC_OPS, NVIDIA_TF32_OVERRIDE };
  try {
    const options = { env, timeout: 120_000 };
    const { stdout } = await run(process.execPath, [entryPoint('cli/doctor-measure.js'), backend], options);
    return JSON.parse(stdout.slice(stdout.lastIndexOf('\n', stdout.length - 2) + 1)) as Measured;
  } catch (error) {
    const { signal, stderr, message } = error as { signal?: string; stderr?: string; message: string };
    return { error: signal ? `killed by ${signal}` : (stderr?.match(/^\w*Error: .*$/m)?.[0] ?? message) };
  }
}

const run = promisify(execFile);

async function lines(command: string, args: string[]): Promise<string[] | undefined> {
  try {
    const { stdout } = await run(command, args, { timeout: 30_000 });
    return stdout.trim().split('\n').filter(Boolean);
  } catch {
    return undefined;
  }
}

async function version(command: string, args: string[], pattern: RegExp): Promise<string | undefined> {
  return pattern.exec((await lines(command, args))?.[0] ?? '')?.[1];
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function fileSystemSize(path: string): number | undefined {
  try {
    const { blocks, bsize } = statfsSync(path);
    return blocks * bsize;
  } catch {
    return undefined;
  }
}
