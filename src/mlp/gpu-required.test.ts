import { describe, expect, it } from 'vitest';
import { driverVersion, gpuError, gpuShortfall } from './gpu-required.js';

const TENSORFLOW = { name: 'tensorflow', description: 'TensorFlow 2.21.0 (CPU)' } as const;
const cuda = { installed: true, tensorflow: '2.21.0', device: 'cuda', gpu: false } as const;

describe('gpuShortfall', () => {
  it('tells a CPU build from none', () => {
    const cpu = { ...cuda, device: 'cpu' } as const;
    expect(gpuShortfall(TENSORFLOW, cpu, '570.1')).toEqual({
      reason: 'TensorFlow 2.21.0 is linked in its CPU build',
      advice: 'SHEAF_DEVICE=cuda npm run native',
    });
    const none = { installed: false, reason: 'a C++ compiler is missing', advice: 'install g++' } as const;
    expect(gpuShortfall({ name: 'tfjs-wasm', description: '' }, none, undefined)).toEqual({
      reason: 'no native TensorFlow: a C++ compiler is missing',
      advice: 'install g++',
    });
  });

  it('names a driver that is too old, and no other', () => {
    expect(gpuShortfall(TENSORFLOW, cuda, '470.82.01').reason).toContain('driver 470.82.01 is too old');
    expect(gpuShortfall(TENSORFLOW, cuda, '525.60').reason).toContain('too old');
    for (const driver of ['525.60.13', '570.124.06', undefined])
      expect(gpuShortfall(TENSORFLOW, cuda, driver)).toMatchObject({
        reason: 'the CUDA build of TensorFlow 2.21.0 found no GPU that it can use',
        advice: expect.stringContaining('TF_CPP_MIN_LOG_LEVEL=0'),
      });
  });

  it('says of WebGPU what it found instead', () => {
    const software = { name: 'tfjs-webgpu', description: 'SwiftShader' } as const;
    expect(gpuShortfall(software, cuda, undefined).reason).toBe('WebGPU found no GPU, only SwiftShader');
  });
});

it('the error says what, where and what to do', () => {
  const error = gpuError('it is off. To mend it: switch it on', 'NVIDIA H200');
  expect(error).toContain('a GPU slot (NVIDIA H200) and its GPU is not used: it is off. To mend it: switch it on.');
  expect(error).toContain('sheaf.gpu.fallback=true');
});

describe('driverVersion', () => {
  it.each([
    [
      'NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.82.01  Wed Oct 27 21:21:55 UTC 2021\nGCC version: 9',
      '470.82.01',
    ],
    ['NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (root)', '570.124.06'],
    ['', undefined],
  ])('%#', (text, version) => {
    expect(driverVersion(text)).toBe(version);
  });
});
