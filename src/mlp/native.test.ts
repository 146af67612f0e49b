import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NativeAddon } from '../native/addon.js';
import { entryPoint } from '../protocol/entry.js';
import { loadLibrary, loadNative, nativeState } from './native.js';

describe('nativeState', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sheaf-native-'));
    mkdirSync(join(folder, 'lib', 'napi-v8'), { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const record = (value: object) => writeFileSync(join(folder, 'lib', 'sheaf-native.json'), JSON.stringify(value));
  const own = { addon: {} as NativeAddon };
  const linked = { tensorflow: '2.21.0', device: 'cpu', gpu: false, folder: '/cache/tensorflow-2.21.0-cpu' };

  it('says that nothing was linked yet', () => {
    expect(nativeState(folder)).toMatchObject({ installed: false, advice: 'npm run native' });
  });

  it('passes on why linking failed and what to do', () => {
    record({ reason: 'a C++ compiler is missing', advice: 'sudo apt-get install -y g++' });
    expect(nativeState(folder)).toEqual({
      installed: false,
      reason: 'a C++ compiler is missing',
      advice: 'sudo apt-get install -y g++',
    });
  });

  it('tells version and device of what is linked', () => {
    writeFileSync(join(folder, 'binding'), '');
    symlinkSync(join(folder, 'binding'), join(folder, 'lib', 'napi-v8', 'tfjs_binding.node'));
    record(linked);
    expect(nativeState(folder, own)).toEqual({ installed: true, tensorflow: '2.21.0', device: 'cpu', gpu: false });
    // Graphs are run by the add-on.
    const stale = { reason: 'it was compiled from other sources', advice: 'npm run native' };
    expect(nativeState(folder, stale)).toEqual({ installed: false, ...stale });
  });

  it('notices that the cache it was linked to is gone', () => {
    symlinkSync(join(folder, 'gone'), join(folder, 'lib', 'napi-v8', 'tfjs_binding.node'));
    record(linked);
    expect(nativeState(folder)).toMatchObject({ installed: false, reason: expect.stringContaining(linked.folder) });
  });
});

describe('loadNative', () => {
  it('loads the library that was linked, and computes', async () => {
    const tf = await loadNative();
    const { version, gpu } = await loadLibrary();
    expect(nativeState()).toEqual({ installed: true, tensorflow: version, device: expect.anything(), gpu });
    const product = tf.tidy(() => tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])).dataSync());
    expect([...product]).toEqual([11]);
    expect(tf.memory().numTensors).toBe(0);
  });

  it.each([
    { ways: ['graph'], packages: false },
    { ways: ['graph', 'tfjs', 'graph'], packages: true },
    { ways: ['tfjs', 'graph', 'tfjs'], packages: true },
  ])('shares a process with graphs, which load the library alone: $ways', ({ ways, packages }) => {
    const script = entryPoint('mlp/testing/native-process.js');
    const output = execFileSync(process.execPath, [script, ...ways], { stdio: ['ignore', 'pipe', 'ignore'] });
    expect(JSON.parse(output.toString())).toEqual({ products: ways.map(() => [11]), packages });
  });
});
