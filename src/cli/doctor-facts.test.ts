import { describe, expect, it } from 'vitest';
import { instructionSets, machineFacts, quotaCores } from './doctor-facts.js';

describe('instructionSets', () => {
  it('reads the flags of x86, widest first', () => {
    const text = 'processor\t: 0\nflags\t\t: fpu sse2 avx avx2 avx512f amx_bf16\n\nprocessor\t: 1\nflags\t\t: fpu\n';
    expect(instructionSets(text)).toEqual(['AMX', 'AVX-512', 'AVX2', 'AVX']);
  });

  it('reads the features of ARM', () => {
    expect(instructionSets('Features\t: fp asimd sve\n')).toEqual(['SVE', 'NEON']);
  });

  it('knows nothing where the system does not tell', () => {
    expect(instructionSets('')).toEqual([]);
  });
});

describe('quotaCores', () => {
  it.each([
    ['200000 100000\n', 2],
    ['150000 100000', 1],
    ['50000 100000', 1],
    ['max 100000\n', Number.POSITIVE_INFINITY],
    ['', Number.POSITIVE_INFINITY],
  ])('%j is %d', (text, cores) => {
    expect(quotaCores(text)).toBe(cores);
  });
});

describe('machineFacts', () => {
  it('measures this machine with the backend that is linked', async () => {
    const facts = await machineFacts();
    expect(facts.nativeError).toBeUndefined();
    expect(facts.compute).toMatchObject({ backend: facts.native.installed ? 'tensorflow' : 'tfjs-wasm' });
    expect('gflops' in facts.compute && facts.compute.gflops).toBeGreaterThan(0);
    expect(facts.cores).toBeGreaterThanOrEqual(1);
    expect(facts.memory).toBeGreaterThan(0);
  });
});
