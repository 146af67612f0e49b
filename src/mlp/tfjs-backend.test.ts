import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { loadBackend } from './backends.js';
import { backendContract } from './testing/backend-contract.js';
import { torchTraining } from './testing/torch-training.js';
import type { Tfjs } from './tfjs/activations.js';

const tf = createRequire(import.meta.url)('@tensorflow/tfjs-core') as Tfjs;

describe('TF.js on WebAssembly', () => {
  backendContract(
    () => loadBackend('tfjs-wasm'),
    () => tf.memory().numTensors,
  );

  torchTraining(() => loadBackend('tfjs-wasm'));

  it('is the backend of the process from then on', async () => {
    expect((await loadBackend()).name).toBe('tfjs-wasm');
    await expect(loadBackend('tensorflow')).rejects.toThrow('this process computes on tfjs-wasm');
  });
});
