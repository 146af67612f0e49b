import { describe, expect, it } from 'vitest';
import type { MachineFacts } from './doctor-facts.js';
import { canRun, diagnose, render } from './doctor-report.js';

const complete: MachineFacts = {
  node: '22.12.0',
  platform: 'linux x64',
  processor: 'Test CPU',
  instructions: ['AVX-512', 'AVX2', 'AVX'],
  cores: 8,
  memory: 32 * 2 ** 30,
  sharedMemory: 16 * 2 ** 30,
  gpus: [],
  visibleGpus: 1,
  webgpu: { error: 'Error: WebGPU finds no GPU here' },
  native: { installed: true, tensorflow: '2.21.0', device: 'cpu', gpu: false },
  compute: { backend: 'tensorflow', version: '2.21.0', device: 'cpu', gflops: 146.6 },
  redis: '7.0.15',
  compiler: '12.2.0',
  python: '3.11.2',
  pip: '23.0.1',
};

const line = (facts: Partial<MachineFacts>, label: string) =>
  diagnose({ ...complete, ...facts }).find((candidate) => candidate.label === label)!;

describe('diagnose', () => {
  it('asks for nothing on a complete machine', () => {
    const lines = diagnose(complete);
    expect(lines.every(({ state, advice }) => state === 'good' && advice === undefined)).toBe(true);
    expect(line({}, 'sgemm per slot').value).toBe('147 GFLOP/s (tensorflow, 1 thread)');
  });

  it('goes on without TensorFlow, and passes on what mends it', () => {
    const native = {
      installed: false,
      reason: 'a C++ compiler is missing',
      advice: 'sudo apt-get install -y g++',
    } as const;
    const compute = { backend: 'tfjs-wasm', version: '4.22.0', device: 'cpu', gflops: 20 } as const;
    expect(line({ native, compute }, 'TensorFlow')).toEqual({
      label: 'TensorFlow',
      value: 'fallback (wasm): a C++ compiler is missing',
      state: 'lacking',
      advice: native.advice,
    });
    expect(canRun(diagnose({ ...complete, native, compute }))).toBe(true);
  });

  it('tells TensorFlow that is linked and does not load', () => {
    const found = line({ nativeError: 'killed by SIGILL' }, 'TensorFlow');
    expect(found).toMatchObject({ state: 'lacking', value: expect.stringContaining('killed by SIGILL') });
  });

  it('cannot run where nothing computes, or on an old Node', () => {
    expect(canRun(diagnose({ ...complete, compute: { error: 'Error: no wasm' } }))).toBe(false);
    expect(canRun(diagnose({ ...complete, node: '18.20.0' }))).toBe(false);
  });

  it('tells a GPU that is used from one that is only seen', () => {
    const gpus = ['NVIDIA H200, 143771 MiB'];
    const cuda = { installed: true, tensorflow: '2.21.0', device: 'cuda', gpu: true } as const;
    const onGpu = { backend: 'tensorflow', version: '2.21.0', device: 'gpu', gflops: 40_000 } as const;
    expect(line({ gpus, native: cuda, compute: onGpu }, 'GPU')).toMatchObject({ state: 'good' });
    expect(line({ gpus }, 'GPU')).toMatchObject({
      state: 'lacking',
      advice: expect.stringContaining('SHEAF_DEVICE=cuda npm run native'),
    });
    expect(line({ gpus, native: cuda }, 'GPU').advice).toContain('found no GPU that it can use');
    expect(line({ gpus, native: cuda, driver: '470.82.01' }, 'GPU').advice).toContain('driver 470.82.01 is too old');
  });

  it('wants nothing done about GPUs that the environment hides', () => {
    const hidden = line({ gpus: ['NVIDIA H200, 143771 MiB'], visibleGpus: 0 }, 'GPU');
    expect(hidden).toMatchObject({ state: 'good', value: expect.stringContaining('hidden by CUDA_VISIBLE_DEVICES') });
    expect(hidden.advice).toBeUndefined();
  });

  it('says what WebGPU computes on, and why it does not', () => {
    expect(line({}, 'WebGPU')).toMatchObject({ state: 'good', value: 'none: WebGPU finds no GPU here' });
    expect(line({ webgpu: { description: 'TensorFlow.js 4 (WebGPU, Radeon)' } }, 'WebGPU').value).toContain('Radeon');
  });

  it('names a missing or old Redis, and a small /dev/shm', () => {
    expect(line({ redis: undefined }, 'redis-server').advice).toContain('apt-get install -y redis-server');
    expect(line({ redis: '5.0.14' }, 'redis-server').advice).toContain('Redis 7');
    expect(line({ redis: '6.2.14' }, 'redis-server').state).toBe('lacking');
    expect(line({ redis: '7.0.0' }, 'redis-server').state).toBe('good');
    expect(line({ sharedMemory: 64 * 2 ** 20 }, '/dev/shm').advice).toContain('--shm-size');
  });

  it('wants build tools only where TensorFlow is still to be linked', () => {
    const missing = { compiler: undefined, pip: undefined };
    expect(line(missing, 'Build tools').state).toBe('good');
    const native = { installed: false, reason: 'not linked yet', advice: 'npm run native' } as const;
    expect(line({ ...missing, native }, 'Build tools').advice).toContain('apt-get install -y g++ python3-pip');
  });
});

describe('render', () => {
  it('sets out a table and, under it, what to do', () => {
    const text = render(diagnose({ ...complete, redis: undefined }));
    expect(text).toContain(' ! redis-server    missing\n');
    expect(text).toContain('   Node            22.12.0\n');
    expect(text).toMatch(/Jobs can run\.\n\nTo do:\n - redis-server: /);
  });
});
