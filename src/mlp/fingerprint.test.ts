import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseProcessor, tensorflowFingerprint, wasmFingerprint } from './fingerprint.js';

afterEach(() => vi.unstubAllEnvs());

describe('parseProcessor', () => {
  it('reads vendor, family and the instruction sets that choose kernels', () => {
    const cpuinfo =
      'processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 207\nflags\t\t: fpu avx avx2 fma avx512f\n';
    expect(parseProcessor(cpuinfo).text).toMatch(/^\S+ GenuineIntel 6 avx2\+fma\+avx512f$/);
    expect(parseProcessor(cpuinfo).best).toBe('AVX-512');
  });

  it('reads ARM processors', () => {
    const cpuinfo = 'Features\t: fp asimd sve\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n';
    expect(parseProcessor(cpuinfo).text).toMatch(/ 0x41 0xd40 asimd\+sve$/);
  });

  it('says unknown where it knows nothing', () => {
    expect(parseProcessor('')).toEqual({ text: expect.stringMatching(/ unknown$/), best: undefined });
  });
});

describe('fingerprints', () => {
  it('differ by what changes bits', () => {
    const texts = ['1', '2'].map((threads) => {
      vi.stubEnv('TF_NUM_INTRAOP_THREADS', threads);
      return tensorflowFingerprint('2.21.0', 'cpu').text;
    });
    vi.stubEnv('ONEDNN_MAX_CPU_ISA', 'AVX2');
    texts.push(tensorflowFingerprint('2.21.0', 'cpu').text, tensorflowFingerprint('2.20.0', 'cpu').text);
    texts.push(tensorflowFingerprint('2.21.0', 'gpu').text, wasmFingerprint('4.22.0', true).text);
    expect(new Set(texts).size).toBe(6);
    expect(texts[2]).toMatch(/ONEDNN_MAX_CPU_ISA=AVX2$/);
  });

  it('describe themselves', () => {
    expect(tensorflowFingerprint('2.21.0', 'cpu').description).toMatch(/^TensorFlow 2\.21\.0 \(CPU/);
    expect(wasmFingerprint('4.22.0', true).description).toBe('TensorFlow.js 4.22.0 (WebAssembly SIMD, one thread)');
  });
});
