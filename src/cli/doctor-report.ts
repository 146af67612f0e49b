import { gpuShortfall } from '../mlp/gpu-required.js';
import { lackText } from '../mlp/lack.js';
import type { MachineFacts } from './doctor-facts.js';

export interface Line {
  readonly label: string;
  readonly value: string;
  /** `lacking`: works, with less than it could; `broken`: jobs cannot run. */
  readonly state: 'good' | 'lacking' | 'broken';
  /** What to do about a shortfall. */
  readonly advice?: string;
}

const GIB = 2 ** 30;
const gib = (bytes: number) => `${(bytes / GIB).toFixed(1)} GiB`;

/** The facts as lines for people, and what to do about each shortfall. */
export function diagnose(facts: MachineFacts): Line[] {
  return [
    node(facts),
    { label: 'Machine', value: `${facts.platform}, ${facts.processor}`, state: 'good' },
    { label: 'Instructions', value: facts.instructions.join(', ') || 'not known', state: 'good' },
    { label: 'Cores', value: `${facts.cores}`, state: 'good' },
    { label: 'Memory', value: gib(facts.memory), state: 'good' },
    sharedMemory(facts),
    tensorflow(facts),
    gpu(facts),
    webgpu(facts),
    compute(facts),
    redis(facts),
    tools(facts),
  ];
}

/** Jobs can run when Node is new enough and a slot can compute, native or not. */
export const canRun = (lines: readonly Line[]) => lines.every((line) => line.state !== 'broken');

export function render(lines: readonly Line[]): string {
  const mark = { good: ' ', lacking: '!', broken: 'x' };
  const width = Math.max(...lines.map((line) => line.label.length));
  const table = lines.map((line) => ` ${mark[line.state]} ${line.label.padEnd(width)}  ${line.value}`);
  const advice = lines.filter((line) => line.advice).map((line) => ` - ${line.label}: ${line.advice}`);
  const verdict = canRun(lines) ? 'Jobs can run.' : 'Jobs cannot run.';
  return [...table, '', verdict, ...(advice.length > 0 ? ['', 'To do:', ...advice] : [])].join('\n');
}

function node({ node }: MachineFacts): Line {
  const good = Number(node.split('.')[0]) >= 20;
  const advice = good ? undefined : 'install Node 24 (Sheaf needs 20 or newer)';
  return { label: 'Node', value: node, state: good ? 'good' : 'broken', advice };
}

function sharedMemory({ sharedMemory }: MachineFacts): Line {
  const label = '/dev/shm';
  if (sharedMemory === undefined) return { label, value: 'none: blocks are kept on disk', state: 'good' };
  if (sharedMemory >= GIB) return { label, value: gib(sharedMemory), state: 'good' };
  const advice = 'blocks that do not fit go to disk; give a container more with: docker run --shm-size=4g';
  return { label, value: gib(sharedMemory), state: 'lacking', advice };
}

function tensorflow({ native, nativeError }: MachineFacts): Line {
  const label = 'TensorFlow';
  if (!native.installed) {
    return { label, value: `fallback (wasm): ${native.reason}`, state: 'lacking', advice: native.advice };
  }
  const value = `${native.tensorflow}, native, ${native.device === 'cuda' ? 'CUDA' : 'CPU'} build`;
  if (!nativeError) return { label, value, state: 'good' };
  const failed = `${value}, does not load, fallback (wasm): ${nativeError}`;
  return { label, value: failed, state: 'lacking', advice: 'npm run native' };
}

function gpu({ gpus, visibleGpus, native, compute, driver }: MachineFacts): Line {
  const label = 'GPU';
  const used = !('error' in compute) && compute.device === 'gpu';
  if (gpus.length === 0) return { label, value: 'none seen (nvidia-smi)', state: 'good' };
  const list = gpus.join('; ');
  if (visibleGpus === 0)
    return { label, value: `${list}: hidden by CUDA_VISIBLE_DEVICES or SHEAF_DEVICE=cpu`, state: 'good' };
  const value = `${list}: ${used ? 'used' : 'seen, not used'}`;
  if (used) return { label, value, state: 'good' };
  const shortfall = gpuShortfall({ name: 'tensorflow', description: '' }, native, driver);
  return { label, value, state: 'lacking', advice: lackText(shortfall) };
}

/** Nothing is amiss without it. */
function webgpu({ webgpu }: MachineFacts): Line {
  const value = 'error' in webgpu ? `none: ${webgpu.error.replace(/^Error: /, '')}` : webgpu.description;
  return { label: 'WebGPU', value, state: 'good' };
}

function compute({ compute }: MachineFacts): Line {
  const label = 'sgemm per slot';
  if ('error' in compute) return { label, value: `failed: ${compute.error}`, state: 'broken', advice: 'npm ci' };
  const threads = compute.device === 'gpu' ? 'GPU' : '1 thread';
  return { label, value: `${compute.gflops.toFixed(0)} GFLOP/s (${compute.backend}, ${threads})`, state: 'good' };
}

function redis({ redis }: MachineFacts): Line {
  const label = 'redis-server';
  const advice = 'needed by local-cluster masters only: sudo apt-get install -y redis-server';
  if (!redis) return { label, value: 'missing', state: 'lacking', advice };
  const old = !(Number.parseInt(redis, 10) >= 7);
  return {
    label,
    value: redis,
    state: old ? 'lacking' : 'good',
    advice: old ? 'Sheaf needs Redis 7 or newer, or Valkey' : undefined,
  };
}

/** What linking TensorFlow needs; of no account once it is linked. */
function tools({ compiler, python, pip, native }: MachineFacts): Line {
  const found = { 'g++': compiler, python3: python, pip };
  const value = Object.entries(found).map(([name, version]) => `${name} ${version ?? 'missing'}`);
  const packages = [!compiler && 'g++', !python && 'python3', !pip && 'python3-pip'].filter(Boolean);
  const lacking = packages.length > 0 && !native.installed;
  const advice = lacking ? `sudo apt-get install -y ${packages.join(' ')}, then npm run native` : undefined;
  return { label: 'Build tools', value: value.join(', '), state: lacking ? 'lacking' : 'good', advice };
}
