import { describe, expect, it } from 'vitest';
import {
  chooseGpus,
  formatGpuRequest,
  type Gpu,
  parseDriverInformation,
  parseGpuRequest,
  parseSmiList,
  shareOf,
  visibleAmong,
} from './gpus.js';

const TWO: Gpu[] = [
  { id: 'GPU-aaaa', name: 'NVIDIA H200' },
  { id: 'GPU-bbbb', name: 'NVIDIA L4' },
];

describe('parseSmiList', () => {
  it('reads names and UUIDs', () => {
    const text = [
      'GPU 0: Tesla T4 (UUID: GPU-11111111-2222-3333-4444-555555555555)',
      'GPU 1: NVIDIA GeForce RTX 3090 (UUID: GPU-66666666-7777-8888-9999-000000000000)',
      '',
    ].join('\n');
    expect(parseSmiList(text)).toEqual([
      { id: 'GPU-11111111-2222-3333-4444-555555555555', name: 'Tesla T4' },
      { id: 'GPU-66666666-7777-8888-9999-000000000000', name: 'NVIDIA GeForce RTX 3090' },
    ]);
  });

  it('gives the slices of a GPU in its place', () => {
    const text = [
      'GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa)',
      '  MIG 3g.20gb     Device  0: (UUID: MIG-1111-22)',
      '  MIG 1g.5gb      Device  1: (UUID: MIG-3333-44)',
      'GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bbbb)',
    ].join('\n');
    expect(parseSmiList(text)).toEqual([
      { id: 'MIG-1111-22', name: 'NVIDIA A100-SXM4-40GB MIG 3g.20gb' },
      { id: 'MIG-3333-44', name: 'NVIDIA A100-SXM4-40GB MIG 1g.5gb' },
      { id: 'GPU-bbbb', name: 'NVIDIA A100-SXM4-40GB' },
    ]);
  });

  it('finds nothing in what is no list', () => {
    expect(parseSmiList('No devices found.\n')).toEqual([]);
    expect(parseSmiList('Failed to initialize NVML: Driver/library version mismatch')).toEqual([]);
  });
});

describe('parseDriverInformation', () => {
  it('reads a file of the driver', () => {
    const text = 'Model: \t\t NVIDIA L4\nIRQ:   \t\t 0\nGPU UUID: \t GPU-aaaa\nVideo BIOS: \t 95.04.29.00.06\n';
    expect(parseDriverInformation(text)).toEqual({ id: 'GPU-aaaa', name: 'NVIDIA L4' });
  });

  it('leaves out a GPU that the driver has not started', () => {
    expect(parseDriverInformation('Model: NVIDIA L4\nGPU UUID: GPU-????????-????\n')).toBeUndefined();
    expect(parseDriverInformation('')).toBeUndefined();
  });
});

describe('visibleAmong', () => {
  it.each<[string | undefined, string[]]>([
    [undefined, ['GPU-aaaa', 'GPU-bbbb']],
    ['', []],
    ['1,0', ['1', '0']],
    ['GPU-bbbb', ['GPU-bbbb']],
    ['0,-1,1', ['0']],
  ])('CUDA_VISIBLE_DEVICES=%s', (value, ids) => {
    expect(visibleAmong(TWO, { CUDA_VISIBLE_DEVICES: value }).map(({ id }) => id)).toEqual(ids);
  });

  it('sees nothing with SHEAF_DEVICE=cpu', () => {
    expect(visibleAmong(TWO, { SHEAF_DEVICE: 'cpu' })).toEqual([]);
  });
});

describe('chooseGpus', () => {
  const chosen = (text: string, visible = TWO) => chooseGpus(parseGpuRequest(text), visible).map(({ id }) => id);

  it('takes all, none, the first, or those named', () => {
    expect(chosen('auto')).toEqual(['GPU-aaaa', 'GPU-bbbb']);
    expect(chosen('auto', [])).toEqual([]);
    expect(chosen('none')).toEqual([]);
    expect(chosen('0')).toEqual([]);
    expect(chosen('1')).toEqual(['GPU-aaaa']);
    expect(chosen('device=1')).toEqual(['GPU-bbbb']);
    expect(chosen('device=GPU-bbbb,0')).toEqual(['GPU-bbbb', 'GPU-aaaa']);
    expect(chosen('device=GPU-cccc', [])).toEqual(['GPU-cccc']);
  });

  it('refuses more than there are, and what is no request', () => {
    expect(() => chosen('3')).toThrow('3 GPUs were asked for, and only 2 are visible here');
    expect(() => chosen('1', [])).toThrow('none is visible');
    for (const text of ['all', '0,1', 'device=', '-1']) expect(() => parseGpuRequest(text)).toThrow(`not "${text}"`);
  });

  it('is undone by formatGpuRequest', () => {
    expect(chosen(formatGpuRequest(TWO))).toEqual(['GPU-aaaa', 'GPU-bbbb']);
    expect(chosen(formatGpuRequest([]))).toEqual([]);
  });
});

describe('shareOf', () => {
  it('deals GPUs over executors, each to one', () => {
    const gpus = Array.from({ length: 5 }, (_, k) => ({ id: `${k}`, name: '' }));
    const shares = [0, 1].map((executor) => shareOf(gpus, executor, 2).map(({ id }) => id));
    expect(shares).toEqual([
      ['0', '2', '4'],
      ['1', '3'],
    ]);
    expect(shareOf(TWO, 2, 3)).toEqual([]);
  });
});
