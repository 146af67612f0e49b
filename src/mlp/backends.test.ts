import { beforeEach, describe, expect, it, vi } from 'vitest';
import { warningsOf } from './backend-warning.js';

const WHY = "no native TensorFlow: Sheaf's own add-on has not been compiled. To mend it: npm run native";

vi.mock('./tensorflow-backend.js', async () => {
  const { loadLibrary } = await import('./native.js');
  return { loadTensorFlowBackend: loadLibrary };
});
vi.mock('./native.js', async (original) => {
  const { NoNativeError, ...rest } = await original<typeof import('./native.js')>();
  const loadLibrary = vi.fn(async () => {
    throw new NoNativeError("Sheaf's own add-on has not been compiled", 'npm run native');
  });
  return { ...rest, NoNativeError, loadLibrary };
});

describe('loadBackend where native TensorFlow cannot be used', () => {
  // A process has one backend for all its life.
  let loadBackend: typeof import('./backends.js').loadBackend;
  let loadLibrary: typeof import('./native.js').loadLibrary;
  beforeEach(async () => {
    vi.resetModules();
    ({ loadBackend } = await import('./backends.js'));
    ({ loadLibrary } = await import('./native.js'));
    vi.mocked(loadLibrary).mockClear();
  });

  it('computes on WebAssembly by itself, and says why', async () => {
    const backend = await loadBackend();
    expect(backend).toMatchObject({ name: 'tfjs-wasm', fallback: WHY });
    expect(await loadBackend()).toBe(backend);
    expect(await loadBackend('tfjs-wasm')).toBe(backend);
    const network = await backend.compile({
      ...{ inputs: 1, hidden: [], outputs: 2, loss: 'softmax-cross-entropy' },
    });
    expect([...network.predict(Float32Array.of(0, 0, 0, 0), Float32Array.of(1), 1)]).toEqual([0.5, 0.5]);
    network.dispose();
  });

  it('throws where it was asked for, also after another has done without', async () => {
    await expect(loadBackend('tensorflow')).rejects.toThrow(WHY);
    await loadBackend();
    await expect(loadBackend('tensorflow')).rejects.toThrow(WHY);
  });

  it('stays with WebAssembly where that was asked for', async () => {
    expect((await loadBackend('tfjs-wasm')).fallback).toBeUndefined();
    expect((await loadBackend()).fallback).toBeUndefined();
    expect(loadLibrary).not.toHaveBeenCalled();
  });

  it('takes no other error for a lack of TensorFlow', async () => {
    vi.mocked(loadLibrary).mockRejectedValueOnce(new RangeError('a setting'));
    await expect(loadBackend()).rejects.toThrow('a setting');
    expect(await loadBackend()).toMatchObject({ fallback: WHY });
  });
});

describe('the warning', () => {
  const [one, two, three] = ['a on ape', 'b on bee', 'c on cow'].map((executor) => ({ executor })) as [any, any, any];
  const slow = `${WHY}. Until then networks compute there on WebAssembly, several times slower`;

  it('names the executors whose slots lack something', () => {
    const fallback = WHY;
    expect(warningsOf([one, two], true, new Set())).toEqual([]);
    expect(warningsOf([one, { ...two, fallback }], true, new Set())).toEqual([`executor b on bee: ${slow}`]);
    expect(
      warningsOf(
        [
          { ...one, fallback },
          { ...two, fallback },
          { ...one, fallback },
        ],
        true,
        new Set(),
      ),
    ).toEqual([`executors a on ape, b on bee: ${slow}`]);
    expect(
      warningsOf(
        [
          { ...one, shortfall: 'no driver' },
          { ...three, fallback },
        ],
        true,
        new Set(),
      ),
    ).toEqual(['executor a on ape: GPU slots compute on the CPU: no driver', `executor c on cow: ${slow}`]);
  });

  it('names each once, also those that come later', () => {
    const told = new Set<string>();
    expect(warningsOf([{ ...one, fallback: WHY }], true, told)).toHaveLength(1);
    expect(
      warningsOf(
        [
          { ...one, fallback: WHY },
          { ...two, fallback: WHY },
        ],
        true,
        told,
      ),
    ).toEqual([`executor b on bee: ${slow}`]);
  });

  it('is none where WebAssembly was asked for', () => {
    expect(warningsOf([{ ...one, fallback: WHY }], false, new Set())).toEqual([]);
  });
});
